"""The real program in a real terminal: how it starts, and the terminal's state afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from support.terminal import MUNIMENT, PATIENCE, OpenTerminal, Sshd, Terminal

CLEAN = {
    "alternate_on": "0",
    "mouse_any_flag": "0",
    "mouse_sgr_flag": "0",
    "cursor_flag": "1",
    "keypad_flag": "0",
    "keypad_cursor_flag": "0",
}


def assert_restored(window: Terminal) -> None:
    assert window.modes() == CLEAN
    before, after = (window.folder / f"stty.{when}" for when in ("before", "after"))
    assert after.read_text() == before.read_text()


def test_quitting_leaves_the_terminal_as_it_was(terminal: OpenTerminal) -> None:
    window = terminal()
    window.wait_for("Create it here", "F2 Create")
    assert window.modes()["alternate_on"] == "1"
    window.press("F10")
    assert window.wait_ended() == 0
    assert_restored(window)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(terminal: OpenTerminal, number: int) -> None:
    window = terminal()
    window.wait_for("Create it here", "F2 Create")
    os.kill(window.pid("muniment_tui"), number)
    assert window.wait_ended() == 143
    assert_restored(window)
    assert "Traceback" not in window.screen()


def test_esc_then_q_quits_from_a_text_field(terminal: OpenTerminal) -> None:
    window = terminal()
    window.wait_for("Create it here", "F2 Create")
    window.press("Escape")
    window.wait_for("q Quit")
    window.press("q")
    assert window.wait_ended() == 0


def test_a_small_terminal_shows_a_message_until_it_is_enlarged(terminal: OpenTerminal) -> None:
    window = terminal(columns=70, rows=20)
    window.wait_for("Muniment needs 80x24 cells; this terminal has 70x20.")
    window.press("x")  # an ignored key: after it the program reads its input
    window.resize(80, 24)
    window.wait_for("Create it here", "F2 Create")
    window.resize(79, 24)
    window.wait_for("this terminal has 79x24.")
    window.press("x", "q")
    assert window.wait_ended() == 0


def test_a_dumb_terminal_is_refused_with_advice(terminal: OpenTerminal) -> None:
    window = terminal(env={"TERM": "dumb"})
    assert window.wait_ended() == 2
    text = " ".join(window.screen().split())
    assert "This terminal (TERM=dumb) can't display the app" in text
    assert "`muniment --help` lists them all" in text
    assert window.modes() == CLEAN


@pytest.mark.parametrize("term", ["xterm", "linux", "screen"])
def test_the_app_works_with_few_colours_or_none(terminal: OpenTerminal, term: str) -> None:
    window = terminal(env={"TERM": term, "NO_COLOR": "1"})
    window.wait_for("Create it here", "F2 Create")
    window.press("F10")
    assert window.wait_ended() == 0


def test_over_ssh(terminal: OpenTerminal, sshd: Sshd, tmp_path: Path) -> None:
    """The app works the same over ssh. If the connection is cut, the remote program ends."""
    remote = tmp_path / "remote"
    remote.mkdir()
    env = {"HOME": str(remote), "XDG_STATE_HOME": str(remote), "LC_ALL": "C.UTF-8"}
    for cut in (False, True):
        window = terminal(sshd.command("env", "-C", str(remote), *MUNIMENT, env=env))
        window.wait_for("Create it here", "F2 Create")
        if not cut:
            window.press("F10")
            assert window.wait_ended() == 0
            assert_restored(window)
            continue
        assert running_in(remote)
        os.kill(window.pid("ssh -tt"), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while running_in(remote):
            assert time.monotonic() < deadline, "the program still runs without a terminal"
            time.sleep(0.05)


def running_in(folder: Path) -> list[int]:
    """Process ids of programs whose current folder is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if b"muniment_tui" in words and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_suspend_and_resume_redraws_the_screen(terminal: OpenTerminal) -> None:
    window = terminal(["bash", "--norc"], env={"PS1": "shell> "})
    window.wait_for("shell>")
    window.type(" ".join(MUNIMENT))
    window.press("Enter")
    window.wait_for("Create it here", "F2 Create")
    window.press("C-z")
    window.wait_for("Stopped")
    window.type("fg")
    window.press("Enter")
    window.wait_for("Create it here", "F2 Create")
    window.press("C-l")
    window.wait_for("Create it here", "F2 Create")
