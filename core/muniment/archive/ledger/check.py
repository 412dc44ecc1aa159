"""Checks a ledger: every checksum and every Merkle root, and on demand every byte of content.

It is safe while a writer appends, and changes nothing. One thread reads the segments in order. For a deep
check, other threads decode and hash the records; zstd and SHA-256 release the interpreter's lock for that.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.checkpoints import Checkpoint, CheckpointProof, CheckpointProver
from muniment.archive.ledger.commits import UNCOUNTED, Commit
from muniment.archive.ledger.erased.check import ErasureCheck
from muniment.archive.ledger.erased.frames import is_erased
from muniment.archive.ledger.frame import leaf_hash
from muniment.archive.ledger.model import Frame, LedgerHead, RecordKind
from muniment.archive.ledger.reader import ContentCache, LedgerReader, Locate
from muniment.archive.ledger.segment_store import SegmentStore, segment_size
from muniment.archive.ledger.stored import UNKNOWN, describe_record, make_frame
from muniment.archive.ledger.vault_id import framed_id, read_vault_id
from muniment.archive.ledger.walk import FoundFrame, FrameGap, commit_of, walk
from muniment.errors import LedgerDamaged, MunimentError
from muniment.evidence.merkle import EMPTY_ROOT, MerkleFrontier

BATCH = 64
"""Most records that a thread decodes at a time; what several of them refer to is read once."""
BATCH_BYTES = 4 * 1024 * 1024
"""Most bytes of payload that a thread decodes at a time."""
REFERENCED = frozenset({RecordKind.MESSAGE, RecordKind.PART, RecordKind.CHUNKS})
"""The kinds of record that others may refer to."""
Progress = Callable[[int, int], None]
"""Called with the bytes that are read so far, and the bytes of all segments."""
Watch = Callable[[int, int | None, FoundFrame], None]
"""Called with each intact frame: the segment's number, the frame's sequence (None if unknown), the frame."""


def unwatched(done: int, total: int) -> None:
    """A Progress for a check that no one watches."""


@dataclass(slots=True)
class LedgerCheck:
    """The result of a check."""

    records: int = 0
    """Number of intact frames up to and including the last commit frame."""
    tree_size: int = 0
    """Number of leaves that the last commit frame proves."""
    root: bytes = EMPTY_ROOT
    """Merkle root over these leaves."""
    problems: list[str] = field(default_factory=list)
    """One sentence each: where, which record, and what is wrong."""
    messages: int = 0
    """Number of message records among `records`."""
    envelopes: int = 0
    """Number of envelope records among `records`."""
    uncommitted: int = 0
    """Bytes after the last commit frame: a batch that is being written, or that a crash cut short."""
    proofs: list[CheckpointProof] = field(default_factory=list)
    """The result for each checkpoint that was given."""
    notes: list[str] = field(default_factory=list)
    """Remarks that are not problems, a sentence each without its full stop."""
    erased: int = 0
    """Number of records whose content is erased, by a redaction record that is committed."""


def check(
    segments: SegmentStore,
    *,
    deep: bool,
    locate: Locate | None = None,
    progress: Progress = unwatched,
    until: LedgerHead | None = None,
    checkpoints: Iterable[Checkpoint] = (),
    watch: Watch | None = None,
) -> LedgerCheck:
    """Check a ledger and compare it with checkpoints.

    Args:
        segments: The ledger's segments.
        deep: Whether to decode every record and hash its content as well. Otherwise only the checksums of
            every frame and the Merkle root at every commit frame are checked.
        locate: Finds content by its SHA-256, for a deep check. Without it, a temporary file records the
            positions of content as it is read.
        progress: Called with the bytes that are read so far, and the bytes of all segments.
        until: The committed state at which the check ends. Pass the state that `locate` knows if the ledger
            is being written.
        checkpoints: Checkpoints to compare. For one that is after `until`, the frames up to it are read, but
            not checked.
        watch: Called with each intact frame up to `until`.

    Returns:
        What was found; problems do not raise an error.

    Raises:
        VaultError: There is no ledger, or a newer program wrote it.
    """
    report = LedgerCheck()
    with closing(ErasureCheck(segments, report)) as erasures:
        chain = _Chain(report, CheckpointProver(checkpoints), erasures)
        with _Deep(segments, erasures, locate) if deep and _readable(segments) else _Shallow() as follow:
            _read_all(segments, _vault_id(segments, report), chain, follow, progress, until, watch)
        chain.finish()
        if _readable(segments):
            erasures.finish(until)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _readable(segments: SegmentStore) -> bool:
    try:
        read_vault_id(segments)
    except LedgerDamaged:
        return False
    return True


def _vault_id(segments: SegmentStore, report: LedgerCheck) -> bytes:
    """Return the vault's id, from the segments if its text is damaged."""
    try:
        return read_vault_id(segments)
    except LedgerDamaged as error:
        report.problems.append(str(error))
        return framed_id(segments) or b""


def _read_all(
    segments: SegmentStore,
    tag: bytes,
    chain: _Chain,
    follow: _Shallow,
    progress: Progress,
    until: LedgerHead | None,
    watch: Watch | None,
) -> None:
    numbers = segments.numbers()
    sizes = {number: segment_size(segments, number) for number in numbers}
    total, done = sum(sizes.values()), 0
    for number in numbers:
        chain.begin(number)
        for item in walk(segments, number, tag):
            if isinstance(item, FrameGap):
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
            progress(done + item.offset, total)
        done += sizes[number]
    progress(total, total)


class _Chain:
    """Checks frames and commits in order, and adds problems to the report."""

    def __init__(self, report: LedgerCheck, proofs: CheckpointProver, erasures: ErasureCheck) -> None:
        self._report = report
        self._proofs = proofs
        self._erasures = erasures
        self._proven = 0
        """Number of leaves that the last commit frame proves, also after the end of the check."""
        self.ended = False
        """Whether the frames that follow are read for checkpoints only."""
        self._tree: MerkleFrontier | None = MerkleFrontier()
        """Tree of all leaves so far; None if a frame was lost since the last commit frame."""
        self._segment = 0
        self._counts = [0, 0, 0]
        """Numbers of records, messages and envelopes since the last commit frame."""
        self._audits = 0
        """Number of audit records so far; too low if a frame was lost since the last commit frame."""
        self._gaps: list[tuple[int, FrameGap]] = []
        self._bytes = 0

    def begin(self, segment: int) -> None:
        """Begin a segment; a gap in the numbers is a problem."""
        if segment != self._segment + 1:
            missing = f"{self._segment + 1}" + (f" to {segment - 1}" if segment > self._segment + 2 else "")
            self._report.problems.append(f"segment {missing}: the file is missing")
            self._tree = None
        self._segment = segment

    @property
    def sequence(self) -> int | None:
        """Sequence of the next frame; None if damage before it makes that unknown."""
        return None if self._tree is None else self._tree.size

    def end(self) -> None:
        """End the check here. What follows is read only as far as a checkpoint needs it."""
        self.ended = True

    @property
    def done(self) -> bool:
        """Whether the rest of the ledger is not needed."""
        return self.ended and not self._proofs.needs_more_than(self._proven)

    def gap(self, gap: FrameGap) -> None:
        """Take bytes that are not an intact frame. They are a problem unless a writer has just begun them."""
        if not self.ended:
            self._bytes += gap.length
            self._gaps.append((self._segment, gap))
        if gap.header is None or not gap.is_one_frame:
            self._tree = None
        else:
            self._leaf(gap.header.kind, gap.header.time, gap.header.size, gap.header.sha)

    def frame(self, found: FoundFrame) -> None:
        """Take an intact frame."""
        header = found.header
        commit = commit_of(found)
        if self.ended:
            self._follow(commit, header.time)
            self._leaf(header.kind, header.time, header.size, header.sha)
            return
        self._erasures.take(self._segment, self.sequence, found)
        self._bytes += found.end - found.offset
        self._counts[0] += 1
        self._counts[1] += header.kind == RecordKind.MESSAGE
        self._counts[2] += header.kind == RecordKind.ENVELOPE
        self._audits += header.kind == RecordKind.AUDIT
        if commit is not None:
            self._commit(found, commit)
        elif header.kind == RecordKind.COMMIT:
            self._problem(found, "its content is not valid")
            self._tree = None
        self._leaf(header.kind, header.time, header.size, header.sha)

    def finish(self) -> None:
        """End the check. Uncommitted bytes may be cut short; any other defect of theirs is a problem."""
        self._report.uncommitted = self._bytes
        self._report.proofs = self._proofs.results(self._proven)
        if any(not gap.cut_short for _, gap in self._gaps):
            self._report_gaps("no commit follows; it may be the tail of a write that a crash cut short")

    def _leaf(self, kind: int, time: int, size: int, sha: bytes) -> None:
        if self._tree is not None:
            self._tree.add(leaf_hash(kind, time, size, sha))
            self._proofs.add_tree(self._tree, time)

    def _follow(self, commit: Commit | None, time: int) -> None:
        """Go on with the tree that a commit frame states."""
        if commit is None:
            return
        self._tree = commit.tree.copy()
        self._proofs.add_tree(self._tree, time)
        if not commit.segment:
            self._proven = commit.tree.size

    def _commit(self, found: FoundFrame, commit: Commit) -> None:
        tree = self._tree
        if tree is not None and (tree.size, tree.root()) != (commit.tree.size, commit.root):
            self._problem(
                found, f"the {tree.size} records before it are not the {commit.tree.size} it proves"
            )
        if commit.audits != UNCOUNTED:
            if tree is not None and commit.audits != self._audits:
                self._problem(
                    found, f"it counts {commit.audits} audit records, but {self._audits} are before it"
                )
            self._audits = commit.audits
        self._follow(commit, found.header.time)
        if commit.segment:
            if commit.segment != self._segment or found.offset:
                self._problem(found, f"it is the beginning of segment {commit.segment}, out of place")
            return
        self._report_gaps("")
        report = self._report
        report.tree_size, report.root = commit.tree.size, commit.root
        report.records += self._counts[0]
        report.messages += self._counts[1]
        report.envelopes += self._counts[2]
        self._counts = [0, 0, 0]
        self._bytes = 0

    def _problem(self, found: FoundFrame, reason: str) -> None:
        what = describe_record(found.header.kind, found.header.sha)
        self._report.problems.append(f"segment {self._segment}, offset {found.offset}: {what}: {reason}")

    def _report_gaps(self, note: str) -> None:
        for segment, gap in self._gaps:
            kind, sha = (gap.header.kind, gap.header.sha) if gap.header else gap.stated
            what = f"{describe_record(kind, sha)}, by its header" if sha else "unknown"
            reason = f"{gap.reason}; {note}" if note else gap.reason
            problem = f"segment {segment}, offset {gap.offset}, {gap.length} bytes ({what}): {reason}"
            if note:
                self._report.problems.append(problem)
            else:
                self._erasures.gap(segment, gap, problem)
        self._gaps.clear()


# --- deep ---------------------------------------------------------------------------------


class _Shallow:
    """Decodes no record."""

    def __enter__(self) -> _Shallow:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def take(self, segment: int, found: FoundFrame) -> None:
        """Take the next intact frame of a segment."""


class _Deep(_Shallow):
    """Decodes and hashes records in other threads, in batches that stay close behind the reading."""

    def __init__(self, segments: SegmentStore, erasures: ErasureCheck, locate: Locate | None) -> None:
        self._places = None if locate is not None else _Places()
        self._reader = LedgerReader(segments, locate or self._place)
        self._erasures = erasures
        self._workers = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._workers, "verify")
        self._running: deque[Future[list[tuple[FramePosition, str]]]] = deque()
        self._batch: list[Frame] = []
        self._bytes = 0

    def take(self, segment: int, found: FoundFrame) -> None:
        position = FramePosition(segment, found.offset)
        if is_erased(found.header):
            if self._places is not None and found.header.kind in REFERENCED:
                self._places.note_erased(found.header.sha, position)
            return
        frame = make_frame(UNKNOWN, position, found.header, found.payload)
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

    def _place(self, sha: bytes) -> FramePosition | None:
        return self._places.locate(sha) if self._places is not None else None

    def _submit(self) -> None:
        if self._batch:
            self._running.append(self._pool.submit(_hash_all, self._reader, self._batch))
        self._batch, self._bytes = [], 0
        while len(self._running) > 2 * self._workers:
            self._collect()

    def _collect(self) -> None:
        for position, problem in self._running.popleft().result():
            self._erasures.content(position, problem)


def _hash_all(reader: LedgerReader, frames: list[Frame]) -> list[tuple[FramePosition, str]]:
    """Return the problems of the content of these frames, each with the position of its frame."""
    problems = []
    held = ContentCache()
    for frame in frames:
        try:
            for _ in reader.content_of(frame, held):
                pass
        except MunimentError as error:
            problems.append((frame.position, str(error)))
    return problems


class _Places:
    """Positions of content, in a temporary database without a name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute(
            "CREATE TABLE place (sha BLOB PRIMARY KEY, segment INTEGER, offset INTEGER) WITHOUT ROWID"
        )

    def note(self, sha: bytes, position: FramePosition) -> None:
        """Record a position; it replaces an earlier one of the same content."""
        with self._lock:
            self._store.execute(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?)", (sha, position.segment, position.offset)
            )

    def note_erased(self, sha: bytes, position: FramePosition) -> None:
        """Record the position of erased content, unless another record holds it."""
        with self._lock:
            self._store.execute(
                "INSERT OR IGNORE INTO place VALUES (?, ?, ?)", (sha, position.segment, position.offset)
            )

    def locate(self, sha: bytes) -> FramePosition | None:
        """Return the position of content; None if it was not read so far."""
        with self._lock:
            row = self._store.execute("SELECT segment, offset FROM place WHERE sha = ?", (sha,)).fetchone()
        return FramePosition(*row) if row else None

    def close(self) -> None:
        """Close and delete the database."""
        self._store.close()
