"""Is the archive unchanged since the root noted in March? In a real terminal, with the real service."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from muniment import api
from support.services import end, service_of
from support.terminal import MUNIMENT, CountedKeys, OpenTerminal
from support.vaults import TestVault

KEYS = 3
"""Keys from any screen to the answer, besides the pasted checkpoint."""


def noted_then_grown(folder: Path) -> str:
    """Make a vault, note its checkpoint, and add a record; returns the checkpoint."""
    vault = TestVault(folder)
    with closing(vault.client):
        noted = vault.status().checkpoint
        vault.client.call(api.AddUser(name="Anna", addresses=("anna@example.com",)), api.Done)
        assert vault.status().checkpoint != noted
    return noted


def test_a_noted_root_is_compared_with_three_keys(terminal: OpenTerminal, tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    noted = noted_then_grown(folder)
    runtime = {"MUNIMENT_RUNTIME": os.environ["MUNIMENT_RUNTIME"]}
    tty = terminal([*MUNIMENT, "--vault", str(folder)], env=runtime)
    tty.wait_for("q Quit")
    keys = CountedKeys(tty)
    keys.press("7")
    tty.wait_for("Note it elsewhere")
    keys.press("w")
    tty.wait_for("Which checkpoint did you note?")
    tty.type(noted)  # pasted
    keys.press("Enter")
    tty.wait_for("The archive is whole and unchanged")
    seen = tty.wait_for("✓ Unchanged since 20")
    assert f"({noted[:24]}…)" in seen
    assert keys.count == KEYS
    size, _, root = noted.partition(":")
    tty.press("w")
    tty.wait_for("Which checkpoint did you note?")
    tty.type(f"{size}:{root[::-1]}")
    tty.press("Enter")
    tty.wait_for("1 problem found", "Not as noted", "was rewritten, or is")
    tty.press("q")
    assert tty.wait_ended() == 0
    if service := service_of(folder):
        end(service)
