"""Erases records of small ledgers, and damages what an erasure leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from muniment.archive.erasure.apply import erase_frames
from muniment.archive.erasure.redaction import Redaction, redaction_record
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.erased.frames import stated_by
from muniment.archive.ledger.model import ERASABLE, Frame, LedgerHead, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger
from support.ledgers import NOON


def named(segments: SegmentStore, chosen: Callable[[Frame], bool] = lambda frame: True) -> list[ErasedFrame]:
    """Return what a redaction must state of the frames with mail that a function chooses."""
    return [stated_by(frame) for frame in scan(segments) if frame.kind in ERASABLE and chosen(frame)]


def redaction_of(frames: Iterable[ErasedFrame], basis: str = "Art. 17") -> Redaction:
    """Make a redaction of frames."""
    return Redaction(at=1_790_000_000, basis=basis, who="ada", uid=7, messages=(), frames=tuple(frames))


def redaction_of_mail(frames: Sequence[ErasedFrame]) -> Redaction:
    """Make a redaction of messages and copies that names them as such, for a catalog."""
    shas = {kind: tuple(f.sha for f in frames if f.kind == kind) for kind in ERASABLE}
    messages, copies = shas[RecordKind.MESSAGE], shas[RecordKind.ENVELOPE]
    return replace(redaction_of(frames), messages=messages, copies=copies)


def commit_redaction(segments: SegmentStore, frames: Iterable[ErasedFrame]) -> LedgerHead:
    """Commit a redaction, and erase nothing yet."""
    return commit(segments, redaction_of(frames))


def commit(segments: SegmentStore, redaction: Redaction) -> LedgerHead:
    """Commit a redaction, and erase nothing yet."""
    ledger = Ledger.open(segments)
    ledger.append(redaction_record(redaction), NOON)
    head = ledger.commit()
    ledger.close()
    return head


def erase(segments: SegmentStore, frames: Iterable[ErasedFrame]) -> LedgerHead:
    """Commit a redaction, and erase what it names."""
    some = list(frames)
    head = commit_redaction(segments, some)
    assert erase_frames(segments, some) == len(some)
    return head


def overwrite(segments: SegmentStore, number: int, offset: int, data: bytes) -> None:
    """Change bytes of a segment, as damage does."""
    with_changes = bytearray(whole(segments, number))
    with_changes[offset : offset + len(data)] = data
    segments.put(number, [bytes(with_changes)])


def whole(segments: SegmentStore, number: int) -> bytes:
    """Return all bytes of a segment."""
    segment = segments.open(number)
    return segment.read(0, segment.size())
