"""The display is updated only as fast as the terminal shows it."""

from __future__ import annotations

from muniment_tui.terminal.pace import LOST, PATIENCE, QUESTION, TerminalPace


class Terminal:
    """A terminal that records queries, with a clock that the test sets."""

    def __init__(self, connected: bool = True) -> None:
        self.asked: list[str] = []
        self.now = 100.0
        self._connected = connected
        self.pace = TerminalPace(self._take, lambda: self.now)

    def _take(self, question: str) -> bool:
        self.asked.append(question)
        return self._connected


def test_drawing_waits_for_the_terminals_answer() -> None:
    terminal = Terminal()
    pace = terminal.pace
    assert pace.free
    pace.ask()
    pace.ask()
    assert terminal.asked == [QUESTION]
    assert not pace.free
    pace.answered()
    assert pace.free
    pace.ask()
    terminal.now += LOST - 1
    assert not pace.free, "it does answer, so the connection is slow"
    terminal.now += 1
    assert pace.free, "the answer was lost"


def test_a_terminal_that_never_answers_is_queried_once() -> None:
    terminal = Terminal()
    pace = terminal.pace
    pace.ask()
    terminal.now += PATIENCE
    assert pace.free
    pace.ask()
    assert pace.free
    assert len(terminal.asked) == 1
    pace.answered()
    pace.ask()
    assert len(terminal.asked) == 2


def test_without_a_terminal_drawing_never_waits() -> None:
    terminal = Terminal(connected=False)
    terminal.pace.ask()
    assert terminal.pace.free
