"""Notes at messages that later code tests for. Receipts keep them: never change the words."""

from __future__ import annotations

OPAQUE = "its parser died over it: kept whole, not read"
"""The copy was stored without being parsed. It is never parsed later."""
UNREAD = "its text could not be read: the parser failed over it"
"""Only the outline of the message was read (see `mail.text.outline`). Its text is never read later, so that a
rebuild gives the same result."""
NO_ENVELOPE = "no envelope: taken from the original's own headers"
"""The journal report does not itself say who sent its original."""
PLACEHOLDER = "its journal report holds no original: it is listed by the envelope"
"""The journal report holds something else in the original's place (see `mail.journal.placeholder`)."""
CUT = "long text was read in part"
"""The message has more text than is read. The rest is neither searched nor compared."""
ENCRYPTED = "encrypted: what is inside can be read with a recipient's key alone"
"""The message has a part that S/MIME or PGP encrypted."""
