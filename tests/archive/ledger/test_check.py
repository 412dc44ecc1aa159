"""The check: it finds every flipped byte, like the stand-alone verifier, and changes nothing."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.ledger.check import LedgerCheck, check
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import Frame, LedgerHead, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import scan
from muniment.archive.ledger.writer import Ledger
from muniment.errors import VaultError
from support.ledgers import NOON, Writing, sha256, written

VERIFIER = Path(__file__).parents[3] / "tools" / "verify_ledger.py"


def verifier(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the stand-alone verifier in Python's isolated mode."""
    return subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(folder), *more], capture_output=True, text=True, timeout=60
    )


def flipped(folder: Path, step: int, offset: int = 0) -> Iterator[tuple[Frame, int]]:
    """Flip every `step`th byte, one at a time; yields the frame that it is in, and its offset there."""
    for frame in list(scan(LocalSegments(folder))):
        path = segment_path(folder, frame.position.segment)
        good = path.read_bytes()
        for at in range(frame.position.offset, frame.next_offset):
            if (at - offset) % step == 0:
                path.write_bytes(good[:at] + bytes((good[at] ^ 0x10,)) + good[at + 1 :])
                yield frame, at - frame.position.offset
                assert path.read_bytes() != good
        path.write_bytes(good)


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"[" * 100_000,
        b'"\\u001b[2J"',
        b'{"tree_size": "\\u001b[2J", "frontier": [], "root": ""}',
        b'{"tree_size": 0, "frontier": 5, "root": ""}',
        b'{"tree_size": 0, "frontier": [], "root": "", "audits": "\\u001b[2J"}',
        b'{"tree_size": true, "frontier": [], "root": ""}',
    ],
)
def test_a_commit_of_another_form_is_one_problem(tmp_path: Path, payload: bytes) -> None:
    written(tmp_path / "ledger", batches=1)
    script = runpy.run_path(str(VERIFIER))
    verifying = script["Verifier"](tmp_path / "ledger", ())
    commit = script["Frame"](1, 0, script["COMMIT"], 0, 0, len(payload), 0, bytes(32), payload)
    with closing(verifying._places):
        assert verifying._commit(commit, script["Tree"]()) is None
    (problem,) = verifying.problems
    assert "not readable" in problem
    assert problem.isprintable()


def test_an_intact_ledger_has_no_problems(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder, segment=2000, batches=8)
    frames = list(scan(LocalSegments(folder)))
    expected = LedgerCheck(
        records=len(frames),
        tree_size=writing.heads[-1].tree_size,
        root=writing.heads[-1].root,
        messages=sum(frame.kind is RecordKind.MESSAGE for frame in frames),
        envelopes=sum(frame.kind is RecordKind.ENVELOPE for frame in frames),
    )
    progress: list[tuple[int, int]] = []
    assert check(LocalSegments(folder), deep=False, progress=lambda *at: progress.append(at)) == expected
    assert check(LocalSegments(folder), deep=True) == expected
    assert check(LocalSegments(folder), deep=True, locate=writing.places.get) == expected
    assert progress == sorted(progress)
    assert progress[-1][0] == progress[-1][1]
    outcome = verifier(folder)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert f"tree size {expected.tree_size}, root {expected.root.hex()}" in outcome.stdout
    assert "all is well" in outcome.stdout


@pytest.mark.slow
def test_any_flipped_byte_is_found_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=3000, batches=4)
    number = 0
    for frame, at in flipped(folder, 7):
        problems = check(LocalSegments(folder), deep=False).problems
        assert len(problems) == 1
        assert f"segment {frame.position.segment}, offset {frame.position.offset}" in problems[0]
        if at >= HEADER_SIZE:
            assert f"{frame.kind.name.lower()} {frame.sha.hex()}" in problems[0]
        number += 1
    assert number > 500
    assert check(LocalSegments(folder), deep=True).problems == []


def test_a_deep_check_finds_flipped_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=3000)
    for frame, _ in flipped(folder, 211, 3):
        place = f"segment {frame.position.segment}, offset {frame.position.offset}"
        assert any(place in problem for problem in check(LocalSegments(folder), deep=True).problems)


def test_the_stand_alone_verifier_finds_flipped_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=3000)
    for frame, _ in flipped(folder, 601, 5):
        outcome = verifier(folder)
        assert outcome.returncode == 1
        assert "Traceback" not in outcome.stderr
        assert f"segment {frame.position.segment}, offset {frame.position.offset}" in outcome.stdout


@pytest.mark.soak
def test_the_stand_alone_verifier_finds_any_flipped_byte(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=3000)
    for frame, _ in flipped(folder, 7):
        assert f"segment {frame.position.segment}, offset {frame.position.offset}" in verifier(folder).stdout


def test_a_deep_check_finds_content_that_does_not_match_its_hash(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = Writing(Ledger.create(LocalSegments(folder)))
    writing.append(LedgerRecord(RecordKind.PART, sha256(b"right"), 5, PayloadCodec.RAW, b"wrong"))
    writing.append(
        LedgerRecord(
            RecordKind.MESSAGE,
            sha256(b"whole"),
            5,
            PayloadCodec.RAW | PayloadCodec.CHUNK_LIST,
            sha256(b"gone"),
        )
    )
    writing.commit()
    writing.ledger.close()
    assert check(LocalSegments(folder), deep=False).problems == []
    problems = check(LocalSegments(folder), deep=True).problems
    assert len(problems) == 2
    assert f"part {sha256(b'right').hex()}" in problems[0]
    assert sha256(b"gone").hex() in problems[1]
    outcome = verifier(folder)
    assert outcome.returncode == 1
    assert sha256(b"right").hex() in outcome.stdout
    assert sha256(b"gone").hex() in outcome.stdout


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=1500, batches=8)
    segment_path(folder, 2).unlink()
    assert any(
        "segment 2: the file is missing" in problem
        for problem in check(LocalSegments(folder), deep=False).problems
    )
    outcome = verifier(folder)
    assert outcome.returncode == 1
    assert "segment 2: the file is missing" in outcome.stdout


def test_swapped_segments_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    written(folder, segment=1500, batches=8)
    two, three = segment_path(folder, 2), segment_path(folder, 3)
    first, second = two.read_bytes(), three.read_bytes()
    two.write_bytes(second)
    three.write_bytes(first)
    assert check(LocalSegments(folder), deep=False).problems
    assert verifier(folder).returncode == 1


def test_a_batch_that_is_being_written_is_no_problem(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = Writing(Ledger.create(LocalSegments(folder)))
    writing.copy(1)
    head = writing.commit()
    for number in range(9):
        writing.append(
            LedgerRecord(RecordKind.PART, sha256(bytes(number)), number, PayloadCodec.RAW, bytes(1_000_000))
        )
    path = segment_path(folder, 1)
    size = path.stat().st_size
    assert size > head.offset
    for cut in (size, size - 10, head.offset + 40):
        with path.open("r+b") as file:
            file.truncate(cut)
        report = check(LocalSegments(folder), deep=False)
        assert report.problems == []
        assert (report.tree_size, report.uncommitted) == (head.tree_size, cut - head.offset)
        assert check(LocalSegments(folder), deep=True, until=head).problems == []
        assert check(LocalSegments(folder), deep=True, until=head).uncommitted == 0
        outcome = verifier(folder)
        assert outcome.returncode == 0
        assert f"{cut - head.offset} bytes after the last commit" in outcome.stdout
    writing.ledger.close()


def test_an_earlier_state_can_be_checked(tmp_path: Path) -> None:
    writing = written(tmp_path / "ledger", segment=1500, batches=6)
    for head in writing.heads:
        report = check(LocalSegments(tmp_path / "ledger"), deep=True, until=head)
        assert (report.tree_size, report.root, report.problems) == (head.tree_size, head.root, [])


def test_a_missing_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="no ledger"):
        check(LocalSegments(tmp_path), deep=True)
    outcome = verifier(tmp_path)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "there is no ledger" in outcome.stderr


def test_the_verifier_extracts_all_mail(tmp_path: Path) -> None:
    folder, target = tmp_path / "ledger", tmp_path / "out"
    writing = written(folder, segment=3000, batches=5)
    ledger = Ledger.open(LocalSegments(folder))
    more = Writing(ledger, time=NOON)
    more.content(RecordKind.QUARANTINE, b"an unreadable item")
    more.commit()
    ledger.close()
    contents = writing.contents | more.contents
    assert verifier(folder, "--extract", str(target)).returncode == 0
    kinds = {
        RecordKind.MESSAGE: "messages",
        RecordKind.ENVELOPE: "copies",
        RecordKind.QUARANTINE: "quarantine",
    }
    expected = {
        f"{kinds[frame.kind]}/{frame.sha.hex()}.eml": contents[frame.sha]
        for frame in scan(LocalSegments(folder))
        if frame.kind in kinds
    }
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*.eml")}
    assert found == expected
    assert len(expected) > 10


def test_the_verifier_imports_nothing_of_ours() -> None:
    imports = re.findall(r"^\s*(?:import|from) (\w+)", VERIFIER.read_text(), re.MULTILINE)
    assert set(imports) - set(sys.stdlib_module_names) == {"cryptography", "zstandard"}


def test_the_verifier_takes_the_vault_or_its_ledger(tmp_path: Path) -> None:
    written(tmp_path / "ledger")
    assert verifier(tmp_path).stdout == verifier(tmp_path / "ledger").stdout != ""
    missing = verifier(tmp_path / "nowhere")
    assert (missing.returncode, missing.stdout) == (2, "")


def test_a_torn_tail_of_garbage_is_a_problem(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    writing = written(folder)
    with segment_path(folder, LocalSegments(folder).numbers()[-1]).open("ab") as file:
        file.write(b"\0" * 500)
    report = check(LocalSegments(folder), deep=True)
    assert len(report.problems) == 1
    assert "a crash cut short" in report.problems[0]
    assert LedgerHead(report.tree_size, report.root, 1, writing.heads[-1].offset) == writing.heads[-1]
