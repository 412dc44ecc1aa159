"""Tells erased frames that a committed redaction names from damage, while a ledger is checked."""

from __future__ import annotations

from typing import Protocol

from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.erased.frames import (
    OTHERWISE,
    UNNAMED,
    decode_redaction,
    fault_of,
    is_erased,
    stated,
)
from muniment.archive.ledger.erased.named import (
    NamedFrames,
    committed_redactions,
    is_frame,
    is_gone,
)
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import UNKNOWN, describe_record, make_frame
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import FoundFrame, FrameGap, commit_of
from muniment.errors import LedgerDamaged


class ErasureReport(Protocol):
    """The parts of a check's report that erasures concern; see `LedgerCheck`."""

    problems: list[str]
    notes: list[str]
    records: int
    messages: int
    envelopes: int
    erased: int


class ErasureCheck:
    """Takes the frames and gaps of a ledger in order, and judges them once all redactions are known."""

    def __init__(self, segments: SegmentStore, report: ErasureReport) -> None:
        self._segments = segments
        self._report = report
        self._erased = NamedFrames()
        self._named = NamedFrames()
        self._waiting: list[ErasedFrame] = []
        """What redactions name that no commit has followed yet."""
        self._gaps: list[tuple[int, FrameGap, str]] = []
        self._contents: list[tuple[FramePosition, str]] = []

    def close(self) -> None:
        """Forget everything. It may be called twice."""
        self._erased.close()
        self._named.close()

    def take(self, segment: int, sequence: int | None, found: FoundFrame) -> None:
        """Take the next intact frame; `sequence` is None if damage before it makes that unknown."""
        header = found.header
        if is_erased(header):
            self._take_erased(segment, UNKNOWN if sequence is None else sequence, found)
        elif header.kind == RecordKind.REDACTION:
            self._take_redaction(segment, sequence, found)
        elif header.kind == RecordKind.COMMIT and self._waiting:
            commit = commit_of(found)
            if commit is not None and not commit.segment:
                self._named.add(self._waiting)
                self._waiting.clear()

    def _take_erased(self, segment: int, sequence: int, found: FoundFrame) -> None:
        frame = stated(segment, sequence, found.offset, found.header)
        if fault := fault_of(found.header, found.payload):
            self._problem(frame, fault)
        else:
            self._erased.add([frame])

    def _take_redaction(self, segment: int, sequence: int | None, found: FoundFrame) -> None:
        position = FramePosition(segment, found.offset)
        number = 2**63 if sequence is None else sequence
        try:
            decoded = decode_redaction(make_frame(number, position, found.header, found.payload))
        except LedgerDamaged as error:
            self._report.problems.append(str(error))
        else:
            self._waiting += decoded.redaction.frames

    def gap(self, segment: int, gap: FrameGap, problem: str) -> None:
        """Take bytes that are no intact frame. They are a problem, unless an erasure has left them."""
        self._report.problems.append(problem)
        self._gaps.append((segment, gap, problem))

    def content(self, position: FramePosition, problem: str) -> None:
        """Take a problem of a record's content. It is none if a decision has erased the record."""
        self._report.problems.append(problem)
        self._contents.append((position, problem))

    def finish(self, until: LedgerHead | None) -> None:
        """Judge what was taken, and add the result to the report.

        Args:
            until: The committed state at which the check has ended; None if it has read the whole ledger. A
                writer may have erased since then what the check has read.

        Raises:
            VaultError: A newer program wrote the ledger.
        """
        doubtful = self._gaps or self._contents or not all(map(self._is_named, self._erased))
        if until is not None and doubtful:
            for later in committed_redactions(self._segments, until if until.tree_size else None):
                self._named.add(later.redaction.frames)
        for frame in self._erased:
            if self._is_named(frame):
                self._report.erased += 1
            else:
                there = self._named.at(frame.segment, frame.offset)
                self._problem(frame, OTHERWISE if there else UNNAMED)
        self._excuse()
        self._find_unfinished()

    def _is_named(self, frame: ErasedFrame) -> bool:
        return any(
            named == (frame if frame.sequence != UNKNOWN else frame._replace(sequence=named.sequence))
            for named in self._named.at(frame.segment, frame.offset)
        )

    def _excuse(self) -> None:
        """Take back the problems of records that are to be erased, in an erasure that is not finished."""
        named = self._named.at
        excused = {problem for at, problem in self._contents if named(at.segment, at.offset)}
        for segment, gap, problem in self._gaps:
            end = gap.offset + gap.length
            if self._named.covers(segment, gap.offset, end):
                excused.add(problem)
                for frame in dict.fromkeys(self._named.within(segment, gap.offset, end)):
                    self._report.records += 1
                    self._report.messages += frame.kind == RecordKind.MESSAGE
                    self._report.envelopes += frame.kind == RecordKind.ENVELOPE
        self._report.problems = [problem for problem in self._report.problems if problem not in excused]

    def _find_unfinished(self) -> None:
        """Look at the frames that are named, but were not erased when they were read."""
        tag, left = read_vault_id(self._segments), 0
        for frame in self._named:
            if any(one[1:] == frame[1:] for one in self._erased.at(frame.segment, frame.offset)):
                continue
            if not is_frame(self._segments, tag, frame):
                self._problem(frame, "a redaction record names it, but it is not there")
            elif is_gone(self._segments, tag, frame):
                self._report.erased += 1
            else:
                left += 1
        if left:
            self._report.notes.append(
                f"{left} records that a decision has erased are still on the disk, since the erasure was "
                "interrupted: open the vault for writing, or run `muniment rebuild --catalog`"
            )

    def _problem(self, frame: ErasedFrame, reason: str) -> None:
        what = describe_record(frame.kind, frame.sha)
        self._report.problems.append(f"segment {frame.segment}, offset {frame.offset}: {what}: {reason}")
