"""What several kinds have in common: groups of fields in the order of forms, ways to log in, scopes."""

from __future__ import annotations

LOGIN = ("host", "mailbox", "password")
LINE = ("port", "security", "fingerprint", "ca_file")
TOKENS = ("auth", "directory", "client_id", "certificate", "authority")
ROUTING = ("tenant", "plain", "unknown")
ANY_AUTH = ("password", "app", "device", "google")
"""The ways to log in to a mailbox of any provider."""
OUTLOOK = "https://outlook.office365.com"
"""The beginning of scopes of Exchange Online, to applications."""
GOOGLE = "https://mail.google.com/"
"""The scope of all mail at Google."""
