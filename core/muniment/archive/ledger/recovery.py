"""Brings a ledger back to its last committed state after a crash, and finds damage.

Unreadable bytes with no valid commit frame after them are a torn tail: a batch that was never committed. It
is moved aside, not deleted. Unreadable bytes **before** a valid commit frame are damage: they are reported,
and nothing is cut off. `docs/ledger-format.md`, section "After a crash", specifies this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.commits import Commit
from muniment.archive.ledger.files import (
    TORN,
    descriptor,
    read_vault_id,
    segment_path,
    segments,
)
from muniment.archive.ledger.frame import leaf_hash
from muniment.archive.ledger.merkle import EMPTY_ROOT, MerkleFrontier
from muniment.archive.ledger.model import Frame, LedgerHead, RecordKind
from muniment.archive.ledger.walk import FoundFrame, FrameGap, commit_of, walk
from muniment.system.atomic_files import sync_folder

_COPY = 1024 * 1024


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
    moved_to: Path | None = None
    """The file that it was moved to; None while it is still in the segment."""


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


def examine(folder: Path) -> RecoveryResult:
    """Examine the end of a ledger without changing it.

    Reading begins at the last segment that has a commit.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The file with the vault's id is damaged.
    """
    tag = read_vault_id(folder)
    torn: list[TornTail] = []
    damage: list[Damage] = []
    for number in reversed(segments(folder)):
        path = segment_path(folder, number)
        segment = _Segment(number)
        for item in walk(path, tag):
            segment.take(item)
        damage += segment.damage
        committed = segment.state.offset
        if path.stat().st_size > committed:
            torn.append(TornTail(number, committed, path.stat().st_size - committed))
        if segment.head is not None:
            return RecoveryResult(torn, damage, segment.head, segment.state)
    return RecoveryResult(torn, damage, LedgerHead(0, EMPTY_ROOT, 1, 0), LedgerEnd())


def recover(folder: Path) -> RecoveryResult:
    """Bring a ledger back to its last committed state, by moving torn tails aside.

    A damaged ledger is not changed.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
        LedgerDamaged: The file with the vault's id is damaged.
        OSError: A tail could not be moved.
    """
    found = examine(folder)
    if found.damage:
        return found
    return move_torn_tails(folder, found)


def move_torn_tails(folder: Path, found: RecoveryResult) -> RecoveryResult:
    """Move the torn tails in `found` into the folder `torn`, durably.

    Raises:
        OSError: A tail could not be moved.
    """
    torn = [_moved(folder, tail) for tail in found.torn]
    return RecoveryResult(torn, found.damage, found.head, found.state)


def rewrite_last_batch(folder: Path, state: LedgerEnd) -> None:
    """Write the bytes of the last batch again and sync them: only then are they known to be on the disk.

    The program that wrote them may have died before the sync, or the sync may have failed. After a failed
    sync, the system takes the bytes for written and returns them from memory. All earlier batches were
    synced before this one was begun.

    Raises:
        OSError: The bytes could not be written.
    """
    if not state.offset:
        return
    with descriptor(segment_path(folder, state.segment), os.O_RDWR) as file:
        offset = state.batch
        while offset < state.offset:
            data = os.pread(file, min(_COPY, state.offset - offset), offset)
            offset += os.pwrite(file, data, offset)
        os.fdatasync(file)
    sync_folder(folder)


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
        self._gaps: list[FrameGap] = []
        """Gaps since the last commit frame: a torn tail, unless another commit frame follows."""

    def take(self, item: FoundFrame | FrameGap) -> None:
        """Take the next frame or gap."""
        if isinstance(item, FrameGap):
            self._gaps.append(item)
            self._tree = None
            return
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


def _moved(folder: Path, tail: TornTail) -> TornTail:
    """Copy a torn tail into its own file, durably, and only then cut it off."""
    target = folder / TORN
    target.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = target / f"{tail.segment:012d}-{tail.offset}-{now}.bin"
    with (
        descriptor(segment_path(folder, tail.segment), os.O_RDWR) as source,
        descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as copy,
    ):
        _copy(source, tail.offset, copy)
        os.fsync(copy)
        sync_folder(target)
        sync_folder(folder)
        os.ftruncate(source, tail.offset)
        os.fsync(source)
    return TornTail(tail.segment, tail.offset, tail.length, path)


def _copy(source: int, offset: int, target: int) -> None:
    while data := os.pread(source, _COPY, offset):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        offset += len(data)
