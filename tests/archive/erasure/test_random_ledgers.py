"""Any part of any ledger may be erased: proofs hold, all else reads as before, and both verifiers agree."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from muniment.archive.erasure.apply import finish_erasures
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import leaf_hash
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import ERASABLE, Frame, LedgerHead, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.evidence.tree_proofs import inclusion_proof, verify_inclusion
from support.erasing import commit_redaction, erase, named, whole
from support.ledgers import Writing, text
from support.witnesses import LeafTree

TOOL = Path(__file__).parents[3] / "tools" / "verify_ledger.py"
BATCHES = st.lists(
    st.lists(st.sampled_from(["copy", "chunks", "part", "receipt", "quarantine"]), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)
HOW = settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink))


def written(segments: LocalSegments, batches: Sequence[Sequence[str]], segment: int) -> Writing:
    writing, seed = Writing(Ledger.create(segments, segment=segment)), 0
    for batch in batches:
        for what in batch:
            seed += 1
            if what == "copy":
                writing.copy(seed)
            elif what == "chunks":
                writing.chunks(RecordKind.CHUNKS, text(seed), text(seed + 1000, 30))
            elif what == "receipt":
                writing.content(RecordKind.RECEIPT, b'{"v":1,"receipts":[%d]}' % seed)
            else:
                writing.content(RecordKind[what.upper()], text(seed, 50))
        writing.commit()
        if len(writing.heads) == 2:
            writing.use_dictionary()
    writing.ledger.close()
    return writing


def unreferred(segments: LocalSegments, writing: Writing, chosen: set[int]) -> list[ErasedFrame]:
    """Leave out what other records refer to that stay, until none is left."""
    reader = LedgerReader(segments, writing.places.get)
    mail = {frame.sequence: frame for frame in scan(segments) if frame.kind in ERASABLE}
    refers = {sequence: set(reader.references(frame)) for sequence, frame in mail.items()}
    gone = chosen & mail.keys()
    while True:
        needed = set[bytes]().union(*(refers[one] for one in mail if one not in gone))
        still = {one for one in gone if mail[one].sha not in needed}
        if still == gone:
            break
        gone = still
    return named(segments, lambda frame: frame.sequence in gone)


@cache
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_ledger", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def problems_by_the_tool(folder: Path) -> tuple[list[str], int]:
    verifier = tool().Verifier(folder)
    with closing(verifier._places):
        verifier.verify_chain()
        verifier.verify_content(None)
    return verifier.problems, verifier.erased


def leaf(frame: Frame) -> bytes:
    return leaf_hash(frame.kind, frame.time, frame.size, frame.sha)


@HOW
@given(BATCHES, st.sampled_from([700, 2500, 1 << 28]), st.sets(st.integers(0, 60)), st.data())
def test_what_is_erased_leaves_no_trace_and_all_else_stays(
    batches: list[list[str]], segment: int, chosen: set[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "ledger"
        segments = LocalSegments(folder)
        writing = written(segments, batches, segment)
        frames = unreferred(segments, writing, chosen)
        leaves = [leaf(frame) for frame in scan(segments)]
        head: LedgerHead = data.draw(st.sampled_from(writing.heads))
        proofs = [inclusion_proof(LeafTree(leaves), at, head.tree_size) for at in range(head.tree_size)]
        erase(segments, frames)
        checkpoints = [Checkpoint(one.tree_size, one.root) for one in writing.heads]
        report = check(segments, deep=True, checkpoints=checkpoints)
        assert (report.problems, report.notes, report.erased) == ([], [], len(frames))
        assert all(proof.state == "unchanged" for proof in report.proofs)
        assert problems_by_the_tool(folder) == ([], len(frames))
        after = [leaf(frame) for frame in scan(segments)]
        assert all(
            verify_inclusion(after[at], at, head.tree_size, proof, head.root)
            for at, proof in enumerate(proofs)
        )
        reader = LedgerReader(segments, writing.places.get)
        for sha in writing.contents.keys() - {frame.sha for frame in frames}:
            assert reader.content_bytes(sha) == writing.contents[sha]
        before = {number: whole(segments, number) for number in segments.numbers()}
        assert finish_erasures(segments) == len(frames)
        assert {number: whole(segments, number) for number in segments.numbers()} == before


@HOW
@given(st.integers(0, 30), st.integers(0, 300), st.binary(min_size=1, max_size=6))
def test_any_change_of_an_erased_ledger_is_found_by_both(which: int, at: int, data: bytes) -> None:
    """Bytes of an erased frame are changed after the erasure was finished."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "ledger"
        segments = LocalSegments(folder)
        writing = written(segments, [["copy", "part"], ["copy", "chunks"]], 1 << 28)
        frames = unreferred(segments, writing, set(range(60)))
        erase(segments, frames)
        frame = frames[which % len(frames)]
        at = frame.offset + at % (80 + frame.length)
        old = whole(segments, 1)
        new = old[:at] + data + old[at + len(data) :]
        segments.put(1, [new])
        if new == old:
            return
        ours, theirs = check(segments, deep=True), tool().Verifier(folder)
        with closing(theirs._places):
            theirs.verify_chain()
            theirs.verify_content(None)
        assert bool(ours.problems) == bool(theirs.problems)
        assert ours.problems or ours.notes
        assert theirs.problems or theirs.unfinished


@HOW
@given(st.sets(st.integers(0, 40)), st.integers(0, 4), st.integers(0, 20))
def test_a_redaction_of_wrong_frames_erases_nothing_else(chosen: set[int], field: int, more: int) -> None:
    """One value of each named frame is wrong: then it is not erased, and both verifiers say so."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "ledger"
        segments = LocalSegments(folder)
        writing = written(segments, [["copy", "part"], ["copy", "chunks"]], 1 << 28)
        frames = unreferred(segments, writing, chosen)
        name = ("time", "size", "length", "offset", "sha")[field]
        wrong = [_moved(frame, name, more + 1) for frame in frames]
        try:
            commit_redaction(segments, wrong)
        except ValueError:  # the frames would overlap
            return
        before = whole(segments, 1)
        assert finish_erasures(segments) == 0
        assert whole(segments, 1) == before
        assert bool(check(segments, deep=True).problems) == bool(frames)
        assert bool(problems_by_the_tool(folder)[0]) == bool(frames)


def _moved(frame: ErasedFrame, name: str, more: int) -> ErasedFrame:
    value = bytes(32) if name == "sha" else getattr(frame, name) + more
    return ErasedFrame(**frame._asdict() | {name: value})
