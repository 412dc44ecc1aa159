"""A file of records on their way from a worker to the ledger, for copies too large for a pipe."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from muniment.archive.ledger.model import Record

_LENGTH = struct.Struct("<Q")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


class Spill:
    """Writes records to a file, one after the other, and reads one back by its hash."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets: dict[bytes, int] = {}
        self._file = path.open("w+b")

    def __contains__(self, sha: bytes) -> bool:
        return sha in self._offsets

    def write(self, record: Record) -> None:
        """Append a record; one with a hash that is there already is not written again."""
        if record.sha in self._offsets:
            return
        self._file.seek(0, 2)
        self._offsets[record.sha] = self._file.tell()
        data = _ENCODER.encode(record)
        self._file.write(_LENGTH.pack(len(data)))
        self._file.write(data)

    def read(self, sha: bytes) -> Record:
        """The record of content `sha`. Raises KeyError if it is not here."""
        self._file.seek(self._offsets[sha])
        record = _next(self._file)
        assert record is not None
        return record

    def close(self) -> None:
        """Close the file; it stays for the reader."""
        self._file.close()


def _next(file: BinaryIO) -> Record | None:
    head = file.read(_LENGTH.size)
    if not head:
        return None
    return _DECODER.decode(file.read(_LENGTH.unpack(head)[0]))


def read_spill(path: Path) -> Iterator[Record]:
    """The records of a spill file, in order, one in memory at a time."""
    with path.open("rb") as file:
        while (record := _next(file)) is not None:
            yield record
