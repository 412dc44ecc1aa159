"""The vaults that a user has made or opened on this machine."""

from __future__ import annotations

import itertools
import stat
import time
from pathlib import Path

import pytest

from muniment.api import Done, Init
from muniment.client.known_vaults import KEPT, forget_vault, known_vaults, remember_vault, vaults_file
from support.engine_double import EngineDouble, invoke


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ticks = itertools.count(1000)
    monkeypatch.setattr(time, "time", lambda: next(ticks))
    return tmp_path / "state" / "vaults.json"


def test_the_newest_vault_comes_first_and_each_is_listed_once(file: Path) -> None:
    remember_vault(file, Path("/a"), "Acme")
    remember_vault(file, Path("/b"), "Borax")
    remember_vault(file, Path("/a"), "Acme Ltd")
    assert [(one.path, one.name) for one in known_vaults(file)] == [("/a", "Acme Ltd"), ("/b", "Borax")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    forget_vault(file, "/a")
    assert [one.path for one in known_vaults(file)] == ["/b"]


def test_the_list_is_bounded(file: Path) -> None:
    for number in range(KEPT + 5):
        remember_vault(file, Path(f"/v{number}"), "")
    found = known_vaults(file)
    assert len(found) == KEPT
    assert found[0].path == f"/v{KEPT + 4}"


@pytest.mark.parametrize("garbage", [b"", b"{}", b"\xff", b'[{"path": 3}]', b"[" * 100_000])
def test_an_invalid_file_is_an_empty_list(file: Path, garbage: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(garbage)
    assert known_vaults(file) == []
    remember_vault(file, Path("/a"), "")
    assert len(known_vaults(file)) == 1


def test_a_path_that_is_no_text_and_an_unwritable_folder_are_ignored(file: Path, tmp_path: Path) -> None:
    remember_vault(file, Path("/srv/mail\udcff"), "")
    assert known_vaults(file) == []
    (tmp_path / "taken").touch()
    remember_vault(tmp_path / "taken" / "vaults.json", Path("/a"), "")


def test_init_adds_the_new_vault(tmp_path: Path) -> None:
    result = invoke(
        EngineDouble({Init: Done(message="Made.")}), "init", "--name", "Acme", vault=str(tmp_path)
    )
    assert result.code == 0
    assert [(one.path, one.name) for one in known_vaults(vaults_file())] == [(str(tmp_path), "Acme")]
