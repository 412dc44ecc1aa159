"""Mailboxes on Exchange Servers, by Exchange Web Services (EWS)."""
