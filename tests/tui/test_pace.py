"""What changes by itself is drawn at the terminal's pace."""

from __future__ import annotations

from muniment_tui.terminal.pace import LOST, PATIENCE, QUESTION, Pace


class Terminal:
    """Takes questions; a clock beside it."""

    def __init__(self, there: bool = True) -> None:
        self.asked: list[str] = []
        self.now = 100.0
        self._there = there
        self.pace = Pace(self._take, lambda: self.now)

    def _take(self, question: str) -> bool:
        self.asked.append(question)
        return self._there


def test_nothing_is_drawn_until_the_terminal_has_answered() -> None:
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
    assert not pace.free, "it answers, and has not yet: the line is slow"
    terminal.now += 1
    assert pace.free, "the answer was lost"


def test_a_terminal_that_never_answers_is_asked_once() -> None:
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


def test_where_there_is_no_terminal_nothing_is_waited_for() -> None:
    terminal = Terminal(there=False)
    terminal.pace.ask()
    assert terminal.pace.free
