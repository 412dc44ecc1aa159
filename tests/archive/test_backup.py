"""Backups: each is a complete vault at any time, is never overwritten, and restores everything."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.layout import segments_of
from muniment.system.atomic_files import is_temporary
from support.program import Program, command
from support.reports import line, plain, report
from support.rewriting import as_it_is, rewrite
from support.soak import in_soak
from support.vaults import TestVault, put


def letters(start: int, count: int, size: int = 2000) -> list[bytes]:
    """Reports that hardly compress, so that they fill segments."""
    return [
        report(
            plain(subject=f"Letter {n}", body=os.urandom(size // 2).hex() + "\n"),
            recipients=["bob@example.com", line("Bcc", "eve@example.com")],
        )
        for n in range(start, start + count)
    ]


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments are sealed past 40 kB."""
    for name in ("create", "open"):
        monkeypatch.setitem(getattr(Ledger, name).__func__.__kwdefaults__, "segment", 40_000)


def restored(backup_folder: Path, to: Path) -> Program:
    """Copy a backup to a new vault's folder, and rebuild its projections."""
    shutil.copytree(backup_folder, to)
    program = Program(to)
    program("rebuild")
    return program


def everything(program: Program, step: int = 1) -> dict[str, tuple[bytes, bytes]]:
    """Return the exact bytes of each message, or of each `step`th, and of its first report, by id."""
    hits = program.ask("search", "", "--limit", "10000")["hits"]
    return {
        hit["id"]: (program("show", hit["id"], "--raw").raw, program("show", hit["id"], "--report", "1").raw)
        for hit in hits[::step]
    }


def segments(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, time of change and size of each segment of a ledger."""
    found = {}
    for path in sorted((folder / "ledger").glob("*.seg")):
        stat = path.stat()
        found[path.name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return found


def test_a_restored_backup_equals_the_vault(vault: TestVault, tmp_path: Path) -> None:
    mails = letters(0, 12)
    vault.archive([*mails, b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    program = Program(vault.folder)
    program("users", "add", "Bob Ray", "bob@example.com", "b.ray@example.com")
    program("backup", str(tmp_path / "backup"))
    again = restored(tmp_path / "backup", tmp_path / "restored")
    assert again("verify", "--deep").code == 0
    assert everything(again) == everything(program)
    assert {copy for _, copy in everything(again).values()} == set(mails)
    assert again.ask("tree") == program.ask("tree")
    assert again.ask("users", "list") == program.ask("users", "list")
    assert again.ask("quarantine", "list") == program.ask("quarantine", "list")
    assert again.ask("search", "letter", "--user", "b.ray@example.com")["total"] == 12
    assert again.ask("verify", "--deep") == program.ask("verify", "--deep")


def test_a_restored_backup_can_run_without_a_rebuild(vault: TestVault, tmp_path: Path) -> None:
    new = vault.maildir("box")
    put(new, letters(0, 5))
    program = Program(vault.folder)
    program("run", "box")
    program("backup", str(tmp_path / "backup"))
    shutil.copytree(tmp_path / "backup", tmp_path / "restored")
    again = Program(tmp_path / "restored")
    put(new, letters(5, 3))
    (summary,) = again("run", "box", "--json").lines
    assert (summary["listed"], summary["already"], summary["new"]) == (8, 5, 3)
    assert again.ask("search", "letter")["total"] == 8
    assert again("verify", "--deep").code == 0


def test_a_backup_is_private(vault: TestVault, tmp_path: Path) -> None:
    vault.archive(letters(0, 3))
    Program(vault.folder)("backup", str(tmp_path / "backup"))
    modes = {
        path: path.stat().st_mode & 0o077 for path in [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]
    }
    assert set(modes.values()) == {0}, modes


@pytest.mark.usefixtures("small_segments")
def test_copied_bytes_are_not_copied_again(vault: TestVault, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    program = Program(vault.folder)
    for start in (0, 30):
        vault.archive(letters(start, 30))
    program("backup", str(target))
    first = segments(target)
    assert len(first) == 3
    for start in (60, 65):
        vault.archive(letters(start, 30))
    program("backup", str(target))
    second = segments(target)
    sealed, tail = list(first)[:-1], list(first)[-1]
    assert {name: second[name] for name in sealed} == {name: first[name] for name in sealed}
    assert second[tail][0] == first[tail][0]
    assert second[tail][2] > first[tail][2]
    assert len(second) > len(first)
    program("backup", str(target))
    assert segments(target) == second
    for name in second:
        assert (target / "ledger" / name).read_bytes() == (vault.folder / "ledger" / name).read_bytes()
    assert everything(restored(target, tmp_path / "restored"), 10) == everything(program, 10)


@pytest.mark.soak
def test_each_backup_of_a_vault_that_is_being_written_is_complete(vault: TestVault, tmp_path: Path) -> None:
    new = vault.maildir("box")
    put(new, letters(0, 1000, size=6000))
    program = Program(vault.folder)
    run = subprocess.Popen(command(vault.folder, "run", "box"), stdout=subprocess.DEVNULL)
    taken: list[Path] = []
    while run.poll() is None:
        program("backup", str(tmp_path / "backup"))
        copy = tmp_path / f"copy-{len(taken)}"
        shutil.copytree(tmp_path / "backup", copy)
        taken.append(copy)
    assert run.returncode == 0
    sizes = [copy.joinpath("ledger/000000000001.seg").stat().st_size for copy in taken]
    assert len(set(sizes)) >= 3, "the run ended before three different states were backed up"
    for copy in {sizes.index(size): taken[sizes.index(size)] for size in sizes[-4:]}.values():
        again = Program(copy)
        again("rebuild", "--catalog")
        proof = program_proof(again)
        assert proof["problems"] == []
        assert proof["records"] == json_state(copy)["tree_size"] + 1
    program("backup", str(tmp_path / "backup"))
    assert program_proof(restored(tmp_path / "backup", tmp_path / "last"))["messages"] == 1000


def program_proof(program: Program) -> dict[str, Any]:
    """Return the result of a deep verification, without the index, which is not in a backup."""
    found: dict[str, Any] = program.say("verify", "--deep", "--json").json
    found["problems"] = [problem for problem in found["problems"] if "index" not in problem]
    return found


def json_state(folder: Path) -> dict[str, Any]:
    """Return the state that the backup states."""
    state: dict[str, Any] = json.loads((folder / "backup.json").read_text())
    return state


@pytest.mark.parametrize("step", [0, *(pytest.param(n, marks=pytest.mark.soak) for n in range(1, 8))])
def test_an_interrupted_backup_continues_where_it_stopped(
    vault: TestVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The disk is full at the first, second, ... sync; then there is space again."""
    vault.archive(letters(0, 40))
    program = Program(vault.folder)
    target = tmp_path / "backup"
    real, done = os.fsync, []

    def full(handle: int) -> None:
        done.append(handle)
        if len(done) > step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    message = program.refuses(4, "backup", str(target))
    assert "No space left" in message
    assert "run it again" in message
    monkeypatch.undo()
    copied = target / "ledger/000000000001.seg"
    if copied.exists():
        os.truncate(copied, copied.stat().st_size // 3)
    program("backup", str(target))
    assert not [path for path in target.rglob("*") if is_temporary(path.name)]
    assert everything(restored(target, tmp_path / "restored")) == everything(program)


def test_damage_in_an_interrupted_backup_is_found(vault: TestVault, tmp_path: Path) -> None:
    vault.archive(letters(0, 120))
    program = Program(vault.folder)
    target = tmp_path / "backup"
    (target / "ledger").mkdir(parents=True)
    shutil.copy(vault.folder / "ledger/vault-id", target / "ledger")
    part = bytearray((vault.folder / "ledger/000000000001.seg").read_bytes()[:150_000])
    part[10_000] ^= 1
    (target / "ledger/000000000001.seg").write_bytes(part)
    assert "differs" in program.refuses(2, "backup", str(target))
    assert (target / "ledger/000000000001.seg").read_bytes() == part


def test_a_second_backup_at_the_same_time_is_refused(vault: TestVault, tmp_path: Path) -> None:
    vault.archive(letters(0, 2))
    target = tmp_path / "backup"
    program = Program(vault.folder)
    program("backup", str(target))
    handle = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "another backup" in program.refuses(5, "backup", str(target))
    finally:
        os.close(handle)
    program("backup", str(target))


def test_a_backup_of_another_vault_is_not_changed(vault: TestVault, tmp_path: Path) -> None:
    vault.archive(letters(0, 2))
    other = TestVault(tmp_path / "other")
    other.archive(letters(2, 2))
    Program(vault.folder)("backup", str(tmp_path / "backup"))
    before = tree_of(tmp_path / "backup")
    assert "another vault" in Program(other.folder).refuses(2, "backup", str(tmp_path / "backup"))
    assert tree_of(tmp_path / "backup") == before


def test_a_folder_that_is_not_a_backup_is_not_changed(vault: TestVault, tmp_path: Path) -> None:
    program = Program(vault.folder)
    (tmp_path / "things").mkdir()
    (tmp_path / "things/photo.jpg").write_bytes(b"photo")
    assert "not empty" in program.refuses(2, "backup", str(tmp_path / "things"))
    assert "is a file" in program.refuses(2, "backup", str(tmp_path / "things/photo.jpg"))
    assert tree_of(tmp_path / "things") == {"photo.jpg": b"photo"}


@pytest.mark.parametrize("inside", ["", "backup", "ledger", "ledger/backup"])
def test_a_backup_into_the_vault_is_refused(vault: TestVault, inside: str) -> None:
    before = sorted(os.fspath(path) for path in vault.folder.rglob("*") if "catalog.db-" not in path.name)
    assert "inside the vault" in Program(vault.folder).refuses(2, "backup", str(vault.folder / inside))
    after = sorted(os.fspath(path) for path in vault.folder.rglob("*") if "catalog.db-" not in path.name)
    assert after == before


def test_a_backup_into_the_vault_by_a_link_is_refused(vault: TestVault, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(vault.folder)
    assert "inside the vault" in Program(vault.folder).refuses(2, "backup", str(tmp_path / "link/backup"))


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("more", [0, 60, *in_soak(3)])
def test_a_vault_that_was_set_back_never_overwrites_its_backup(
    vault: TestVault, tmp_path: Path, more: int
) -> None:
    """The vault is restored from an older backup, and in some cases was written since then."""
    program = Program(vault.folder)
    old, new = tmp_path / "old", tmp_path / "new"
    vault.archive(letters(0, 30))
    program("backup", str(old))
    vault.archive(letters(30, 30))
    program("backup", str(new))
    before = tree_of(new)
    back = restored(old, tmp_path / "back")
    if more:
        TestVault(tmp_path / "back").archive(letters(100, more))
    back.refuses(2, "backup", str(new))
    assert tree_of(new) == before


def tree_of(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {os.fspath(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.usefixtures("small_segments")
def test_a_rewritten_vault_is_not_backed_up(vault: TestVault, tmp_path: Path) -> None:
    """Every root is right, and the end of the last segment may be equal; only the backup's state differs."""
    vault.archive(letters(0, 12))
    program, target = Program(vault.folder), tmp_path / "backup"
    program("backup", str(target))
    before = tree_of(target)
    gone = next(frame.sha for frame in scan(segments_of(vault.folder)) if frame.kind is RecordKind.ENVELOPE)
    rewrite(vault.folder / "ledger", lambda frame: None if frame.sha == gone else as_it_is(frame), 40_000)
    for place in ("catalog.db", "catalog.db-wal", "catalog.db-shm", "checkpoints"):
        (vault.folder / place).unlink(missing_ok=True)
    shutil.rmtree(vault.folder / "index")
    program("rebuild")
    vault.archive(letters(20, 4))
    message = program.refuses(2, "backup", str(target))
    assert "the vault's ledger never had" in message or "differs" in message
    assert tree_of(target) == before


@pytest.mark.parametrize("field", ["root", "tree_size", "offset", "segment"])
def test_a_backup_with_an_edited_state_is_not_changed(vault: TestVault, tmp_path: Path, field: str) -> None:
    vault.archive(letters(0, 4))
    program, target = Program(vault.folder), tmp_path / "backup"
    program("backup", str(target))
    state = json_state(target)
    other = {
        "root": "ab" * 32,
        "segment": 2,
        "offset": state["offset"] - 1,
        "tree_size": state["tree_size"] - 1,
    }
    (target / "backup.json").write_text(json.dumps(state | {field: other[field]}))
    before = tree_of(target)
    program.refuses(2, "backup", str(target))
    assert tree_of(target) == before


def test_a_backup_that_was_set_back_is_completed_again(vault: TestVault, tmp_path: Path) -> None:
    """The vault's ledger had the older state, so the missing bytes are copied again."""
    program, target = Program(vault.folder), tmp_path / "backup"
    vault.archive(letters(0, 4))
    program("backup", str(target))
    shutil.copytree(target, tmp_path / "older")
    vault.archive(letters(4, 4))
    program("backup", str(target))
    whole = (target / "ledger/000000000001.seg").read_bytes()
    shutil.rmtree(target)
    shutil.copytree(tmp_path / "older", target)
    program("backup", str(target))
    assert (target / "ledger/000000000001.seg").read_bytes() == whole
