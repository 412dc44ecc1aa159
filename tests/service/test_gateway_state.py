"""What status and the checklist say about the embedded gateway."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from muniment import api
from muniment.gateway.refused import BETWEEN, TRIES, refused_at
from support.vaults import TestVault

LISTENING = (
    '[gateway]\nlisten = "127.0.0.1:2525"\naddresses = ["journal@archive.example"]\nreserve = 1000000000\n'
)


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    with (made.folder / "vault.toml").open("a") as file:
        file.write(LISTENING)
    return made


def test_status_says_that_the_gateway_defers_mail(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vault.status().warnings == ()
    real = os.statvfs
    full = SimpleNamespace(f_bavail=1, f_frsize=1, f_blocks=1 << 40)
    monkeypatch.setattr(os, "statvfs", lambda path: full if str(path).endswith("spool") else real(path))
    (warning,) = vault.status().warnings
    assert "defers mail, since fewer than 1,000,000,000 bytes" in warning
    assert warning in vault.client.call(api.GetSetup(), api.Setup).health


def test_a_client_that_is_refused_repeatedly_is_named(vault: TestVault) -> None:
    now = 1000.0
    refused = refused_at(vault.folder / "spool")
    refused._clock = lambda: now
    for _ in range(TRIES):
        refused.note("192.0.2.7")
        now += BETWEEN
    (warning,) = vault.status().warnings
    assert "refused 192.0.2.7 3 times" in warning
    assert "gateway.networks" in warning
    assert "(192.0.2.0/24)" in warning
