"""Reads a ledger in order. This is safe while a writer appends to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.model import Frame, LedgerHead
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import describe_record, make_frame
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import (
    FoundFrame,
    FrameGap,
    Payloads,
    commit_before,
    commit_of,
    last_commit,
    walk,
)
from muniment.errors import LedgerDamaged


def has_commit(segments: SegmentStore, vault_id: bytes, head: LedgerHead) -> bool:
    """Return whether the ledger has a commit frame that proves `head`, at the place that `head` states.

    Args:
        segments: The ledger's segments.
        vault_id: The vault's id, 8 bytes.
        head: The committed state to look for; an empty one is always known.

    Raises:
        OSError: The segment can't be read.
    """
    if not head.tree_size:
        return True
    last = commit_before(segments, head.segment, vault_id, head.offset)
    return last is not None and (last[1].tree.size, last[1].root) == (head.tree_size, head.root)


def last_head(segments: SegmentStore) -> LedgerHead | None:
    """Return the last committed state of a ledger; None if nothing is committed.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The text with the vault's id is damaged.
    """
    tag = read_vault_id(segments)
    for number in reversed(segments.numbers()):
        last = last_commit(segments, number, tag)
        if last is not None:
            return LedgerHead(last[1].tree.size, last[1].root, number, last[0].end)
    return None


def last_written(segments: SegmentStore) -> int:
    """Return when the last commit frame was written, microseconds since 1970 UTC; 0 if nothing is committed.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The text with the vault's id is damaged.
    """
    tag = read_vault_id(segments)
    for number in reversed(segments.numbers()):
        last = last_commit(segments, number, tag)
        if last is not None:
            return last[0].header.time
    return 0


def scan(
    segments: SegmentStore,
    start: FramePosition | LedgerHead | None = None,
    *,
    committed_only: bool = True,
    on_damage: Callable[[Damage], None] | None = None,
    payloads: Payloads = True,
) -> Iterator[Frame]:
    """Yield the frames of a ledger in order.

    Args:
        segments: The ledger's segments.
        start: The position of the first frame, or a committed state after which to begin; None begins at
            the first frame.
        committed_only: Whether to end at the last commit frame that exists when the scan begins.
        on_damage: Called with each damage. Damaged frames are then left out, and the frames after them still
            get their right sequences.
        payloads: Which payloads to read and check. A frame of another one has an empty payload.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: A frame is damaged and `on_damage` is not given; the text says where.
    """
    tag = read_vault_id(segments)
    numbers = segments.numbers()
    limit = last_head(segments) if committed_only else None
    if not numbers or (committed_only and limit is None):
        return
    begin = FramePosition(numbers[0], 0) if start is None else start
    sequence = start.tree_size + 1 if isinstance(start, LedgerHead) and start.tree_size else None
    for number in numbers:
        if number < begin.segment:
            continue
        offset = begin.offset if number == begin.segment else 0
        end = limit.offset if limit is not None and number == limit.segment else None
        stretch = _Stretch(segments, number, tag, sequence, on_damage, payloads)
        yield from stretch.frames(offset, end)
        sequence = stretch.sequence
        if end is not None:
            return


class _Stretch:
    """Reads part of a segment and counts its leaves."""

    def __init__(
        self,
        segments: SegmentStore,
        number: int,
        tag: bytes,
        sequence: int | None,
        on_damage: Callable[[Damage], None] | None,
        payloads: Payloads,
    ) -> None:
        self._segments = segments
        self._number = number
        self._tag = tag
        self._on_damage = on_damage
        self._payloads = payloads
        self.sequence = sequence
        """Sequence of the next frame; None while it is not known."""

    def frames(self, offset: int, end: int | None) -> Iterator[Frame]:
        """Yield the frames from `offset` to `end`, or to the end of the segment."""
        if end is not None and offset >= end:
            return
        for item in walk(self._segments, self._number, self._tag, offset, payloads=self._payloads):
            if isinstance(item, FrameGap):
                if end is None and item.cut_short:
                    return
                self._gap(item)
            else:
                sequence = self._sequence(item)
                yield make_frame(
                    sequence, FramePosition(self._number, item.offset), item.header, item.payload
                )
                self.sequence = sequence + 1
                if end is not None and item.end >= end:
                    return

    def _sequence(self, found: FoundFrame) -> int:
        if self.sequence is None:
            self.sequence = sequence_at(self._segments, self._number, self._tag, found.offset)
        commit = commit_of(found)
        if commit is not None and commit.tree.size != self.sequence:
            self._report_damage(
                found.offset, found.end - found.offset, "records before this commit frame are missing"
            )
            return commit.tree.size
        return self.sequence

    def _gap(self, gap: FrameGap) -> None:
        what, lost = "", None
        if gap.header is None:
            self.sequence = None
        else:
            what = f"{describe_record(gap.header.kind, gap.header.sha)}: "
            if self.sequence is None:
                self.sequence = sequence_at(self._segments, self._number, self._tag, gap.offset)
            lost = make_frame(self.sequence, FramePosition(self._number, gap.offset), gap.header, b"")
            self.sequence = self.sequence + 1 if gap.is_one_frame else None
        self._report_damage(gap.offset, gap.length, what + gap.reason, lost)

    def _report_damage(self, offset: int, length: int, reason: str, lost: Frame | None = None) -> None:
        damage = Damage(self._number, offset, length, reason, lost)
        if self._on_damage is None:
            raise LedgerDamaged(f"{damage}; restore the ledger from a backup")
        self._on_damage(damage)


def sequence_at(segments: SegmentStore, number: int, tag: bytes, offset: int) -> int:
    """Return the sequence of the frame at `offset`.

    It is computed from the tree size in the next commit frame, or in the commit frame that ends at `offset`.

    Raises:
        LedgerDamaged: There is no such commit frame.
    """
    between = 0
    for item in walk(segments, number, tag, offset, payloads=False):
        commit = commit_of(item) if isinstance(item, FoundFrame) else None
        if commit is not None:
            return commit.tree.size - between
        between += isinstance(item, FoundFrame) or item.header is not None
    last = commit_before(segments, number, tag, offset)
    if last is None:
        raise LedgerDamaged(
            f"{segments.name(number)}, offset {offset}: no commit frame says which record this is"
        )
    return last[1].tree.size + 1
