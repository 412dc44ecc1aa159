"""Mailboxes in Microsoft 365, by Microsoft Graph."""
