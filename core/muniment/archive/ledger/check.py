"""Proving a ledger: every checksum and every root, and on demand every byte of content.

It reads beside a running writer and changes nothing. Segments are read one after the other; for a
deep check, threads decode and hash behind the reader, which zstd and SHA-256 do without the lock of
the interpreter.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger.checkpoints import Checkpoint, Proof, Proofs
from muniment.archive.ledger.commits import UNCOUNTED, Commit
from muniment.archive.ledger.files import framed_id, read_vault_id, segment_path, segments
from muniment.archive.ledger.frame import leaf_hash
from muniment.archive.ledger.merkle import EMPTY_ROOT, Frontier
from muniment.archive.ledger.model import Frame, Head, Kind
from muniment.archive.ledger.reader import Held, Locate, Reader
from muniment.archive.ledger.stored import UNKNOWN, made_frame, named
from muniment.archive.ledger.walk import Found, Gap, commit_of, walk
from muniment.errors import LedgerDamaged, MunimentError

BATCH = 64
"""Records that a thread decodes at a time, so that what they share is read once."""
BATCH_BYTES = 4 * 1024 * 1024
REFERENCED = frozenset({Kind.MESSAGE, Kind.PART, Kind.CHUNKS})
Progress = Callable[[int, int], None]
Watch = Callable[[int, int | None, Found], None]
"""Told of each intact frame: its segment, its sequence where that is known, and the frame."""


@dataclass(slots=True)
class Report:
    """What a check found."""

    records: int = 0
    """Intact frames up to the last commit frame, and that one."""
    tree_size: int = 0
    """Leaves that the last commit frame proves."""
    root: bytes = EMPTY_ROOT
    problems: list[str] = field(default_factory=list)
    """One sentence each: where, what, and what is wrong."""
    messages: int = 0
    envelopes: int = 0
    uncommitted: int = 0
    """Bytes after the last commit frame: a batch in the making, or one that a crash cut short."""
    proofs: list[Proof] = field(default_factory=list)
    """What the ledger makes of each checkpoint that was given."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing and no fault, a sentence each without its full stop."""


def check(
    folder: Path,
    *,
    deep: bool,
    locate: Locate | None = None,
    progress: Progress | None = None,
    until: Head | None = None,
    checkpoints: Iterable[Checkpoint] = (),
    watch: Watch | None = None,
) -> Report:
    """Check the ledger in `folder`, and compare it with `checkpoints`.

    Shallow: the checksums of every frame, and the Merkle root at every commit frame. Deep: every
    record is decoded as well, and every byte of its content hashed. `locate` says where content
    stands (see Reader); without it, that is noted in a temporary file on the way. `progress` is told
    bytes read and bytes in all. With `until` it ends at that commit: beside a writer, the state that
    `locate` knows. `watch` is told of each frame up to there. For checkpoints beyond it, the rest is read
    as well, but not checked.

    Raises:
        VaultError: there is no ledger, or it was written by a newer program.
    """
    report = Report()
    chain = _Chain(report, Proofs(checkpoints))
    with _Deep(folder, report, locate) if deep and _readable(folder) else _Shallow() as follow:
        _read_all(folder, _vault_id(folder, report), chain, follow, progress, until, watch)
    chain.finish()
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _readable(folder: Path) -> bool:
    try:
        read_vault_id(folder)
    except LedgerDamaged:
        return False
    return True


def _vault_id(folder: Path, report: Report) -> bytes:
    """The vault's id; where its file is damaged, that of the segments."""
    try:
        return read_vault_id(folder)
    except LedgerDamaged as error:
        report.problems.append(str(error))
        return framed_id(folder) or b""


def _read_all(
    folder: Path,
    tag: bytes,
    chain: _Chain,
    follow: _Shallow,
    progress: Progress | None,
    until: Head | None,
    watch: Watch | None,
) -> None:
    numbers = segments(folder)
    sizes = {number: segment_path(folder, number).stat().st_size for number in numbers}
    total, done = sum(sizes.values()), 0
    for number in numbers:
        chain.begin(number)
        for item in walk(segment_path(folder, number), tag):
            if isinstance(item, Gap):
                chain.gap(item)
            else:
                if watch is not None and not chain.ended:
                    watch(number, chain.sequence, item)
                chain.frame(item)
                follow.take(number, item)
                if until is not None and (number, item.end) == (until.segment, until.offset):
                    chain.end()
                    follow = _Shallow()
            if chain.done:
                return
            if progress is not None:
                progress(done + item.offset, total)
        done += sizes[number]
    if progress is not None:
        progress(total, total)


class _Chain:
    """Follows frames and commits; writes what does not hold into the report."""

    def __init__(self, report: Report, proofs: Proofs) -> None:
        self._report = report
        self._proofs = proofs
        self._proven = 0
        """Leaves that the last commit frame proves, also beyond the end."""
        self.ended = False
        """Whether what follows is read for checkpoints alone."""
        self._tree: Frontier | None = Frontier()
        """Of all leaves so far; None where a frame was lost since the last commit frame."""
        self._segment = 0
        self._counts = [0, 0, 0]
        """Records, messages, envelopes since the last commit frame."""
        self._audits = 0
        """Audit records so far, as far as no frame was lost."""
        self._gaps: list[tuple[int, Gap]] = []
        self._bytes = 0

    def begin(self, segment: int) -> None:
        """The segment that the next items are of."""
        if segment != self._segment + 1:
            missing = f"{self._segment + 1}" + (f" to {segment - 1}" if segment > self._segment + 2 else "")
            self._report.problems.append(f"segment {missing}: the file is missing")
            self._tree = None
        self._segment = segment

    @property
    def sequence(self) -> int | None:
        """Of the next frame; None where damage hides it."""
        return None if self._tree is None else self._tree.size

    def end(self) -> None:
        """Nothing after this is checked; it is followed as far as a checkpoint needs it."""
        self.ended = True

    @property
    def done(self) -> bool:
        """Whether nothing that follows is needed."""
        return self.ended and not self._proofs.waits(self._proven)

    def gap(self, gap: Gap) -> None:
        """Bytes that are no intact frame; a problem, unless they are what a writer has just begun."""
        if not self.ended:
            self._bytes += gap.length
            self._gaps.append((self._segment, gap))
        if gap.header is None or gap.cut_short:
            self._tree = None
        else:
            self._leaf(gap.header.kind, gap.header.time, gap.header.size, gap.header.sha)

    def frame(self, found: Found) -> None:
        """An intact frame."""
        header = found.header
        commit = commit_of(found)
        if self.ended:
            self._follow(commit)
            self._leaf(header.kind, header.time, header.size, header.sha)
            return
        self._bytes += found.end - found.offset
        self._counts[0] += 1
        self._counts[1] += header.kind == Kind.MESSAGE
        self._counts[2] += header.kind == Kind.ENVELOPE
        self._audits += header.kind == Kind.AUDIT
        if commit is not None:
            self._commit(found, commit)
        elif header.kind == Kind.COMMIT:
            self._problem(found, "what it commits does not agree with itself")
            self._tree = None
        self._leaf(header.kind, header.time, header.size, header.sha)

    def finish(self) -> None:
        """No item is left: what was not committed may be cut short, but not otherwise broken."""
        self._report.uncommitted = self._bytes
        self._report.proofs = self._proofs.results(self._proven)
        if any(not gap.cut_short for _, gap in self._gaps):
            self._tell_gaps("no commit follows; it may be the tail of a write that a crash cut short")

    def _leaf(self, kind: int, time: int, size: int, sha: bytes) -> None:
        if self._tree is not None:
            self._tree.add(leaf_hash(kind, time, size, sha))
            self._proofs.see(self._tree)

    def _follow(self, commit: Commit | None) -> None:
        """Take up the tree of a commit frame."""
        if commit is None:
            return
        self._tree = commit.tree.copy()
        self._proofs.see(self._tree)
        if not commit.segment:
            self._proven = commit.tree.size

    def _commit(self, found: Found, commit: Commit) -> None:
        tree = self._tree
        if tree is not None and (tree.size, tree.root()) != (commit.tree.size, commit.root):
            self._problem(
                found, f"the {tree.size} records before it are not the {commit.tree.size} it proves"
            )
        if commit.audits != UNCOUNTED:
            if tree is not None and commit.audits != self._audits:
                self._problem(
                    found, f"it counts {commit.audits} audit records, and {self._audits} are before it"
                )
            self._audits = commit.audits
        self._follow(commit)
        if commit.segment:
            if commit.segment != self._segment or found.offset:
                self._problem(found, f"it is the beginning of segment {commit.segment}, out of place")
            return
        self._tell_gaps("")
        report = self._report
        report.tree_size, report.root = commit.tree.size, commit.root
        report.records += self._counts[0]
        report.messages += self._counts[1]
        report.envelopes += self._counts[2]
        self._counts = [0, 0, 0]
        self._bytes = 0

    def _problem(self, found: Found, reason: str) -> None:
        what = named(found.header.kind, found.header.sha)
        self._report.problems.append(f"segment {self._segment}, offset {found.offset}: {what}: {reason}")

    def _tell_gaps(self, note: str) -> None:
        for segment, gap in self._gaps:
            kind, sha = (gap.header.kind, gap.header.sha) if gap.header else gap.claims
            what = f"{named(kind, sha)}, as its header has it" if sha else "unknown"
            reason = f"{gap.reason}; {note}" if note else gap.reason
            self._report.problems.append(
                f"segment {segment}, offset {gap.offset}, {gap.length} bytes ({what}): {reason}"
            )
        self._gaps.clear()


# --- deep ---------------------------------------------------------------------------------


class _Shallow:
    """Looks into no record."""

    def __enter__(self) -> _Shallow:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def take(self, segment: int, found: Found) -> None:
        """The next intact frame."""


class _Deep(_Shallow):
    """Has threads decode and hash the records, batch by batch, never far behind the reader."""

    def __init__(self, folder: Path, report: Report, locate: Locate | None) -> None:
        self._places = None if locate is not None else _Places()
        self._reader = Reader(folder, locate or self._place)
        self._report = report
        self._workers = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._workers, "verify")
        self._running: deque[Future[list[str]]] = deque()
        self._batch: list[Frame] = []
        self._bytes = 0

    def take(self, segment: int, found: Found) -> None:
        """The next intact frame."""
        position = Position(segment, found.offset)
        frame = made_frame(UNKNOWN, position, found.header, found.payload)
        if self._places is not None and frame.kind in REFERENCED:
            self._places.note(frame.sha, position)
        self._batch.append(frame)
        self._bytes += len(frame.payload)
        if len(self._batch) >= BATCH or self._bytes >= BATCH_BYTES:
            self._submit()

    def __exit__(self, *error: object) -> None:
        self._submit()
        while self._running:
            self._collect()
        self._pool.shutdown()
        self._reader.close()
        if self._places is not None:
            self._places.close()

    def _place(self, sha: bytes) -> Position | None:
        return self._places.locate(sha) if self._places is not None else None

    def _submit(self) -> None:
        if self._batch:
            self._running.append(self._pool.submit(_hash_all, self._reader, self._batch))
        self._batch, self._bytes = [], 0
        while len(self._running) > 2 * self._workers:
            self._collect()

    def _collect(self) -> None:
        self._report.problems += self._running.popleft().result()


def _hash_all(reader: Reader, frames: list[Frame]) -> list[str]:
    """What is wrong with the content of these frames."""
    problems = []
    held = Held()
    for frame in frames:
        try:
            for _ in reader.content_of(frame, held):
                pass
        except MunimentError as error:
            problems.append(str(error))
    return problems


class _Places:
    """Where content stands, in a temporary file that nobody else sees; usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute(
            "CREATE TABLE place (sha BLOB PRIMARY KEY, segment INTEGER, offset INTEGER) WITHOUT ROWID"
        )

    def note(self, sha: bytes, position: Position) -> None:
        """Note a place; a later one of the same content replaces it."""
        with self._lock:
            self._store.execute(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?)", (sha, position.segment, position.offset)
            )

    def locate(self, sha: bytes) -> Position | None:
        """Where content stands; None if nowhere so far."""
        with self._lock:
            row = self._store.execute("SELECT segment, offset FROM place WHERE sha = ?", (sha,)).fetchone()
        return Position(*row) if row else None

    def close(self) -> None:
        """Forget everything."""
        self._store.close()
