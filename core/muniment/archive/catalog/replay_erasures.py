"""Tells erasures from damage while a ledger is replayed.

Only what a committed redaction names is erased; it comes later in the ledger than what it names. What looks
erased without one is damage. What an interrupted erasure has left counts as erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.erased.frames import UNNAMED, end_of, fault_of, is_erased, stated_by
from muniment.archive.ledger.erased.named import NamedFrames, committed_redactions
from muniment.archive.ledger.model import ERASABLE, Frame, LedgerHead, PayloadCodec, RecordKind
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import last_head
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import describe_record


class ErasureJudge:
    """Judges frames and damage in the order of the ledger. Redactions are read once one is needed."""

    def __init__(self, segments: SegmentStore, since: LedgerHead | None) -> None:
        """Begin.

        Args:
            segments: The ledger's segments.
            since: The committed state after which frames are met; None for the first record.
        """
        self._segments = segments
        self._read_to = since
        self._named: NamedFrames | None = None

    def close(self) -> None:
        """Forget the redactions. It may be called twice."""
        if self._named is not None:
            self._named.close()

    def judged(self, item: Frame | Damage) -> Iterator[Frame | Damage]:
        """Yield what a frame or a damage is: itself, damage that looks like an erasure, or erased frames."""
        if isinstance(item, Frame):
            if is_erased(item):
                yield self._frame(item)
            else:
                yield _erased(stated_by(item)) if self._is_waiting(item) else item
            return
        named = self._filling(item)
        yield from map(_erased, named)
        if not named:
            yield item

    def _frame(self, frame: Frame) -> Frame | Damage:
        fault = fault_of(frame, frame.payload)
        if not fault and not any(stated_by(frame) in known.at(*_place(frame)) for known in self._known()):
            fault = UNNAMED
        if not fault:
            return frame
        length = frame.next_offset - frame.position.offset
        reason = f"{describe_record(frame.kind, frame.sha)}: {fault}"
        return Damage(*_place(frame), length, reason, replace(frame, codec=PayloadCodec.RAW, payload=b""))

    def _is_waiting(self, frame: Frame) -> bool:
        """Return whether a frame is to be erased, and others are erased already that belong to it."""
        if self._named is None or frame.kind not in ERASABLE:
            return False
        return stated_by(frame) in self._named.at(*_place(frame))

    def _filling(self, damage: Damage) -> list[ErasedFrame]:
        """Return the named frames that fill damaged bytes; none if other bytes are damaged as well."""
        end = damage.offset + damage.length
        for known in self._known():
            if known.covers(damage.segment, damage.offset, end):
                return list(dict.fromkeys(known.within(damage.segment, damage.offset, end)))
        return []

    def _known(self) -> Iterator[NamedFrames]:
        """Yield what the redactions name that were read so far; then again, with what was written since."""
        named = self._named
        if named is not None:
            yield named
        else:
            named = self._named = NamedFrames()
        head = last_head(self._segments)
        if head is not None and head != self._read_to:
            for one in committed_redactions(self._segments, self._read_to):
                named.add(one.redaction.frames)
            self._read_to = head
            yield named


def _place(frame: Frame) -> tuple[int, int]:
    return frame.position.segment, frame.position.offset


def _erased(named: ErasedFrame) -> Frame:
    """Return a frame as it is once its erasure is finished, without the zeros."""
    position = FramePosition(named.segment, named.offset)
    kind, codec = RecordKind(named.kind), PayloadCodec.ERASED
    return Frame(
        named.sequence, position, kind, codec, 0, named.time, named.size, named.sha, b"", end_of(named)
    )
