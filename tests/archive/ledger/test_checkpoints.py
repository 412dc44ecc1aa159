"""Checkpoints: they show that a ledger was cut, set back or rewritten; the stand-alone verifier agrees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from muniment.archive.ledger.check import check
from muniment.archive.ledger.checkpoints import Checkpoint, CheckpointProof, read_checkpoint
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import Frame, LedgerRecord, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.errors import UsageError
from muniment.evidence.merkle import EMPTY_ROOT, node_hash
from support.ledgers import written
from support.rewriting import as_it_is, cut, heads, rewrite

VERIFIER = Path(__file__).parents[3] / "tools" / "verify_ledger.py"
ROOT = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger of several segments and eight batches."""
    path = tmp_path / "ledger"
    written(path, segment=2000, batches=8)
    return path


def naive_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash as RFC 9162, 2.1.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(naive_root(leaves[:half]), naive_root(leaves[half:]))


def leaves(folder: Path) -> list[bytes]:
    return [leaf_hash(frame.kind, frame.time, frame.size, frame.sha) for frame in scan(LocalSegments(folder))]


def proofs(folder: Path, *checkpoints: Checkpoint) -> list[CheckpointProof]:
    """Return the result for each checkpoint; the stand-alone verifier must have the same results."""
    found = check(LocalSegments(folder), deep=False, checkpoints=checkpoints).proofs
    options = [word for one in checkpoints for word in ("--was", str(one))]
    command = [sys.executable, "-I", str(VERIFIER), str(folder), *options]
    alone = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line for line in alone.stdout.splitlines() if line.startswith("checkpoint ")]
    assert alone.stderr == ""
    assert [_state(line) for line in lines] == [proof.state for proof in found]
    assert alone.returncode == (0 if all(proof.holds for proof in found) else 1), alone.stdout
    return found


def _state(line: str) -> str:
    words = {"unchanged": "unchanged", "cut or": "cut", "rewritten": "rewritten", "can't be": "unreadable"}
    return next(state for word, state in words.items() if word in line)


def test_a_ledger_has_grown_from_each_of_its_own_states(folder: Path) -> None:
    found = leaves(folder)
    every = [Checkpoint(n, naive_root(found[:n])) for n in range(len(found))]
    assert len(every) > 40
    assert {proof.state for proof in proofs(folder, *every)} == {"unchanged"}
    assert {head.root for head in heads(folder)} <= {one.root for one in every}


def test_a_root_that_does_not_fit_its_size_means_another_ledger(folder: Path) -> None:
    found = leaves(folder)
    wrong = [Checkpoint(n, naive_root(found[: n - 1])) for n in range(1, len(found))]
    assert {proof.state for proof in proofs(folder, *wrong)} == {"rewritten"}
    (proof,) = proofs(folder, Checkpoint(0, bytes(32)))
    assert proof.state == "rewritten"


def test_a_ledger_cut_at_any_commit_is_found(folder: Path) -> None:
    states = heads(folder)
    noted = [Checkpoint(head.tree_size, head.root) for head in states]
    for place in range(len(states) - 2, -1, -2):
        cut(folder, states[place])
        found = [proof.state for proof in proofs(folder, *noted)]
        assert found == ["unchanged"] * (place + 1) + ["cut"] * (len(states) - place - 1)
        assert check(LocalSegments(folder), deep=False).problems == []


def test_a_rewritten_ledger_is_found(folder: Path) -> None:
    """One message is removed and every root is made right again, so only a checkpoint can show it."""
    states = heads(folder)
    noted = [Checkpoint(head.tree_size, head.root) for head in states]
    victim = [frame for frame in scan(LocalSegments(folder)) if frame.kind is RecordKind.ENVELOPE][3]

    def without(frame: Frame) -> LedgerRecord | None:
        return None if frame.sha == victim.sha else as_it_is(frame)

    rewrite(folder, without, segment=2000)
    assert check(LocalSegments(folder), deep=False).problems == []
    found = [proof.state for proof in proofs(folder, *noted)]
    before = sum(head.tree_size <= victim.sequence for head in states)
    assert 0 < before < len(noted) - 1
    assert found == ["unchanged"] * before + ["rewritten"] * (len(noted) - 1 - before) + ["cut"]


def test_rewriting_without_an_edit_keeps_every_root(folder: Path) -> None:
    """This proves that the rewriting in these tests leaves no trace of its own."""
    before = heads(folder)
    rewrite(folder, as_it_is, segment=2000)
    assert [(head.tree_size, head.root) for head in heads(folder)] == [
        (head.tree_size, head.root) for head in before
    ]


def test_a_checkpoint_after_damage_can_not_be_compared(folder: Path) -> None:
    """A lost header makes its leaf unknown; from the next commit frame on, checkpoints compare again."""
    states = heads(folder)
    frames = [
        frame
        for frame in scan(LocalSegments(folder))
        if states[1].tree_size < frame.sequence < states[2].tree_size
    ]
    lost = frames[1]
    path = segment_path(folder, lost.position.segment)
    data = bytearray(path.read_bytes())
    data[lost.position.offset + HEADER_SIZE // 2] ^= 1
    path.write_bytes(data)
    inside = Checkpoint(frames[3].sequence, bytes(32))
    report = check(
        LocalSegments(folder),
        deep=False,
        checkpoints=[inside, Checkpoint(states[3].tree_size, states[3].root)],
    )
    assert len(report.problems) == 1
    assert [proof.state for proof in report.proofs] == ["unreadable", "unchanged"]


def test_checkpoints_after_the_end_of_the_check_are_compared(folder: Path) -> None:
    states = heads(folder)
    noted = [Checkpoint(head.tree_size, head.root) for head in states]
    for end in states:
        report = check(LocalSegments(folder), deep=False, until=end, checkpoints=noted)
        assert {proof.state for proof in report.proofs} == {"unchanged"}
        assert (report.tree_size, report.root, report.uncommitted) == (end.tree_size, end.root, 0)


@pytest.mark.parametrize(
    "text",
    ["", ":", "5", f"5{ROOT}", f"-1:{ROOT}", f"5:{ROOT}00", f"5:{'g' * 64}", f"²:{ROOT}", f"{1 << 63}:{ROOT}",
     f"5:{' ' * 64}"],
)  # fmt: skip
def test_text_that_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give SIZE:ROOT"):
        read_checkpoint(text)


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    one = Checkpoint(1042, bytes(range(32)))
    assert read_checkpoint(f" {one}\n") == one
