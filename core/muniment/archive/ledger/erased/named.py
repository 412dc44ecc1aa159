"""The frames that redaction records name: only these may be erased, and nothing else about them may differ.

A redaction comes after the frames that it names, so a reader of an erased frame must know what comes later.
What is named is in a temporary database, since there may be more of it than fits into memory.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.erased.frames import CommittedRedaction, decode_redaction, end_of
from muniment.archive.ledger.frame import HEADER_SIZE, FrameHeader, differs_by_erasure, erased_header
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import LedgerDamaged

log = logging.getLogger("muniment.ledger")

_BLOCK = 1024 * 1024
_COLUMNS = ("segment", "offset", "sequence", "length", "kind", "time", "size", "sha")
_LIST = ", ".join(_COLUMNS)


def committed_redactions(
    segments: SegmentStore, since: LedgerHead | None = None
) -> Iterator[CommittedRedaction]:
    """Yield the redactions of a ledger, in order. Only headers and the redactions themselves are read.

    A redaction that can't be read is logged and left out.

    Args:
        segments: The ledger's segments.
        since: The committed state after which to begin; None begins at the first record.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
    """
    for frame in scan(segments, since, on_damage=_ignore, payloads=_is_redaction):
        if frame.kind is RecordKind.REDACTION:
            try:
                yield decode_redaction(frame)
            except LedgerDamaged as error:
                log.error("an erasure can't be done again: %s", error)


def _ignore(damage: Damage) -> None:
    """Pass over damage, which the check of the whole ledger reports."""


def _is_redaction(header: FrameHeader) -> bool:
    return header.kind == RecordKind.REDACTION


def is_frame(segments: SegmentStore, tag: bytes, frame: ErasedFrame) -> bool:
    """Return whether a frame is where a redaction names it: erased or not, or with a torn header.

    Raises:
        OSError: The segment can't be read.
    """
    return differs_by_erasure(_read(segments, frame, 0, HEADER_SIZE), erased_header(tag, frame))


def is_gone(segments: SegmentStore, tag: bytes, frame: ErasedFrame) -> bool:
    """Return whether the content of a named frame is erased, and its header is right.

    Raises:
        OSError: The segment can't be read.
    """
    if _read(segments, frame, 0, HEADER_SIZE) != erased_header(tag, frame):
        return False
    for start in range(0, frame.length, _BLOCK):
        length = min(_BLOCK, frame.length - start)
        if _read(segments, frame, HEADER_SIZE + start, length).count(0) != length:
            return False
    return True


def _read(segments: SegmentStore, frame: ErasedFrame, start: int, length: int) -> bytes:
    """Read bytes of a frame; none if there is no such segment."""
    try:
        with closing(segments.open(frame.segment)) as segment:
            return segment.read(frame.offset + start, length)
    except FileNotFoundError:
        return b""


class NamedFrames:
    """Frames by their place, in a temporary database without a name. For one thread at a time."""

    def __init__(self) -> None:
        self._store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute(f"CREATE TABLE frame ({_LIST}, PRIMARY KEY ({_LIST})) WITHOUT ROWID")

    def add(self, frames: Iterable[ErasedFrame]) -> None:
        """Add frames; equal ones count once."""
        rows = ((f.segment, f.offset, f.sequence, f.length, f.kind, f.time, f.size, f.sha) for f in frames)
        self._store.executemany("INSERT OR IGNORE INTO frame VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def at(self, segment: int, offset: int) -> list[ErasedFrame]:
        """Return the frames at a place; several that differ if redactions contradict each other."""
        return list(self._read("segment = ? AND offset = ?", segment, offset))

    def within(self, segment: int, start: int, end: int) -> list[ErasedFrame]:
        """Return the frames that begin in a range of a segment, in order; those at one place are equal."""
        return list(self._read("segment = ? AND offset >= ? AND offset < ?", segment, start, end))

    def overlapping(self, segment: int, start: int, end: int) -> list[ErasedFrame]:
        """Return the frames that have a byte in a range of a segment."""
        condition = f"segment = ? AND offset < ? AND offset + length + {HEADER_SIZE} > ?"
        return list(self._read(condition, segment, end, start))

    def covers(self, segment: int, start: int, end: int) -> bool:
        """Return whether frames fill a range of a segment without a gap."""
        for frame in self.within(segment, start, end):
            if frame.offset > start:
                return False
            start = max(start, end_of(frame))
        return start >= end

    def __iter__(self) -> Iterator[ErasedFrame]:
        return self._read("1")

    def _read(self, condition: str, *values: int) -> Iterator[ErasedFrame]:
        query = f"SELECT {_LIST} FROM frame WHERE {condition} ORDER BY segment, offset"  # noqa: S608
        for segment, offset, sequence, *rest in self._store.execute(query, values):
            yield ErasedFrame(sequence, segment, offset, *rest)

    def close(self) -> None:
        """Close and delete the database. It may be called twice."""
        self._store.close()
