"""An erasure that is interrupted is finished when the vault is next opened, wherever it was interrupted."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from muniment.archive.erasure.apply import erase_frames, finish_erasures, require_frames
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.recovery import examine
from muniment.archive.ledger.segment_store import PatchRefused, SegmentStore
from muniment.archive.ledger.writer import Ledger
from muniment.errors import VaultError
from support.erasing import commit_redaction, erase, named, overwrite, whole
from support.ledgers import filled

TOOL = Path(__file__).parents[3] / "tools" / "verify_ledger.py"
FRAMES = 6
WRITES = range(2 * FRAMES + 1)
"""How many writes are done before a crash: two for each frame."""


class PowerLost(Exception):
    """The machine has no power any more."""


class DyingSegments(LocalSegments):
    """Segments whose machine loses power after some writes; of the next write, a part is on the disk."""

    def __init__(self, folder: Path, writes: int, part: float = 0.0) -> None:
        super().__init__(folder)
        self._left = writes
        self._part = part

    def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        super().patch(number, self._until_dead(changes))
        if self._left < 0:
            raise PowerLost

    def _until_dead(self, changes: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, bytes]]:
        for offset, data in changes:
            self._left -= 1
            if self._left < 0:
                yield offset, data[: int(len(data) * self._part)]
                return
            yield offset, data


def made(folder: Path, segment: int) -> list[ErasedFrame]:
    """Make a ledger, and commit the redaction of its last mail, which nothing else refers to."""
    segments = LocalSegments(folder)
    filled(segments, segment=segment, batches=5)
    frames = named(segments)[-FRAMES:]
    commit_redaction(segments, frames)
    return frames


def contents(segments: SegmentStore) -> dict[int, bytes]:
    return {number: whole(segments, number) for number in segments.numbers()}


@pytest.mark.parametrize("segment", [2500, 1 << 28])
@pytest.mark.parametrize("part", [0.0, 0.09, 0.5, 0.95])
def test_an_erasure_is_finished_after_any_crash(tmp_path: Path, segment: int, part: float) -> None:
    """A torn header has its first 7, 40 or 76 bytes new and the others old, or the other way round."""
    folder = tmp_path / "ledger"
    frames, segments = made(folder, segment), LocalSegments(folder)
    before = contents(segments)
    erase_frames(segments, frames)
    after = contents(segments)
    for writes in WRITES:
        for number, data in before.items():
            segments.put(number, [data])
        if writes < WRITES[-1]:
            with pytest.raises(PowerLost):
                erase_frames(DyingSegments(folder, writes, part), frames)
        else:
            erase_frames(segments, frames)
        for deep in (False, True):
            report = check(segments, deep=deep)
            assert report.problems == [], f"after {writes} writes"
            assert bool(report.notes) == (writes < WRITES[-1])
        assert finish_erasures(segments) == FRAMES
        assert contents(segments) == after, f"after {writes} writes"
        assert examine(segments).damage == []


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_the_standalone_verifier_tells_an_interrupted_erasure_from_damage(
    tmp_path: Path, part: float
) -> None:
    folder = tmp_path / "ledger"
    frames = made(folder, 1 << 28)
    before = contents(LocalSegments(folder))
    for writes in (0, 1, 2, 5, 2 * FRAMES - 1):
        LocalSegments(folder).put(1, [before[1]])
        with pytest.raises(PowerLost):
            erase_frames(DyingSegments(folder, writes, part), frames)
        done = subprocess.run([sys.executable, str(TOOL), str(folder)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "still to be erased" in done.stdout


@pytest.mark.parametrize("where", ["before", "after", "inside"])
def test_damage_beside_an_interrupted_erasure_is_damage(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "ledger"
    frames, segments = made(folder, 1 << 28), LocalSegments(folder)
    every = named(segments)
    with pytest.raises(PowerLost):
        erase_frames(DyingSegments(folder, 3, 0.5), frames)
    hurt = {"before": every[-FRAMES - 1], "after": every[-1], "inside": frames[2]}[where]
    overwrite(segments, 1, hurt.offset + 41, b"\xff" * 30)
    assert check(segments, deep=False).problems


KILLED = """
import os, signal, sys
from pathlib import Path
from muniment.archive.erasure.apply import finish_erasures
from muniment.archive.ledger.local_segments import LocalSegments

left, write = int(sys.argv[2]), os.pwrite

def pwrite(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(*arguments)

os.pwrite = pwrite
finish_erasures(LocalSegments(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_killed_process_leaves_what_can_be_finished(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    frames, segments = made(folder, 2500), LocalSegments(folder)
    before = contents(segments)
    erase_frames(segments, frames)
    after = contents(segments)
    for writes in itertools.count():
        for number, data in before.items():
            segments.put(number, [data])
        command = [sys.executable, "-c", KILLED, str(folder), str(writes)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert check(segments, deep=True).problems == []
        assert finish_erasures(segments) == FRAMES
        assert contents(segments) == after
        if done.returncode == 0:
            break
    assert writes == 1 + 2 * FRAMES  # the last batch is written again first


def test_other_bytes_are_never_overwritten(tmp_path: Path) -> None:
    """A redaction that names a record which is not there erases nothing, now or when it is done again."""
    folder = tmp_path / "ledger"
    segments = LocalSegments(folder)
    filled(segments, batches=4)
    frame = named(segments)[-1]
    for wrong in (
        frame._replace(offset=frame.offset - 1),
        frame._replace(length=frame.length - 1),
        frame._replace(sha=bytes(32)),
        frame._replace(time=frame.time + 1),
        frame._replace(segment=7),
        frame._replace(offset=1 << 40),
    ):
        with pytest.raises(VaultError, match="is not there, so nothing was erased"):
            require_frames(segments, [wrong])
        before = contents(segments)
        assert erase_frames(segments, [wrong]) == 0
        assert contents(segments) == before
    require_frames(segments, [frame])
    commit_redaction(segments, [frame._replace(length=frame.length - 1)])
    before = contents(segments)
    assert finish_erasures(segments) == 0
    assert contents(segments) == before
    assert any("it is not there" in problem for problem in check(segments, deep=False).problems)


def test_a_store_that_can_not_change_bytes_says_so(tmp_path: Path) -> None:
    class Locked(LocalSegments):
        def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
            raise PatchRefused("it is locked until 2031-01-01")

    frames = made(tmp_path / "ledger", 2500)
    with pytest.raises(VaultError, match="it is locked until 2031-01-01"):
        erase_frames(Locked(tmp_path / "ledger"), frames)


def test_a_disk_that_fails_is_named(tmp_path: Path) -> None:
    class Failing(LocalSegments):
        def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
            raise OSError(5, "Input/output error")

    frames = made(tmp_path / "ledger", 2500)
    with pytest.raises(VaultError, match=r"the disk could not erase in .*Input/output error.*open the vault"):
        erase_frames(Failing(tmp_path / "ledger"), frames)


def test_redactions_before_a_known_state_are_not_done_again(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    segments = LocalSegments(folder)
    filled(segments, batches=5)
    frames = named(segments)[-FRAMES:]
    head = erase(segments, frames[:2])
    commit_redaction(segments, frames[2:])
    assert finish_erasures(segments, head) == FRAMES - 2
    assert finish_erasures(segments) == FRAMES


def test_a_redaction_that_was_not_committed_erases_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    segments = LocalSegments(folder)
    filled(segments, batches=5)
    size = len(whole(segments, 1))
    commit_redaction(segments, named(segments)[-FRAMES:])
    data = whole(segments, 1)
    commit = data.rfind(b"MUNF")
    for end in (commit, commit + HEADER_SIZE + 3, size + 200):
        segments.put(1, [data[:end]])
        assert finish_erasures(segments) == 0
        assert whole(segments, 1) == data[:end]
    ledger = Ledger.open(segments)
    assert [tail.offset for tail in ledger.recovery.torn] == [size]
    ledger.close()
    assert whole(segments, 1) == data[:size]
