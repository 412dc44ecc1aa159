"""The live display: it draws rarely, little, and only on a terminal."""

import pytest

from muniment.cli import live
from muniment.cli.command import CommandSession
from muniment.cli.live import LiveDisplay
from muniment.cli.output import CommandOutput
from support.engine_double import HOSTILE, EngineDouble, Screen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("muniment.cli.live.time.monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    return now


def drawn(terminal: bool = True) -> tuple[CommandSession, Screen]:
    screen = Screen(terminal)
    return CommandSession(EngineDouble().doors, CommandOutput(screen)), screen


def test_at_most_four_times_a_second(clock: list[float]) -> None:
    session, screen = drawn()
    with LiveDisplay(session) as display:
        for step in range(20):
            clock[0] = 100 + step / 16
            display.show([f"<{step}>"])
        shown = [step for step in range(20) if f"<{step}>".encode() in screen.written()]
    assert shown == [0, 4, 8, 12, 16]


def test_only_the_lines_that_changed_are_sent(clock: list[float]) -> None:
    session, screen = drawn()
    with LiveDisplay(session) as display:
        for step in range(3):
            clock[0] += 1
            display.show(["the same", f"step {step}", "the same below"][: 3 - step // 2])
        assert screen.written().count(b"the same") == 2
        assert screen.written().endswith(b"\x1b[3A\r\n\rstep 2\x1b[K\n\x1b[J")
        sent = len(screen.written())
        clock[0] += 1
        display.show(["the same", "step 2"])
        assert len(screen.written()) == sent


def test_output_is_not_faster_than_a_slow_line(clock: list[float]) -> None:
    session, screen = drawn()
    with LiveDisplay(session) as display:
        for step in range(600):
            clock[0] = 100 + step / 10
            display.show([f"{step} {'x' * 60}"] * 10)
    assert len(screen.written()) < 62 * live.SPEED


def test_nothing_is_drawn_without_a_terminal(clock: list[float]) -> None:
    session, screen = drawn(terminal=False)
    with LiveDisplay(session) as display:
        display.show(["x"])
    assert screen.written() == b""


def test_hostile_lines_are_made_harmless(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    session, screen = drawn()
    with LiveDisplay(session) as display:
        display.show([HOSTILE])
    assert b"\x1b]0;" not in screen.written()
    assert b"\x1b[2J" not in screen.written()


def test_no_colour_with_no_color_set(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    session, screen = drawn()
    with LiveDisplay(session) as display:
        display.show(["plain"])
    assert b"\x1b[3" not in screen.written()
