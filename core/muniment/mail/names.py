"""The names by which messages are looked up."""

from __future__ import annotations

import hashlib


def name_of(message_id: str) -> bytes:
    """A Message-ID as it is looked up: 8 bytes of its SHA-256; empty for none."""
    bare = "".join(message_id.split())
    return hashlib.sha256(bare.encode("utf-8", "surrogatepass")).digest()[:8] if bare else b""
