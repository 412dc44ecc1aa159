"""A bare `muniment`."""

import sys

import pytest

from muniment import __version__
from muniment.api import GetStatus, ProfileStatus
from muniment.errors import VaultError
from muniment_tui import __main__ as entry
from support.engine_double import EngineDouble, assert_harmless
from support.words import status, summary


@pytest.fixture
def bare(monkeypatch, capsys):
    def call(engine, *argv, vault="/v"):
        monkeypatch.setattr(sys, "argv", ["muniment", *argv])
        monkeypatch.setattr(entry, "ENGINE", engine.doors)
        monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
        if vault:
            monkeypatch.setenv("MUNIMENT_VAULT", vault)
        return entry.main(), capsys.readouterr()

    return call


def test_how_to_begin(bare):
    code, told = bare(EngineDouble(), vault="")
    assert code == 0
    assert "muniment demo" in told.out
    assert "muniment init" in told.out
    assert max(map(len, told.out.splitlines())) <= 80


def test_a_new_vault_wants_a_profile(bare):
    code, told = bare(EngineDouble({GetStatus: status()}))
    assert code == 0
    assert "muniment profile add" in told.out
    assert "muniment verify" not in told.out


def test_a_full_vault(bare):
    ran = {"state": "ok", "new": summary().new, "balanced": True}
    profile = ProfileStatus(name="gw", source="gateway", enabled=True, every=300, last=ran)
    full = status(messages=900, users=3, quarantined=1, profiles=(profile,))
    code, told = bare(EngineDouble({GetStatus: full}))
    assert code == 0
    assert "gw: ok: 900 new" in told.out
    for command in ("run --all", "search", "verify", "quarantine list"):
        assert f"muniment {command}" in told.out
    assert_harmless(told.out)


def test_a_vault_that_can_not_be_used(bare):
    code, told = bare(EngineDouble({GetStatus: VaultError("there is no vault in /v")}))
    assert (code, told.err) == (4, "muniment: there is no vault in /v\n")


def test_all_else_is_the_command_line(bare):
    code, told = bare(EngineDouble(), "--version")
    assert (code, told.out) == (0, f"muniment {__version__}\n")
