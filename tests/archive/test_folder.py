"""Permissions of a vault: files that others can change are named; another user's folder is not changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.archive.files.permissions import exposed, readable
from support.osusers import needs_root
from support.program import Program
from support.reports import plain, report
from support.vaults import TestVault

OTHER = 61_104


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    made.archive([report(plain(subject="Letter"))])
    yield made
    made.client.close()


def test_a_new_vault_is_private(vault: TestVault) -> None:
    assert exposed(vault.folder) == readable(vault.folder) == ""
    assert vault.status().warnings == vault.verify().notes == ()
    vault.sound()


@pytest.mark.parametrize("name", ["", "vault.toml", "ledger", "ledger/000000000001.seg", "catalog.db"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_files_that_others_can_change_are_named(vault: TestVault, name: str, mode: int) -> None:
    path = vault.folder / name
    path.chmod(path.stat().st_mode | mode)
    (problem,) = vault.verify(deep=False).problems
    assert f"{path} (mode" in problem
    assert f"chmod -R go-rwx {vault.folder}" in problem
    assert vault.status().warnings == (problem,)
    output = Program(vault.folder)("status")
    assert "other users can change the vault's files" in " ".join(output.out.lower().split())
    for one in (vault.folder, *vault.folder.rglob("*")):  # SQLite gives its log the catalog's mode
        one.chmod(one.stat().st_mode & ~0o077)
    vault.sound()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_folder_that_others_can_enter_is_noted(vault: TestVault, mode: int) -> None:
    """It is no problem, since an evidence copy is often readable."""
    vault.folder.chmod(mode)
    found = vault.verify(deep=False)
    assert (found.ok, found.problems) == (True, ())
    (note,) = found.notes
    assert f"mode {mode:04o}, not 0700" in note
    assert vault.status().warnings == (note,)


@pytest.mark.parametrize("mode", [0o700, 0o500])
def test_a_read_only_copy_has_no_problems(vault: TestVault, mode: int) -> None:
    vault.folder.chmod(mode)
    found = vault.verify(deep=False)
    vault.folder.chmod(0o700)
    assert (found.ok, found.notes) == (True, ())


@needs_root
def test_a_file_of_another_user_is_named(vault: TestVault) -> None:
    os.chown(vault.folder / "vault.toml", OTHER, OTHER)
    (problem,) = vault.verify(deep=False).problems
    assert f"vault.toml (of uid {OTHER})" in problem


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o700])
def test_making_a_vault_in_another_users_folder_changes_nothing(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, OTHER, OTHER)
    folder.chmod(mode)
    message = Program(folder).refuses(4, "init", "--domain", "example.com")
    assert f"run as uid {OTHER}" in message
    state = folder.stat()
    assert (state.st_mode & 0o7777, state.st_uid, list(folder.iterdir())) == (mode, OTHER, [])


def test_an_own_empty_folder_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir(mode=0o755)
    Program(folder)("init", "--domain", "example.com")
    assert folder.stat().st_mode & 0o777 == 0o700
