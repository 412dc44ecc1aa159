"""`muniment` without arguments and without a terminal."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from muniment import __version__
from muniment.api import GetHealth, GetStatus, ProfileStatus
from muniment.errors import VaultError
from muniment_tui import __main__ as entry
from support.engine_double import EngineDouble, assert_harmless
from support.words import state_of_health, status, summary


class Printed(Protocol):
    """What a program has written to its standard output and standard error."""

    @property
    def out(self) -> str: ...

    @property
    def err(self) -> str: ...


Bare = Callable[..., tuple[int, Printed]]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bare:
    def call(engine: EngineDouble, *argv: str, vault: str = "/v") -> tuple[int, Printed]:
        monkeypatch.setattr(sys, "argv", ["muniment", *argv])
        monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
        if vault:
            monkeypatch.setenv("MUNIMENT_VAULT", vault)
        return entry.main(engine.doors), capsys.readouterr()

    return call


def test_without_a_vault_the_overview_says_how_to_begin(bare: Bare) -> None:
    code, printed = bare(EngineDouble(), vault="")
    assert code == 0
    assert "muniment demo" in printed.out
    assert "muniment init" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80


def test_in_a_vaults_folder_the_overview_is_that_vaults(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault.toml").touch()
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    engine = EngineDouble({GetStatus: status(), GetHealth: state_of_health()})
    code, printed = bare(engine, vault="")
    assert code == 0
    assert "muniment profile add" in printed.out
    assert engine.opened == [tmp_path]


def test_a_vault_that_is_not_opened_by_itself_gives_its_reason(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault.toml").touch()
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    code, printed = bare(EngineDouble(), vault="")
    assert code == 2
    assert "can be entered by other users" in printed.err
    assert printed.out == ""


def test_the_overview_of_a_new_vault_suggests_a_profile(bare: Bare) -> None:
    code, printed = bare(EngineDouble({GetStatus: status(), GetHealth: state_of_health()}))
    assert code == 0
    assert "muniment profile add" in printed.out
    assert "muniment verify" not in printed.out


def test_the_overview_of_a_used_vault(bare: Bare) -> None:
    ran = {"state": "ok", "new": summary().new, "balanced": True}
    profile = ProfileStatus(name="gw", source="gateway", enabled=True, every=300, last=ran)
    full = status(messages=900, users=3, quarantined=1, profiles=(profile,))
    code, printed = bare(EngineDouble({GetStatus: full, GetHealth: state_of_health()}))
    assert code == 0
    assert "gw: ok: 900 new" in printed.out
    for command in ("run --all", "search", "verify", "quarantine list"):
        assert f"muniment {command}" in printed.out
    assert_harmless(printed.out)


def test_an_unusable_vault_is_an_error(bare: Bare) -> None:
    code, printed = bare(EngineDouble({GetStatus: VaultError("there is no vault in /v")}))
    assert (code, printed.err) == (4, "muniment: there is no vault in /v\n")


def test_other_arguments_run_the_command_line(bare: Bare) -> None:
    code, printed = bare(EngineDouble(), "--version")
    assert (code, printed.out) == (0, f"muniment {__version__}\n")
