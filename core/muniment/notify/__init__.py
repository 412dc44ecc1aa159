"""Notifications: what is wrong with the archive, and sending it to people by mail, URL or program."""
