"""Completion: the scripts, and what the Tab key offers."""

import json
import shutil
import subprocess

import pytest

from muniment.api import (
    Groups,
    GroupWord,
    ListGroups,
    ListProfiles,
    ListUsers,
    Profiles,
    ProfileWord,
    Users,
    UserWord,
)
from muniment.errors import VaultError
from support.engine_double import EngineDouble, invoke

PROFILES = Profiles(
    profiles=tuple(ProfileWord(name=n, source="imap", fields={}) for n in ("gw", "gx", "old", "g\x1b"))
)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_say_how_to_install_them(shell: str) -> None:
    out = invoke(EngineDouble(), "completion", shell, vault="").out
    assert out.startswith("# ")
    assert f"muniment completion {shell}" in out.splitlines()[0]
    assert "_MUNIMENT_COMPLETE" in out
    data = json.loads(invoke(EngineDouble(), "completion", shell, "--json", vault="").out)
    assert data["shell"] == shell
    assert data["script"].strip() == out.strip()


def test_bash_can_read_its_script() -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = invoke(EngineDouble(), "completion", "bash", vault="").out
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)


def test_an_unknown_shell() -> None:
    assert invoke(EngineDouble(), "completion", "csh", vault="").code == 2


def offered(monkeypatch: pytest.MonkeyPatch, words: str, count: int, engine: EngineDouble) -> list[str]:
    monkeypatch.setenv("_MUNIMENT_COMPLETE", "bash_complete")
    monkeypatch.setenv("MUNIMENT_VAULT", "/v")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(count))
    result = invoke(engine, vault="")
    assert result.code == 0
    return [line.partition(",")[2] for line in result.out.splitlines() if line]


def test_commands_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "muniment re", 1, EngineDouble()) == ["rebuild", "restore", "retention"]


def test_profiles_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "muniment run g", 2, EngineDouble({ListProfiles: PROFILES})) == ["gw", "gx"]


def test_users_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users(users=(UserWord(user="ada@q.example", name=""), UserWord(user="bob@q.example", name="")))
    assert offered(monkeypatch, "muniment users show a", 3, EngineDouble({ListUsers: users})) == [
        "ada@q.example"
    ]


def test_groups_are_offered_by_name_and_in_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = Groups(groups=(GroupWord(name="board", count=1), GroupWord(name="The Board", count=1)))
    double = EngineDouble(
        {ListGroups: groups, ListUsers: Users(users=(UserWord(user="bo@x.example", name="Bo"),))}
    )
    assert offered(monkeypatch, "muniment group show b", 3, double) == ["board"]
    assert offered(monkeypatch, "muniment search group:b", 2, double) == ["group:board"]
    assert offered(monkeypatch, "muniment search user:b", 2, double) == ["user:bo@x.example"]
    assert offered(monkeypatch, "muniment search subject:b", 2, double) == []


def test_nothing_is_offered_where_there_is_no_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    double = EngineDouble({ListProfiles: VaultError("no")})
    assert offered(monkeypatch, "muniment run g", 2, double) == []


def test_columns_are_offered_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "muniment list a/Inbox --columns "
    assert offered(monkeypatch, f"{words}s", 4, EngineDouble()) == ["size", "subject"]
    assert offered(monkeypatch, f"{words}size,s", 4, EngineDouble()) == ["size,subject"]
    assert offered(monkeypatch, f"{words}h", 4, EngineDouble()) == ["help"]
