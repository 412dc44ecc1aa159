"""An administrator's work over a bad connection: from an empty folder, by keys, cut off during a run."""

from __future__ import annotations

import os
import re
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.program import Program
from support.reports import plain, report
from support.services import end, service_of
from support.teletype import Teletype
from support.terminal import MUNIMENT, OpenTerminal, Sshd, Terminal
from support.vaults import TestVault, put

MESSAGES = 4_000
"""Enough messages that the run is still going when it is seen. An idle machine archives 3,500 a second."""
HERON = b"A heron stands in the reeds."
MODES = (7, 25)
"""DEC private modes that are on in a shell: line wrapping and the cursor."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Path]:
    """The path of a vault to be created. Its service is stopped at the end."""
    home = tmp_path / "home"
    home.mkdir()
    yield home / "vault"
    if (home / "vault").exists() and (pid := service_of(home / "vault")):
        end(pid)


def maildir(folder: Path, count: int) -> Path:
    """A mailbox of `count` journal reports. The first is about a heron."""
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    heron = plain(subject="The heron", body=HERON.decode(), attachments=[("pond.txt", b"deep")])
    letters = (plain(subject=f"Letter {n}", body=f"Text {n}\n") for n in range(count - 1))
    put(folder / "new", map(report, (heron, *letters)))
    return folder


@pytest.mark.timeout(600)
def test_an_administrator_over_a_connection_that_is_cut(
    terminal: OpenTerminal, sshd: Sshd, vault: Path, tmp_path: Path
) -> None:
    post, target = maildir(tmp_path / "post", MESSAGES), tmp_path / "found.zip"
    env = {"MUNIMENT_RUNTIME": os.environ["MUNIMENT_RUNTIME"], "LC_ALL": "C.UTF-8"}
    env |= {"HOME": str(vault.parent), "XDG_STATE_HOME": str(tmp_path / "state")}
    first = terminal(sshd.command("env", "-C", str(vault.parent), *MUNIMENT, env=env))
    make(first, vault.parent)
    set_up(first)
    add_profile(first, post)
    first.press("3")
    first.wait_for("by hand only")
    first.press("r")
    first.wait_for("Fetch", "listed")
    os.kill(first.pid("ssh -tt"), signal.SIGKILL)
    again = terminal(sshd.command(*MUNIMENT, env=env | {"MUNIMENT_VAULT": str(vault)}))
    again.wait_for("Runs")
    again.press("3")
    again.wait_for("✓ ok", f"fetched  {MESSAGES:,} = {MESSAGES:,} new  ✓", patience=150)
    find_and_export(again, target)
    again.press("q")
    again.wait_ended()
    with zipfile.ZipFile(target) as kept:
        assert [HERON in kept.read(name) for name in kept.namelist() if name.endswith(".eml")] == [True]
    program = Program(vault)
    (run,) = program.ask("history")["runs"]
    assert (run["state"], run["balanced"]) == ("ok", True)
    assert run["listed"] == run["fetched"] == run["new"] == run["deleted"] == MESSAGES
    assert not list((post / "new").iterdir())
    assert program.ask("verify", "--deep")["ok"]


def make(screen: Terminal, here: Path) -> None:
    """Create a vault on the first page."""
    screen.wait_for("Create it here", str(here)[:20])
    screen.type("Quill")
    screen.press("Enter")
    screen.press("Up", "Up", "C-u")
    screen.type(str(here / "vault"))
    screen.press("Down", "Down")
    screen.type("example.com")
    screen.wait_for("example.com")
    screen.press("Enter")
    screen.wait_for("0 of 10 done")  # the notice may have left before Setup is drawn


def set_up(screen: Terminal) -> None:
    """Confirm the step for users."""
    screen.press(*["Down"] * 4)
    screen.wait_for("─ Users")
    screen.press("d")
    screen.wait_for("Your login name and the time")
    screen.press("y")
    screen.wait_for("1 of 10 done")


def add_profile(screen: Terminal, post: Path) -> None:
    """Add a maildir profile that runs by hand only, and test it before saving."""
    screen.press("2")
    screen.wait_for("No profiles yet", "a Add")
    screen.press("a")
    kinds = screen.wait_for("Where does the new", "Maildir folder").splitlines()
    first, wanted = (
        next(n for n, line in enumerate(kinds) if name in line)
        for name in ("Gateway mailbox", "Maildir folder")
    )
    screen.press(*["Down"] * (wanted - first), "Enter")
    screen.wait_for("New profile", "Maildir")
    screen.type("post")
    screen.press("Down")
    screen.type(str(post))
    screen.press("Down")
    screen.press("Right" if "( ) yes" not in screen.screen() else "Left")
    screen.wait_for("(•) yes")
    screen.press("Down", "Right")
    screen.wait_for("(•) by hand only")
    screen.press("F5")
    screen.wait_for(f"listed {MESSAGES:,} messages")
    screen.press("Escape")
    screen.wait_gone("listed")
    screen.press("F2")
    screen.wait_for("Profile post added")


def find_and_export(screen: Terminal, target: Path) -> None:
    """Search for the heron, read the message and export it."""
    screen.press("4")
    screen.wait_for("All mail", "example.com")
    screen.press("/")
    screen.type("heron")
    screen.wait_for("Results for heron", "1 message", "The heron")
    screen.press("Enter")
    screen.wait_for("x Export")
    screen.press("Enter")
    screen.wait_for(HERON.decode(), "pond.txt")
    screen.press("x")
    screen.wait_for("Export 1 message")
    screen.press("C-u")
    screen.type(str(target))
    screen.press("Enter")
    screen.wait(lambda _: target.exists() and zipfile.is_zipfile(target), "the export to exist")


@pytest.mark.timeout(600)
def test_signals_during_a_run_restore_the_terminal_and_continue_the_run(vault: Path) -> None:
    box = TestVault(vault)
    for name in ("a", "b"):
        letters = (report(plain(subject=f"Letter {name} {n}")) for n in range(MESSAGES))
        put(box.maildir(name, enabled=False), letters)
    box.client.close()
    runs: list[dict[str, Any]] = []
    for number, key in ((signal.SIGHUP, "Up"), (signal.SIGTERM, "Down")):
        with Teletype([*MUNIMENT, "--vault", str(vault)], folder=vault.parent) as tty:
            tty.wait_for("Runs", "Quit")
            tty.press("3")
            tty.wait_for("r Run now")
            tty.press(key, "r")
            tty.wait_for("Fetch", "listed")
            os.kill(tty.process.pid, number)
            assert tty.wait_ended() == 143
            assert tty.settings() == tty.before
            assert modes(tty.written()) == {mode: mode in MODES for mode in modes(tty.written())}
            assert b"Traceback" not in tty.written()
        runs = ended(Program(vault), len(runs) + 1)
    assert [(run["state"], run["new"]) for run in runs] == [("ok", MESSAGES)] * 2


def ended(program: Program, count: int) -> list[dict[str, Any]]:
    """Wait until `count` runs have ended, and return them."""
    deadline = time.monotonic() + 120
    while len(runs := program.ask("history")["runs"]) < count:
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.1)
    return list(runs)


def modes(written: bytes) -> dict[int, bool]:
    """The last state of each DEC private mode that a program has set."""
    found = re.findall(rb"\x1b\[\?(\d+)([hl])", written)
    return {int(mode): switch == b"h" for mode, switch in found}
