"""The real program in a real terminal: how it begins, and how it leaves the terminal."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from support.terminal import MUNIMENT, PATIENCE, Terminal

CLEAN = {
    "alternate_on": "0",
    "mouse_any_flag": "0",
    "mouse_sgr_flag": "0",
    "cursor_flag": "1",
    "keypad_flag": "0",
    "keypad_cursor_flag": "0",
}


def left_sane(window: Terminal) -> None:
    assert window.modes() == CLEAN
    before, after = (window.folder / f"stty.{when}" for when in ("before", "after"))
    assert after.read_text() == before.read_text()


def test_quitting_leaves_the_terminal_as_it_was(terminal):
    window = terminal()
    window.wait_for("Make one here", "F10 Quit")
    assert window.modes()["alternate_on"] == "1"
    window.press("F10")
    assert window.wait_ended() == 0
    left_sane(window)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(terminal, number):
    window = terminal()
    window.wait_for("Make one here", "F10 Quit")
    os.kill(window.pid("muniment_tui"), number)
    assert window.wait_ended() == 143
    left_sane(window)
    assert "Traceback" not in window.screen()


def test_esc_then_q_quits_where_one_types(terminal):
    window = terminal()
    window.wait_for("Make one here", "F10 Quit")
    window.press("Escape")
    window.wait_for("q Quit")
    window.press("q")
    assert window.wait_ended() == 0


def test_a_small_terminal_says_so_until_it_is_larger(terminal):
    window = terminal(columns=70, rows=20)
    window.wait_for("Muniment needs 80x24 cells; this terminal has 70x20.")
    window.press("x")  # a key that is passed over: by then the program listens
    window.resize(80, 24)
    window.wait_for("Make one here", "F10 Quit")
    window.resize(79, 24)
    window.wait_for("this terminal has 79x24.")
    window.press("x", "q")
    assert window.wait_ended() == 0


def test_a_dumb_terminal_is_refused_politely(terminal):
    window = terminal(env={"TERM": "dumb"})
    assert window.wait_ended() == 2
    said = " ".join(window.screen().split())
    assert "This terminal (TERM=dumb) can't draw the app" in said
    assert "`muniment --help` lists them all" in said
    assert window.modes() == CLEAN


@pytest.mark.parametrize("term", ["xterm", "linux", "screen"])
def test_few_colours_and_none_are_enough(terminal, term):
    window = terminal(env={"TERM": term, "NO_COLOR": "1"})
    window.wait_for("Make one here", "F10 Quit")
    window.press("F10")
    assert window.wait_ended() == 0


def test_over_ssh(terminal, sshd, tmp_path):
    """It looks and ends the same; cut off, the program over there ends as well."""
    there = tmp_path / "there"
    there.mkdir()
    env = {"HOME": str(there), "XDG_STATE_HOME": str(there), "LC_ALL": "C.UTF-8"}
    for cut in (False, True):
        window = terminal(sshd.command("env", "-C", str(there), *MUNIMENT, env=env))
        window.wait_for("Make one here", "F10 Quit")
        if not cut:
            window.press("F10")
            assert window.wait_ended() == 0
            left_sane(window)
            continue
        assert running_in(there)
        os.kill(window.pid("ssh -tt"), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while running_in(there):
            assert time.monotonic() < deadline, "it goes on without a terminal"
            time.sleep(0.05)


def running_in(folder: Path) -> list[int]:
    """Processes of the program whose folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if b"muniment_tui" in words and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_a_shell_in_between_is_drawn_over(terminal):
    window = terminal(["bash", "--norc"], env={"PS1": "shell> "})
    window.wait_for("shell>")
    window.type(" ".join(MUNIMENT))
    window.press("Enter")
    window.wait_for("Make one here", "F10 Quit")
    window.press("C-z")
    window.wait_for("Stopped")
    window.type("fg")
    window.press("Enter")
    window.wait_for("Make one here", "F10 Quit")
    window.press("C-l")
    window.wait_for("Make one here", "F10 Quit")
