"""Read-only copies: an evidence copy is verified, searched, shown and exported like any vault."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.vault.open_vault import open_vault
from support.evidence import rich_vault
from support.osusers import as_user, needs_root, open_folder
from support.program import Program, Said, fingerprint

AUDITOR = 61_105


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence") / "vault"
    rich_vault(folder)
    # A process that has given up root's rights can't load modules from root's Python any more.
    read_all(folder, tmp_path_factory.mktemp("first"))
    return folder


def without_write(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)


@pytest.fixture
def sealed(made: Path) -> Iterator[Path]:
    """A copy that belongs to an auditor and has no write permission."""
    with open_folder() as outer:
        folder = outer / "vault"
        shutil.copytree(made, folder)
        subprocess.run(["chown", "-R", f"{AUDITOR}:{AUDITOR}", str(folder)], check=True)
        without_write(folder)
        yield folder
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


@pytest.fixture
def mounted(made: Path) -> Iterator[Path]:
    """A copy on a read-only mount, which even root can't write."""
    with open_folder() as outer:
        (outer / "rw").mkdir()
        (outer / "ro").mkdir()
        shutil.copytree(made, outer / "rw" / "vault")
        steps: tuple[list[str | Path], ...] = (
            ["mount", "--bind", outer / "rw", outer / "ro"],
            ["mount", "-o", "remount,ro,bind", outer / "ro"],
        )
        for step in steps:
            if subprocess.run(step, capture_output=True).returncode:
                subprocess.run(["umount", outer / "ro"], capture_output=True)
                pytest.skip("a read-only mount is not possible on this machine")
        yield outer / "ro" / "vault"
        subprocess.run(["umount", outer / "ro"], check=True)


def read_all(folder: Path, target: Path) -> dict[str, Said]:
    """Return the output of each reading command."""
    program = Program(folder)
    first = program.say("search", "letter", "--json")
    id_ = first.json["hits"][0]["id"] if first.code == 0 else "0" * 64
    return {
        "search": first,
        "verify": program.say("verify"),
        "verify --deep": program.say("verify", "--deep"),
        "status": program.say("status"),
        "tree": program.say("tree"),
        "list": program.say("list", "bob@example.com/Inbox"),
        "show": program.say("show", id_),
        "show --raw": program.say("show", id_, "--raw"),
        "audit": program.say("audit"),
        "history": program.say("history"),
        "quarantine": program.say("quarantine", "list"),
        "export": program.say("export", "", "--to", str(target / "out")),
        "backup": program.say("backup", str(target / "backup")),
    }


def assert_fine(outputs: dict[str, Said]) -> None:
    assert {name: (one.code, one.err) for name, one in outputs.items() if one.code} == {}
    assert outputs["search"].json["total"] == 6
    assert "whole and unchanged" in outputs["verify --deep"].out


@needs_root
def test_a_copy_without_write_permission_can_be_read(sealed: Path) -> None:
    with open_folder() as target:
        target.chmod(0o777)
        before = fingerprint(sealed)
        assert_fine(as_user(AUDITOR, lambda: read_all(sealed, target)))
        assert fingerprint(sealed) == before


@needs_root
def test_a_copy_on_a_read_only_mount_can_be_read(mounted: Path, tmp_path: Path) -> None:
    before = fingerprint(mounted)
    assert_fine(read_all(mounted, tmp_path))
    assert fingerprint(mounted) == before


@needs_root
@pytest.mark.parametrize("memory", [True, False])
def test_a_copy_with_a_write_ahead_log_can_be_read(made: Path, memory: bool) -> None:
    """It was copied from a vault in use: some changes of the catalog are only in SQLite's log."""
    with open_folder() as outer:
        folder = outer / "vault"
        with closing(open_vault(made, write=True)) as vault:
            vault.log([{"event": "read", "who": "late"}])
            shutil.copytree(made, folder)
        (folder / "lock").write_text("")
        if not memory:  # the index of the log is shared memory, which may not be copied
            (folder / "catalog.db-shm").unlink()
        assert (folder / "catalog.db-wal").stat().st_size
        subprocess.run(["chown", "-R", f"{AUDITOR}:{AUDITOR}", str(folder)], check=True)
        without_write(folder)
        try:
            result = as_user(AUDITOR, lambda: Program(folder).say("audit", "--json"))
            assert (result.code, result.err) == (0, "")
            assert result.json["events"][0]["who"] == "late"
            result = as_user(AUDITOR, lambda: Program(folder).say("verify", "--deep"))
            assert (result.code, result.err) == (0, "")
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


@needs_root
@pytest.mark.parametrize("command", [("run", "kept"), ("users", "add", "Z", "z@example.com"), ("rebuild",)])
def test_a_command_that_writes_is_refused_with_a_sentence(sealed: Path, command: tuple[str, ...]) -> None:
    result = as_user(AUDITOR, lambda: Program(sealed).say(*command))
    assert result.code == 4
    assert "can't be written" in result.err
    assert len(result.err.splitlines()) == 1


def _temporary() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("muniment-*")}


@needs_root
def test_no_temporary_files_are_left(sealed: Path) -> None:
    before = _temporary()
    as_user(AUDITOR, lambda: Program(sealed).say("search", "letter").code)
    assert _temporary() <= before
