"""Mailboxes on POP3 servers."""
