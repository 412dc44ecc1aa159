"""Brings a ledger back to its last committed state after a crash, and finds damage.

Unreadable bytes with no valid commit frame after them are a torn tail: a batch that was never committed. It
is moved aside, not deleted. Unreadable bytes **before** a valid commit frame are damage: they are reported,
and nothing is cut off. `docs/ledger-format.md`, section "After a crash", specifies this.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.commits import Commit
from muniment.archive.ledger.erased.frames import UNNAMED, decode_redaction, fault_of, is_erased, stated
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash
from muniment.archive.ledger.model import Frame, LedgerHead, RecordKind
from muniment.archive.ledger.segment_store import SegmentStore, segment_size
from muniment.archive.ledger.stored import UNKNOWN, describe_record, make_frame
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import FoundFrame, FrameGap, commit_of, walk
from muniment.errors import LedgerDamaged
from muniment.evidence.merkle import EMPTY_ROOT, MerkleFrontier


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that can't be read, or a Merkle root that is wrong, before a valid commit frame."""

    segment: int
    offset: int
    length: int
    reason: str
    lost: Frame | None = field(default=None, compare=False)
    """The frame without its payload, if a scan found its header intact."""

    def __str__(self) -> str:
        return f"segment {self.segment}, offset {self.offset}, {self.length} bytes: {self.reason}"


@dataclass(frozen=True, slots=True)
class TornTail:
    """A torn tail: bytes at the end of a segment that were never committed."""

    segment: int
    offset: int
    length: int
    moved_to: str = ""
    """Where it was moved to, as text for messages; "" while it is still in the segment."""


@dataclass(slots=True)
class LedgerEnd:
    """The end of a ledger, with all that is needed to append to it."""

    segment: int = 1
    offset: int = 0
    """Byte offset in the segment where the next frame goes."""
    batch: int = 0
    """Byte offset where the last batch begins; it ends at `offset`."""
    tree: MerkleFrontier = field(default_factory=MerkleFrontier)
    """The tree of all leaves, including the last commit frame."""
    dictionaries: dict[int, FramePosition] = field(default_factory=dict)
    """Position of the latest copy of each compression dictionary, by number."""
    present: set[int] = field(default_factory=set)
    """Numbers of the dictionaries that this segment has a copy of."""
    time: int = 0
    """Time of the last record, in microseconds since 1970 UTC."""
    audits: int = 0
    """Number of audit records so far; UNCOUNTED if it is not known."""

    def copy(self) -> LedgerEnd:
        """Return an independent copy."""
        return LedgerEnd(
            self.segment,
            self.offset,
            self.batch,
            self.tree.copy(),
            dict(self.dictionaries),
            set(self.present),
            self.time,
            self.audits,
        )


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """Torn tails and damage that were found, and the last committed state."""

    torn: list[TornTail]
    damage: list[Damage]
    head: LedgerHead
    state: LedgerEnd


def examine(segments: SegmentStore) -> RecoveryResult:
    """Examine the end of a ledger without changing it.

    Reading begins at the last segment that has a commit.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The text with the vault's id is damaged.
    """
    tag = read_vault_id(segments)
    torn: list[TornTail] = []
    damage: list[Damage] = []
    for number in reversed(segments.numbers()):
        segment = _Segment(number)
        for item in walk(segments, number, tag):
            segment.take(item)
        damage += [*segment.damage, *segment.erasures.damage()]
        committed, size = segment.state.offset, segment_size(segments, number)
        if size > committed:
            torn.append(TornTail(number, committed, size - committed))
        if segment.head is not None:
            return RecoveryResult(torn, damage, segment.head, segment.state)
    return RecoveryResult(torn, damage, LedgerHead(0, EMPTY_ROOT, 1, 0), LedgerEnd())


def recover(segments: SegmentStore) -> RecoveryResult:
    """Bring a ledger back to its last committed state, by moving torn tails aside.

    A damaged ledger is not changed.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The text with the vault's id is damaged.
        OSError: A tail could not be moved.
    """
    found = examine(segments)
    if found.damage:
        return found
    return move_torn_tails(segments, found)


def move_torn_tails(segments: SegmentStore, found: RecoveryResult) -> RecoveryResult:
    """Move the torn tails in `found` aside, durably.

    Raises:
        OSError: A tail could not be moved.
    """
    torn = [_moved(segments, tail) for tail in found.torn]
    return RecoveryResult(torn, found.damage, found.head, found.state)


def rewrite_last_batch(segments: SegmentStore, state: LedgerEnd) -> None:
    """Write the bytes of the last batch again and sync them: only then are they known to be on the disk.

    The program that wrote them may have died before the sync, or the sync may have failed. After a failed
    sync, the system takes the bytes for written and returns them from memory. All earlier batches were
    synced before this one was begun.

    Raises:
        OSError: The bytes could not be written.
    """
    if state.offset:
        segments.sync_again(state.segment, state.batch, state.offset)


class _Segment:
    """Takes the frames of one segment in order, and keeps the state of its last commit."""

    def __init__(self, number: int) -> None:
        self.head: LedgerHead | None = None
        self.state = LedgerEnd(number)
        """State at the last commit frame."""
        self.damage: list[Damage] = []
        self._number = number
        self._tree: MerkleFrontier | None = None
        """Tree of all leaves so far; None while it is not known."""
        self._present: set[int] = set()
        self.erasures = _Erasures(number)
        self._gaps: list[FrameGap] = []
        """Gaps since the last commit frame: a torn tail, unless another commit frame follows."""

    def take(self, item: FoundFrame | FrameGap) -> None:
        """Take the next frame or gap."""
        if isinstance(item, FrameGap):
            self._gaps.append(item)
            self._tree = None
            return
        self.erasures.take(item, UNKNOWN if self._tree is None else self._tree.size)
        commit = commit_of(item)
        if commit is not None and commit.segment and not item.offset:
            self._tree = commit.tree.copy()
            if commit.segment != self._number:
                reason = f"it is the beginning of segment {commit.segment}: the file was renamed"
                self.damage.append(Damage(self._number, 0, item.end, reason))
        elif commit is not None and not commit.segment and commit.tree.size >= self.state.tree.size:
            self._commit(item, commit)
        elif item.header.kind == RecordKind.COMMIT:
            self._gaps.append(
                FrameGap(item.offset, item.end - item.offset, "a commit frame that is not valid")
            )
        elif item.header.kind == RecordKind.DICTIONARY:
            self._present.add(item.header.dictionary)
        if self._tree is not None:
            header = item.header
            self._tree.add(leaf_hash(header.kind, header.time, header.size, header.sha))

    def _commit(self, found: FoundFrame, commit: Commit) -> None:
        for gap in self._gaps:
            self.damage.append(Damage(self._number, gap.offset, gap.length, gap.reason))
        if self._tree is not None and (self._tree.size, self._tree.root()) != (commit.tree.size, commit.root):
            reason = "the records before this commit frame are not those that it proves"
            self.damage.append(Damage(self._number, found.offset, found.end - found.offset, reason))
        self._gaps.clear()
        self.erasures.commit()
        self._tree = commit.tree.copy()
        header = found.header
        tree = commit.tree.copy()
        tree.add(leaf_hash(header.kind, header.time, header.size, header.sha))
        self.head = LedgerHead(commit.tree.size, commit.root, self._number, found.end)
        self.state = LedgerEnd(
            self._number,
            found.end,
            self.state.offset,
            tree,
            dict(commit.dictionaries),
            set(self._present),
            header.time,
            commit.audits,
        )


class _Erasures:
    """The erased frames of one segment. A redaction is never in an earlier segment than what it names.

    So if no later segment has a commit, this segment has all redactions that name frames in it.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._met: dict[int, ErasedFrame] = {}
        """Erased frames that no committed redaction has named so far, by offset."""
        self._waiting: list[ErasedFrame] = []
        """What redactions of the current batch name in this segment."""
        self._wrong: list[Damage] = []

    def take(self, found: FoundFrame, sequence: int) -> None:
        """Take the next intact frame; `sequence` is UNKNOWN if damage before it makes that unknown."""
        header = found.header
        if is_erased(header):
            frame = stated(self._number, sequence, found.offset, header)
            if fault := fault_of(header, found.payload):
                self._wrong.append(_damage(frame, fault))
            else:
                self._met[found.offset] = frame
        elif header.kind == RecordKind.REDACTION:
            position = FramePosition(self._number, found.offset)
            whole = make_frame(sequence if sequence != UNKNOWN else 2**63, position, header, found.payload)
            with suppress(LedgerDamaged):  # then what it names is damage
                named = decode_redaction(whole).redaction.frames
                self._waiting += [frame for frame in named if frame.segment == self._number]

    def commit(self) -> None:
        """Take a commit: the redactions before it count."""
        for frame in self._waiting:
            met = self._met.get(frame.offset)
            if met is not None and met[1:] == frame[1:] and met.sequence in (frame.sequence, UNKNOWN):
                del self._met[frame.offset]
        self._waiting.clear()

    def damage(self) -> list[Damage]:
        """Return the erased frames that are not right."""
        return [*self._wrong, *(_damage(frame, UNNAMED) for frame in self._met.values())]


def _damage(frame: ErasedFrame, reason: str) -> Damage:
    what = describe_record(frame.kind, frame.sha)
    return Damage(frame.segment, frame.offset, HEADER_SIZE + frame.length, f"{what}: {reason}")


def _moved(segments: SegmentStore, tail: TornTail) -> TornTail:
    moved_to = segments.set_aside(tail.segment, tail.offset)
    return TornTail(tail.segment, tail.offset, tail.length, moved_to)
