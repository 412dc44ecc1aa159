"""What a vault erases is erased in its backup by the next run, and the backup stays what it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.erasure.redaction import Redaction
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger
from muniment.archive.operations.backup import STATE, backup_vault
from muniment.archive.operations.backup_erasures import ERASED_IDS
from muniment.archive.vault.erasures import VaultErasures
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import UsageError, VaultError
from support.erasing import named, overwrite, redaction_of, whole
from support.reports import plain, report
from support.vaults import TestVault

TOOL = Path(__file__).parents[2] / "tools" / "verify_ledger.py"


def letters(start: int, count: int) -> list[bytes]:
    numbers = range(start, start + count)
    return [report(plain(subject=f"Letter {n}", body=os.urandom(1000).hex() + "\n")) for n in numbers]


@pytest.fixture(params=[20_000, 1 << 28])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault of ten messages, in one segment or in several."""
    for name in ("create", "open"):
        monkeypatch.setitem(getattr(Ledger, name).__func__.__kwdefaults__, "segment", request.param)
    vault = TestVault(tmp_path / "vault")
    for start in range(0, 10, 2):
        vault.archive(letters(start, 2))
    vault.client.close()
    return vault.folder


def frames_of(segments: SegmentStore, numbers: Iterable[int]) -> list[ErasedFrame]:
    """The records of some messages and their reports, by the messages' order."""
    frames = named(segments, lambda frame: frame.kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE))
    return [frame for number in numbers for frame in frames[2 * number : 2 * number + 2]]


def erase(folder: Path, *numbers: int) -> Redaction:
    frames = frames_of(segments_of(folder), numbers)
    messages = tuple(frame.sha for frame in frames if frame.kind == RecordKind.MESSAGE)
    made = redaction_of(frames)
    redaction = Redaction(made.at, made.basis, made.who, made.uid, messages, made.frames)
    with closing(open_vault(folder, write=True)) as vault:
        assert len(vault.erase([redaction], 1_800_000_000, vault.head)) == 1
    return redaction


def backup(folder: Path, target: Path) -> list[str]:
    with closing(open_vault(folder, write=False)) as vault:
        return [str(step) for step in backup_vault(vault, target)]


def same(folder: Path, target: Path) -> bool:
    """Whether the backup has the vault's segments, byte for byte."""
    one, other = segments_of(folder), segments_of(target)
    return one.numbers() == other.numbers() and all(whole(one, n) == whole(other, n) for n in one.numbers())


def by_the_tool(target: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, str(TOOL), str(target), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_next_backup_erases_what_the_vault_has_erased(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    backup(folder, target)
    before = check(segments_of(target), deep=True)
    redaction = erase(folder, 1, 7)
    steps = backup(folder, target)
    assert any("erased 4 records in the backup" in step for step in steps)
    assert same(folder, target)
    report = check(segments_of(target), deep=True)
    assert (report.problems, report.notes, report.erased) == ([], [], 4)
    code, said = by_the_tool(target, "--was", f"{before.tree_size}:{before.root.hex()}")
    assert code == 0, said
    ids = (target / ERASED_IDS).read_text().split()
    assert ids == [sha.hex() for sha in redaction.messages]
    assert not any("erased" in step for step in backup(folder, target))


def test_ids_of_all_erasures_are_listed_once(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    messages = [*erase(folder, 2).messages]
    backup(folder, target)
    messages += erase(folder, 4, 5).messages
    backup(folder, target)
    (target / STATE).unlink()
    backup(folder, target)
    assert (target / ERASED_IDS).read_text().split() == [sha.hex() for sha in messages]
    assert same(folder, target)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.77, 0.99])
def test_a_backup_that_was_interrupted_before_the_erasure_is_continued(
    folder: Path, tmp_path: Path, part: float
) -> None:
    """Its last segment ends anywhere, also within a record that is erased meanwhile."""
    target = tmp_path / "backup"
    backup(folder, target)
    (target / STATE).unlink()
    store = segments_of(target)
    cut_at = max(1, int(len(store.numbers()) * part + 0.5))
    for number in store.numbers():
        data = whole(store, number)
        if number == cut_at:
            store.put(number, [data[: int(len(data) * part)]])
        elif number > cut_at:
            (target / "ledger" / f"{number:012d}.seg").unlink()
    erase(folder, *range(10))
    backup(folder, target)
    assert same(folder, target)
    assert check(segments_of(target), deep=True).problems == []


def test_a_backup_that_was_killed_while_it_erased_is_continued(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    backup(folder, target)
    redaction = erase(folder, 1, 7)
    frame = redaction.frames[0]
    store = segments_of(target)
    overwrite(store, frame.segment, frame.offset + 80, bytes(frame.length // 2))
    backup(folder, target)
    assert same(folder, target)


def test_any_other_difference_is_still_refused(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    backup(folder, target)
    redaction = erase(folder, 9)
    untouched = frames_of(segments_of(folder), [8])[0]
    assert untouched.sequence < redaction.frames[0].sequence
    overwrite(segments_of(target), untouched.segment, untouched.offset + 90, b"?")
    before = whole(segments_of(target), untouched.segment)
    with pytest.raises(UsageError, match="differs from the vault's own segment"):
        backup(folder, target)
    assert whole(segments_of(target), untouched.segment) == before


def test_a_vault_that_was_set_back_is_still_refused(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    shutil.copytree(folder, tmp_path / "old")
    erase(folder, 3)
    backup(folder, target)
    with pytest.raises(UsageError, match="the vault was set back"):
        backup(tmp_path / "old", target)
    assert same(folder, target)


def test_what_is_erased_while_a_backup_runs_is_in_it(folder: Path, tmp_path: Path) -> None:
    """The copy may hold erased records, so it goes on to the decision that names them."""
    target = tmp_path / "backup"
    with closing(open_vault(folder, write=False)) as vault:
        steps = backup_vault(vault, target)
        next(steps)
        erase(folder, 0, 9)
        list(steps)
    report = check(segments_of(target), deep=True)
    assert (report.problems, report.erased) == ([], 4)


def test_a_restored_backup_erases_nothing_new_and_is_sound(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    backup(folder, target)
    erase(folder, 1, 7)
    backup(folder, target)
    erased = {number: whole(segments_of(target), number) for number in segments_of(target).numbers()}
    assert by_the_tool(target)[0] == 0
    assert VaultErasures(target, segments_of(target)).finish() == 4
    assert {number: whole(segments_of(target), number) for number in erased} == erased


def test_a_disk_that_can_not_be_written_stops_the_backup(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backup"
    backup(folder, target)
    state = (target / STATE).read_bytes()
    erase(folder, 1)
    write = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if not any(data) and len(data) > 100:
            raise OSError(5, "Input/output error")
        return write(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(VaultError, match="Input/output error"):
            backup(folder, target)
    assert (target / STATE).read_bytes() == state
    backup(folder, target)
    assert same(folder, target)
