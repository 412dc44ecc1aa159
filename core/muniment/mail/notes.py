"""Notes of messages of which not all was read. They are kept in receipts: never change the words."""

from __future__ import annotations

OPAQUE = "its parser died over it: kept whole, not read"
"""Of a copy that was stored without being parsed. It is never parsed later either."""
UNREAD = "its text could not be read: the parser failed over it"
"""Of a message whose outline alone was read (see mail.outline). Its text is never read later either, so that
a rebuild comes to the same."""
