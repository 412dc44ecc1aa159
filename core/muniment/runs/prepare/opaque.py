"""A copy on which a worker died twice: it is stored whole, with a note, and never parsed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import Encoder
from muniment.archive.ledger.model import CHUNK, Kind, Record
from muniment.archive.ledger.recipe import Slice
from muniment.mail.buffer import FileBuffer, window
from muniment.mail.notes import OPAQUE
from muniment.runs.prepare.prepared_copy import PreparedCopy, bare_message
from muniment.runs.prepare.spill import Spill, hash_of, whole
from muniment.sources.base import Fetched


def opaque(fetched: Fetched, encoder: Encoder) -> PreparedCopy:
    """Prepare a fetched copy without parsing it.

    Raises:
        OSError: its file can't be read, or its records can't be written.
    """
    content = fetched.content
    if isinstance(content, bytes):
        sha = hashlib.sha256(content).digest()
        return _copy(sha, len(content), encoder.encode(Kind.MESSAGE, content, sha), encoder)
    spill = Spill(Path(f"{content}.records"))
    with FileBuffer(content) as buffer:
        size = len(buffer)
        sha = hash_of(window(buffer, 0, size))
        record = whole(Kind.MESSAGE, sha, size, window(buffer, 0, size, CHUNK), encoder, spill)
    spill.close()
    copy = _copy(sha, size, record, encoder)
    copy.spill = str(spill.path)
    return copy


def _copy(sha: bytes, size: int, record: Record, encoder: Encoder) -> PreparedCopy:
    pieces = recipe.encode([Slice(sha, 0, size)])
    return PreparedCopy(
        sha=sha,
        size=size,
        envelope=encoder.encode_recipe(Kind.ENVELOPE, pieces, sha, size),
        messages=[bare_message(sha, size, record, OPAQUE)],
        notes=(OPAQUE,),
    )
