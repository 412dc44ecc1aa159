"""Notes that decide something later. They are kept in receipts: never change the words."""

from __future__ import annotations

OPAQUE = "its parser died over it: kept whole, not read"
"""Of a copy that was stored without being parsed. It is never parsed later either."""
UNREAD = "its text could not be read: the parser failed over it"
"""Of a message whose outline alone was read (see mail.outline). Its text is never read later either, so that
a rebuild comes to the same."""
NO_ENVELOPE = "no envelope: told by the original's own headers"
"""Of a report that does not itself say who sent its original."""
PLACEHOLDER = "its journal report holds no original: it is listed by the envelope"
"""Of a mail in whose report something else stood in the original's place (see mail.placeholder)."""
CUT = "long text was read in part"
"""Of a message with more text than is read: what stands behind that is neither searched nor compared."""
ENCRYPTED = "encrypted: what is inside can be read with a recipient's key alone"
"""Of a message with a part that S/MIME or PGP encrypted."""
