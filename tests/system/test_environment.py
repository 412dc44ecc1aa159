"""Paths that the caller names, also where a home or the current folder is missing."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from muniment.config.secrets import resolve
from muniment.errors import ConfigError, SourceError
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.mbox import MboxSource
from muniment.system.environment import absolute, current_folder, home_folder, with_home
from support.engine_double import EngineDouble, invoke

NOBODY = "~no-such-user-here"


@pytest.fixture
def removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is one that somebody has removed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(gone)
    gone.rmdir()


def test_a_tilde_is_the_callers_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert absolute("~/mail") == Path("/home/ada/mail")
    assert absolute("~root") == Path(pwd.getpwnam("root").pw_dir)
    assert absolute("/srv/../srv/./mail") == Path("/srv/mail")


def test_the_name_of_an_unknown_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_home(NOBODY) == Path(NOBODY)
    assert absolute(f"{NOBODY}/mail") == tmp_path / NOBODY / "mail"


def test_an_unknown_user_in_a_setting_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{NOBODY}/password can't be read"):
        resolve({"file": f"{NOBODY}/password"}, tmp_path)
    endpoint = FileEndpoint("mbox", path=f"{NOBODY}/box", work=tmp_path / "work")
    with pytest.raises(SourceError, match=NOBODY):
        MboxSource(endpoint, lambda seconds: None).connect()


def test_an_unknown_user_on_the_command_line_is_a_folder_without_a_vault() -> None:
    engine = EngineDouble()
    invoke(engine, "status", vault=f"{NOBODY}/vault")
    assert engine.opened == [Path.cwd() / NOBODY / "vault"]


@pytest.mark.usefixtures("removed")
def test_for_a_removed_current_folder_the_home_is_taken(tmp_path: Path) -> None:
    assert current_folder() == tmp_path / "home"
    assert absolute("mail") == tmp_path / "home" / "mail"
    assert absolute("/srv/mail") == Path("/srv/mail")


def test_a_caller_without_a_home_has_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert home_folder() == Path("/")
