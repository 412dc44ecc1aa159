"""Targets: mailboxes into which mail is given back from the archive."""
