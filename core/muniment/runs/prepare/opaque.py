"""A copy on which a worker died twice: it is stored whole, with a note, and never parsed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.model import CHUNK, LedgerRecord, RecordKind
from muniment.archive.ledger.recipe import ContentSlice
from muniment.mail.buffer import FileBuffer, window
from muniment.mail.notes import OPAQUE
from muniment.runs.prepare.prepared_copy import PreparedCopy, bare_message
from muniment.runs.prepare.spill import RecordSpill, hash_of, whole
from muniment.sources.base import FetchedItem


def opaque(fetched: FetchedItem, encoder: RecordEncoder) -> PreparedCopy:
    """Prepare a fetched copy without parsing it.

    Raises:
        OSError: its file can't be read, or its records can't be written.
    """
    content = fetched.content
    if isinstance(content, bytes):
        sha = hashlib.sha256(content).digest()
        return _copy(sha, len(content), encoder.encode(RecordKind.MESSAGE, content, sha), encoder)
    spill = RecordSpill(Path(f"{content}.records"))
    with FileBuffer(content) as buffer:
        size = len(buffer)
        sha = hash_of(window(buffer, 0, size))
        record = whole(RecordKind.MESSAGE, sha, size, window(buffer, 0, size, CHUNK), encoder, spill)
    spill.close()
    copy = _copy(sha, size, record, encoder)
    copy.spill = str(spill.path)
    return copy


def _copy(sha: bytes, size: int, record: LedgerRecord, encoder: RecordEncoder) -> PreparedCopy:
    pieces = recipe.encode([ContentSlice(sha, 0, size)])
    return PreparedCopy(
        sha=sha,
        size=size,
        envelope=encoder.encode_recipe(RecordKind.ENVELOPE, pieces, sha, size),
        messages=[bare_message(sha, size, record, OPAQUE)],
        notes=(OPAQUE,),
    )
