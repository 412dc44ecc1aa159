"""The short keys by which the catalog looks up messages."""

from __future__ import annotations

import hashlib


def name_of(message_id: str) -> bytes:
    """The look-up key of a Message-ID: 8 bytes of its SHA-256; b"" if it is empty.

    White space does not count. Case does.
    """
    bare = "".join(message_id.split())
    return hashlib.sha256(bare.encode("utf-8", "surrogatepass")).digest()[:8] if bare else b""
