"""A file of records on their way from a worker to the ledger, for copies that are too large for a pipe."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import CHUNK, LedgerRecord, PayloadCodec, RecordKind

_LENGTH = struct.Struct("<Q")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(LedgerRecord)


class RecordSpill:
    """Writes records to a file one after the other, and reads a record back by its hash."""

    def __init__(self, path: Path, mode: str = "w+b") -> None:
        self.path = path
        self._offsets: dict[bytes, int] = {}
        self._file = cast(BinaryIO, path.open(mode))

    @classmethod
    def reopened(cls, path: Path) -> RecordSpill:
        """Open a spill that was closed, to read and extend it.

        Raises:
            OSError: the file can't be read.
        """
        spill = cls(path, "r+b")
        while True:
            offset = spill._file.tell()
            record = _next(spill._file)
            if record is None:
                return spill
            spill._offsets[record.sha] = offset

    def __contains__(self, sha: bytes) -> bool:
        return sha in self._offsets

    def write(self, record: LedgerRecord) -> None:
        """Append a record, unless there is one with this hash already."""
        if record.sha in self._offsets:
            return
        self._file.seek(0, 2)
        self._offsets[record.sha] = self._file.tell()
        data = _ENCODER.encode(record)
        self._file.write(_LENGTH.pack(len(data)))
        self._file.write(data)

    def read(self, sha: bytes) -> LedgerRecord:
        """The record of content `sha`.

        Raises:
            KeyError: it is not in the file.
        """
        self._file.seek(self._offsets[sha])
        record = _next(self._file)
        assert record is not None
        return record

    def close(self) -> None:
        """Close the file. It stays on disk for its reader."""
        self._file.close()


def hash_of(chunks: Iterable[bytes]) -> bytes:
    """SHA-256 of all chunks joined."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def whole(
    kind: RecordKind,
    sha: bytes,
    size: int,
    chunks: Iterable[bytes],
    encoder: RecordEncoder,
    spill: RecordSpill,
) -> LedgerRecord:
    """A record of unsplit content, given in chunks of CHUNK bytes.

    Content that is too large for one record becomes the list of its chunks, which go to the spill. A list of
    one chunk is impossible: it would have the hash of its chunk, and so refer to itself.
    """
    if size <= CHUNK:
        return encoder.encode(kind, b"".join(chunks), sha)
    shas = []
    for chunk in chunks:
        shas.append(hashlib.sha256(chunk).digest())
        spill.write(encoder.encode(RecordKind.PART, chunk, shas[-1]))
    return LedgerRecord(kind, sha, size, PayloadCodec.RAW | PayloadCodec.CHUNK_LIST, b"".join(shas))


def rebuilds(record: LedgerRecord, find: Callable[[bytes], LedgerRecord], decoder: PayloadDecoder) -> bool:
    """Whether a record and the records to which it refers give its exact content back."""

    def content(one: LedgerRecord) -> Iterator[bytes]:
        payload = decoder.payload(one)
        if one.codec & PayloadCodec.CHUNK_LIST:
            for start in range(0, len(payload), 32):
                yield from content(find(payload[start : start + 32]))
        elif one.codec & PayloadCodec.RECIPE:
            yield from recipe.rebuild(recipe.decode(payload), lambda sha: content(find(sha)))
        else:
            yield payload

    return hash_of(content(record)) == record.sha


def _next(file: BinaryIO) -> LedgerRecord | None:
    head = file.read(_LENGTH.size)
    if not head:
        return None
    return _DECODER.decode(file.read(_LENGTH.unpack(head)[0]))


def read_spill(path: Path) -> Iterator[LedgerRecord]:
    """Yield the records of a spill file in order. One is in memory at a time."""
    with path.open("rb") as file:
        while (record := _next(file)) is not None:
            yield record
