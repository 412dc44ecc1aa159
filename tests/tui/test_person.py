"""As a person works over a bad line: from an empty folder on, by keys alone, cut off amid a run."""

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

LETTERS = 12_000
"""Letters of a run that is still going when it has been seen: an idle machine takes in 3,500 a second."""
HERON = b"A heron stands in the reeds."
MODES = (7, 25)
"""DEC private modes that are on in a shell: wrapping, and the cursor."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Path]:
    """Where the vault will be; its service is stopped at the end."""
    home = tmp_path / "there"
    home.mkdir()
    yield home / "vault"
    if (home / "vault").exists() and (pid := service_of(home / "vault")):
        end(pid)


def maildir(folder: Path, count: int) -> Path:
    """A mailbox of journal reports, the first of which is about a heron."""
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    heron = plain(subject="The heron", body=HERON.decode(), attachments=[("pond.txt", b"deep")])
    letters = (plain(subject=f"Letter {n}", body=f"Text {n}\n") for n in range(count - 1))
    put(folder / "new", map(report, (heron, *letters)))
    return folder


@pytest.mark.timeout(300)
def test_a_line_is_cut_and_all_goes_well(
    terminal: OpenTerminal, sshd: Sshd, vault: Path, tmp_path: Path
) -> None:
    post, target = maildir(tmp_path / "post", LETTERS), tmp_path / "found.zip"
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
    again.wait_for("3 Runs")
    again.press("3")
    again.wait_for("✓ ok", f"fetched  {LETTERS:,} = {LETTERS:,} new  ✓", patience=150)
    find_and_export(again, target)
    again.press("q")
    again.wait_ended()
    with zipfile.ZipFile(target) as kept:
        assert [HERON in kept.read(name) for name in kept.namelist() if name.endswith(".eml")] == [True]
    program = Program(vault)
    (run,) = program.ask("history")["runs"]
    assert (run["state"], run["balanced"]) == ("ok", True)
    assert run["listed"] == run["fetched"] == run["new"] == run["deleted"] == LETTERS
    assert not list((post / "new").iterdir())
    assert program.ask("verify", "--deep")["ok"]


def make(screen: Terminal, here: Path) -> None:
    """From nothing to a vault."""
    screen.wait_for("Create it here", str(here)[:20])
    screen.type("Quill")
    screen.press("Enter")
    screen.press("Up", "Up", "C-u")
    screen.type(str(here / "vault"))
    screen.press("Down", "Down")
    screen.type("example.com")
    screen.wait_for("example.com")
    screen.press("Enter")
    screen.wait_for("Vault made in", "0 of 10 done")


def set_up(screen: Terminal) -> None:
    """A page of the set-up: users are made as their mail comes."""
    screen.press(*["Down"] * 4)
    screen.wait_for("─Users")
    screen.press("d")
    screen.wait_for("Your login name and the time")
    screen.press("y")
    screen.wait_for("1 of 10 done")


def add_profile(screen: Terminal, post: Path) -> None:
    """A profile of a maildir that runs by hand only, tested before it is saved."""
    screen.press("2")
    screen.wait_for("No profiles yet", "a Add")
    screen.press("a")
    kinds = screen.wait_for("Where is the mail", "Maildir folder").splitlines()
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
    screen.wait_for(f"listed {LETTERS:,} messages")
    screen.press("Escape")
    screen.wait_gone("listed")
    screen.press("F2")
    screen.wait_for("Profile post added")


def find_and_export(screen: Terminal, target: Path) -> None:
    """Search, read, export."""
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
    screen.wait(lambda _: target.exists() and zipfile.is_zipfile(target), "the export to be there")


@pytest.mark.timeout(300)
def test_signals_in_the_midst_of_a_run_leave_the_terminal_sane_and_the_run_going(vault: Path) -> None:
    box = TestVault(vault)
    for name in ("a", "b"):
        letters = (report(plain(subject=f"Letter {name} {n}")) for n in range(LETTERS))
        put(box.maildir(name, enabled=False), letters)
    box.client.close()
    runs: list[dict[str, Any]] = []
    for number, key in ((signal.SIGHUP, "Up"), (signal.SIGTERM, "Down")):
        with Teletype([*MUNIMENT, "--vault", str(vault)], folder=vault.parent) as tty:
            tty.wait_for("3 Runs", "Quit")
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
    assert [(run["state"], run["new"]) for run in runs] == [("ok", LETTERS)] * 2


def ended(program: Program, count: int) -> list[dict[str, Any]]:
    """The runs so far, once there are so many; the next one would wait for them, unseen."""
    deadline = time.monotonic() + 120
    while len(runs := program.ask("history")["runs"]) < count:
        assert time.monotonic() < deadline, "the run does not end"
        time.sleep(0.1)
    return list(runs)


def modes(written: bytes) -> dict[int, bool]:
    """How a program left the DEC private modes that it has set."""
    found = re.findall(rb"\x1b\[\?(\d+)([hl])", written)
    return {int(mode): switch == b"h" for mode, switch in found}
