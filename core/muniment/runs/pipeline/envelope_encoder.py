"""How a copy is written: its own bytes once, its messages by reference where that is exact."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from muniment.archive.ledger import recipe
from muniment.archive.ledger.model import CHUNK, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import chunks
from muniment.archive.ledger.recipe import ContentSlice, LiteralBytes, Piece
from muniment.archive.vault.vault import Vault
from muniment.mail.buffer import FileBuffer, window
from muniment.runs.pipeline.fork_recipe import fork_pieces, rebuilt
from muniment.runs.prepare.prepared_copy import PreparedCopy
from muniment.runs.prepare.spill import RecordSpill, read_spill, rebuilds, whole
from muniment.sources.base import FetchedItem

FORK_LIMIT = 8 * 1024 * 1024
"""Size, in bytes, above which a fork's message is stored as its own recipe instead of as differences."""


class EnvelopeEncoder:
    """Makes the envelope record of copies whose messages are kept in the form of other messages.

    A record that would not give back the copy's exact bytes is never returned: the bytes are stored whole.
    """

    def __init__(
        self,
        vault: Vault,
        keep_part: Callable[[LedgerRecord], None],
        original: Callable[[bytes], bytes],
    ) -> None:
        """Encode for a vault.

        Args:
            vault: reads messages that are kept already.
            keep_part: appends a part to the ledger, unless it is kept.
            original: the bytes of a message of the current batch, by its hash; b"" for any other.
        """
        self._vault = vault
        self._keep_part = keep_part
        self._original = original

    def keep_spill(self, copy: PreparedCopy) -> None:
        """Keep the parts that the workers wrote beside a large copy."""
        if copy.spill:
            for record in read_spill(Path(copy.spill)):
                self._keep_part(record)

    def forked(self, fetched: FetchedItem, copy: PreparedCopy, shas: tuple[bytes, ...]) -> LedgerRecord:
        """The record of a copy whose message is kept in the form of another fork.

        Args:
            fetched: the copy's bytes.
            copy: what the workers made of it.
            shas: the hashes of the kept messages.
        """
        if isinstance(fetched.content, bytes) and len(shas) == 1 and len(copy.messages) == 1:
            message = copy.messages[0]
            stored = self._original(shas[0]) or self._small(shas[0])
            if message.end and hashlib.sha256(stored).digest() == shas[0]:
                pieces = fork_pieces(fetched.content, message.start, message.end, stored, shas[0])
                if rebuilt(pieces, {shas[0]: stored}) == fetched.content:
                    return self._recipe(copy, pieces)
        if isinstance(fetched.content, bytes):
            return self._vault.encoder.encode(RecordKind.ENVELOPE, fetched.content, copy.sha)
        return self._standalone(fetched.content, copy)

    def linked(self, fetched: FetchedItem, copy: PreparedCopy) -> LedgerRecord:
        """The record of a copy that a service wrote: all of its text, and its parts stored once."""
        if isinstance(fetched.content, Path):
            return self._standalone(fetched.content, copy)
        for message in copy.messages:
            for part in message.parts:
                self._keep_part(part)
        record = self._spelled_envelope(copy)
        parts = {part.sha: self._vault.decoder.payload(part) for one in copy.messages for part in one.parts}
        pieces = recipe.decode(self._vault.decoder.payload(record))
        try:
            content = b"".join(recipe.rebuild(pieces, lambda sha: (parts[sha],)))
        except KeyError:
            content = b""
        if content == fetched.content:
            return record
        return self._vault.encoder.encode(RecordKind.ENVELOPE, fetched.content, copy.sha)

    def _small(self, sha: bytes) -> bytes:
        row = self._vault.catalog.message_by_sha(sha)
        if row is None or row.size > FORK_LIMIT:
            return b""
        return self._vault.reader.content_bytes(sha)

    def _standalone(self, path: Path, copy: PreparedCopy) -> LedgerRecord:
        """An envelope record that contains its messages instead of referring to them."""
        spill = RecordSpill.reopened(Path(copy.spill))
        try:
            record = self._spelled_envelope(copy)
            if not rebuilds(record, spill.read, self._vault.decoder):
                with FileBuffer(path) as buffer:
                    content = window(buffer, 0, copy.size, CHUNK)
                    record = whole(
                        RecordKind.ENVELOPE, copy.sha, copy.size, content, self._vault.encoder, spill
                    )
        finally:
            spill.close()
        self.keep_spill(copy)
        return record

    def _spelled_envelope(self, copy: PreparedCopy) -> LedgerRecord:
        if not copy.envelope.codec & PayloadCodec.RECIPE:
            return copy.envelope
        own = {message.sha: message.record for message in copy.messages}
        pieces: list[Piece] = []
        for piece in recipe.decode(self._vault.decoder.payload(copy.envelope)):
            if isinstance(piece, ContentSlice) and piece.sha in own:
                pieces += self._spelled_out(own[piece.sha])
            else:
                pieces.append(piece)
        return self._recipe(copy, pieces)

    def _spelled_out(self, record: LedgerRecord) -> Iterable[Piece]:
        payload = self._vault.decoder.payload(record)
        if record.codec & PayloadCodec.RECIPE:
            return recipe.decode(payload)
        if record.codec & PayloadCodec.CHUNK_LIST:
            starts = range(0, record.size, CHUNK)
            return [
                ContentSlice(sha, 0, min(CHUNK, record.size - start))
                for sha, start in zip(chunks(payload), starts, strict=True)
            ]
        return [LiteralBytes(payload)]

    def _recipe(self, copy: PreparedCopy, pieces: list[Piece]) -> LedgerRecord:
        return self._vault.encoder.encode_recipe(
            RecordKind.ENVELOPE, recipe.encode(pieces), copy.sha, copy.size
        )
