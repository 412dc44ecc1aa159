"""Giving mail back from the archive into mailboxes."""
