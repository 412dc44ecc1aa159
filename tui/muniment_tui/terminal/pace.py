"""Whether the terminal has shown what was sent to it.

A slow line buffers what is sent: some 20 kB in a pseudo-terminal alone, more in ssh and the network. What is
drawn faster than the line takes it is shown late, and later each time. So what changes by itself, such as
a run's progress, is followed by a question to the terminal: where its cursor is (ECMA-48, DSR 6). It is drawn
again once the answer (CPR) has come: then all that was sent before the question has been shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.widget import Widget

QUESTION = "\x1b[6n"
PATIENCE = 1.5
"""Seconds after which a terminal that has never answered counts as one that does not answer, until it does.
What is shown must not be older than two seconds there either."""
LOST = 60.0
"""Seconds after which an answer counts as lost."""


class Pace:
    """Keeps what changes by itself at the terminal's pace. Belongs to the app's loop."""

    def __init__(self, send: Callable[[str], bool], monotonic: Callable[[], float] = time.monotonic) -> None:
        """`send` passes a question to the terminal, and says whether there is one."""
        self._send = send
        self._monotonic = monotonic
        self._asked: float | None = None
        self._answers = False
        """Whether it has answered so far."""
        self._mute = False

    @property
    def free(self) -> bool:
        """Whether it has shown all that was sent before the last question."""
        if self._asked is None:
            return True
        waited = self._monotonic() - self._asked
        if waited < (LOST if self._answers else PATIENCE):
            return False
        self._asked, self._mute = None, not self._answers
        return True

    def follow(self, drawn: Widget) -> None:
        """Ask once what was drawn has been sent."""
        drawn.call_after_refresh(self.ask)

    def ask(self) -> None:
        """Ask now, unless it was asked already or does not answer."""
        if self._asked is None and not self._mute:
            now = self._monotonic()
            if self._send(QUESTION):
                self._asked = now

    def answered(self) -> None:
        """The terminal has said where its cursor is."""
        self._asked, self._answers, self._mute = None, True, False
