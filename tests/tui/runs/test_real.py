"""The Runs screen on the real engine: in this process, and as the real program in tmux."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from support.engine_double import HOSTILE
from support.program import Program
from support.reports import plain, report
from support.screens import drive, shows, text_of
from support.services import muniment, service_of
from support.terminal import MUNIMENT
from support.vaults import TestVault, put

LASTING = 3_000
"""Enough messages that the run is still going when it is seen. An idle machine archives 3,500 a second."""


def letters(count: int, subject: str = "Letter") -> list[bytes]:
    return [report(plain(subject=f"{subject} {n}", body=f"Text {n}\n")) for n in range(count)]


def filled(folder: Path, count: int) -> Path:
    """Create a vault with a profile that runs by hand only. Returns the profile's maildir for new mail."""
    vault = TestVault(folder)
    new = vault.maildir("box", delete=True, enabled=False)
    put(new, letters(count))
    vault.client.close()
    return new


def test_runs_on_the_real_engine(tmp_path: Path) -> None:
    new = filled(tmp_path / "vault", 600)
    put(new, [b"X-MS-Journal-Report:\r\nSubject: a\r\n\r\nno report: " + HOSTILE.encode() + b"\r\n"])
    app = MunimentApp(connect, tmp_path / "vault", area="runs")

    async def script(pilot: Any) -> None:
        await shows(pilot, "never ran")
        await pilot.press("r")
        await shows(pilot, "box: ok, 600 new, 1 quarantined.")
        await shows(pilot, "601 at the source, of 601 kept")
        await shows(pilot, "1 in quarantine")
        assert "✗" not in text_of(app)
        await pilot.press("r")
        await shows(pilot, "box: ok, nothing new.")
        await pilot.press("escape")  # the first Esc removes the notice
        for key, text in (
            ("h", "600 new"),
            ("enter", "Kept as"),
            ("escape", "Runs of all"),
            ("escape", "by hand only"),
            ("x", "Why"),
            ("down", "1 in quarantine"),
        ):
            await pilot.press(key)
            await shows(pilot, text)
        await pilot.press("enter")
        await shows(pilot, "no report: ")
        await pilot.press("escape", "T", "y")
        await shows(pilot, "0 of 1 quarantined items archived.")

    drive(app, script)
    assert list(new.iterdir()) == []


@pytest.mark.timeout(600)
def test_closing_the_app_continues_the_run_and_prints_how_to_return(tmp_path: Path, terminal: Any) -> None:
    new = filled(tmp_path / "vault", LASTING)
    env = {name: os.environ[name] for name in ("MUNIMENT_RUNTIME",)}
    words = [*MUNIMENT, "--vault", str(tmp_path / "vault")]
    first = terminal(words, env=env)
    first.wait_for("Home")
    first.press("3")
    first.wait_for("never ran")
    first.press("r")
    first.wait_for("Fetch", "listed")
    first.press("q")
    output = first.wait(lambda seen: "ended:0" in seen, "the app to end")
    assert re.search(r"box: (?:starting|fetching|storing|deleting), [\d,]+ (?:of|so far)", output)
    assert "This goes on without the app." in output
    assert service_of(tmp_path / "vault")
    again = terminal(words, env=env)
    again.wait_for("Home")
    again.press("3")
    again.wait_for(f"{LASTING:,} new", "✓ ok", patience=150)
    again.press("q")
    again.wait_ended()
    assert list(new.iterdir()) == []
    assert muniment(tmp_path / "vault", "history").out.count(" ok ") == 1
    assert Program(tmp_path / "vault").ask("status")["messages"] == LASTING


@pytest.mark.timeout(600)
def test_a_cut_connection_does_not_stop_the_run(tmp_path: Path, terminal: Any, sshd: Any) -> None:
    new = filled(tmp_path / "vault", LASTING)
    env = {name: os.environ[name] for name in ("MUNIMENT_RUNTIME",)} | {"LC_ALL": "C.UTF-8"}
    line = terminal(sshd.command(*MUNIMENT, "--vault", str(tmp_path / "vault"), env=env))
    line.wait_for("Home")
    line.press("3")
    line.wait_for("never ran")
    line.press("r")
    line.wait_for("Fetch", "listed")
    line.close()
    program, deadline = Program(tmp_path / "vault"), time.monotonic() + 150
    while not (runs := program.ask("history")["runs"]):
        assert time.monotonic() < deadline, "the run did not end"
        time.sleep(0.1)
    assert [(run["state"], run["new"], run["deleted"]) for run in runs] == [("ok", LASTING, LASTING)]
    assert list(new.iterdir()) == []
