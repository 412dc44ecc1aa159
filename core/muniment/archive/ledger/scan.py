"""Reading a ledger in order, beside a running writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger.files import read_vault_id, segment_path, segments
from muniment.archive.ledger.model import Frame, Head
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.stored import made_frame, named
from muniment.archive.ledger.walk import Found, Gap, commit_before, commit_of, last_commit, walk
from muniment.errors import LedgerDamaged


def known_commit(folder: Path, vault_id: bytes, head: Head) -> bool:
    """Whether a commit frame ends where `head` says and proves what it says."""
    if not head.tree_size:
        return True
    last = commit_before(segment_path(folder, head.segment), vault_id, head.offset)
    return last is not None and (last[1].tree.size, last[1].root) == (head.tree_size, head.root)


def last_head(folder: Path) -> Head | None:
    """The last committed state, as far as a reader can see it; None where nothing is committed.

    Raises:
        VaultError: there is no ledger, or it was written by a newer program.
    """
    tag = read_vault_id(folder)
    for number in reversed(segments(folder)):
        last = last_commit(segment_path(folder, number), tag)
        if last is not None:
            return Head(last[1].tree.size, last[1].root, number, last[0].end)
    return None


def scan(
    folder: Path,
    start: Position | Head | None = None,
    *,
    committed_only: bool = True,
    damaged: Callable[[Damage], None] | None = None,
) -> Iterator[Frame]:
    """All frames in order: from `start`, where a frame begins, or after the commit of a head.

    With `committed_only` it ends with the last commit frame that there is when it begins. What is
    damaged is left out where `damaged` takes the news; the sequences behind it are right again.

    Raises:
        VaultError: there is no ledger, or it was written by a newer program.
        LedgerDamaged: a frame on the way is damaged, and `damaged` is not given; says where.
    """
    tag = read_vault_id(folder)
    numbers = segments(folder)
    limit = last_head(folder) if committed_only else None
    if not numbers or (committed_only and limit is None):
        return
    begin = Position(numbers[0], 0) if start is None else start
    sequence = start.tree_size + 1 if isinstance(start, Head) and start.tree_size else None
    for number in numbers:
        if number < begin.segment:
            continue
        offset = begin.offset if number == begin.segment else 0
        end = limit.offset if limit is not None and number == limit.segment else None
        stretch = _Stretch(segment_path(folder, number), number, tag, sequence, damaged)
        yield from stretch.frames(offset, end)
        sequence = stretch.sequence
        if end is not None:
            return


class _Stretch:
    """Reads part of a segment, counting leaves."""

    def __init__(
        self,
        path: Path,
        number: int,
        tag: bytes,
        sequence: int | None,
        damaged: Callable[[Damage], None] | None,
    ) -> None:
        self._path = path
        self._number = number
        self._tag = tag
        self._damaged = damaged
        self.sequence = sequence
        """Of the next frame; None where it must be found out."""

    def frames(self, offset: int, end: int | None) -> Iterator[Frame]:
        """The frames from `offset` to `end`; None: to the end of the file."""
        if end is not None and offset >= end:
            return
        for item in walk(self._path, self._tag, offset):
            if isinstance(item, Gap):
                if end is None and item.cut_short:
                    return
                self._gap(item)
            else:
                sequence = self._sequence(item)
                yield made_frame(sequence, Position(self._number, item.offset), item.header, item.payload)
                self.sequence = sequence + 1
                if end is not None and item.end >= end:
                    return

    def _sequence(self, found: Found) -> int:
        if self.sequence is None:
            self.sequence = sequence_at(self._path, self._tag, found.offset)
        commit = commit_of(found)
        if commit is not None and commit.tree.size != self.sequence:
            self._tell(found.offset, found.end - found.offset, "records before this commit frame are missing")
            return commit.tree.size
        return self.sequence

    def _gap(self, gap: Gap) -> None:
        what, lost = "", None
        if gap.header is None:
            self.sequence = None
        else:
            what = f"{named(gap.header.kind, gap.header.sha)}: "
            if self.sequence is None:
                self.sequence = sequence_at(self._path, self._tag, gap.offset)
            lost = made_frame(self.sequence, Position(self._number, gap.offset), gap.header, b"")
            self.sequence += 1
        self._tell(gap.offset, gap.length, what + gap.reason, lost)

    def _tell(self, offset: int, length: int, reason: str, lost: Frame | None = None) -> None:
        damage = Damage(self._number, offset, length, reason, lost)
        if self._damaged is None:
            raise LedgerDamaged(f"{damage}; restore the ledger from a backup")
        self._damaged(damage)


def sequence_at(path: Path, tag: bytes, offset: int) -> int:
    """The sequence of the frame at `offset`: what the next commit frame states, less the frames between.

    Raises:
        LedgerDamaged: no commit frame follows, nor ends there.
    """
    between = 0
    for item in walk(path, tag, offset, payloads=False):
        commit = commit_of(item) if isinstance(item, Found) else None
        if commit is not None:
            return commit.tree.size - between
        between += isinstance(item, Found) or item.header is not None
    last = commit_before(path, tag, offset)
    if last is None:
        raise LedgerDamaged(f"{path}, offset {offset}: no commit frame says which record this is")
    return last[1].tree.size + 1
