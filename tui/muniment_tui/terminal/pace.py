"""Measures whether the terminal has shown what was sent to it.

A slow connection buffers output: some 20 kB in a pseudo-terminal alone, more in ssh and the network. Output
that is sent faster than the connection carries it is shown later and later. So after drawing something that
changes without a key, such as a run's progress, the app asks the terminal for its cursor position (ECMA-48,
DSR 6). It draws again when the answer (CPR) has come, since all earlier output has been shown by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.widget import Widget

QUESTION = "\x1b[6n"
PATIENCE = 1.5
"""Seconds until a terminal that has never answered is treated as one that does not answer. The display
must not be older than two seconds there either."""
LOST = 60.0
"""Seconds until a missing answer is given up."""


class TerminalPace:
    """Limits drawing to the terminal's speed. Use it only in the app's loop."""

    def __init__(self, send: Callable[[str], bool], monotonic: Callable[[], float] = time.monotonic) -> None:
        """`send` passes a query to the terminal, and returns whether there is one."""
        self._send = send
        self._monotonic = monotonic
        self._asked: float | None = None
        self._answers = False
        """Whether the terminal has answered so far."""
        self._mute = False

    @property
    def free(self) -> bool:
        """Whether the terminal has shown everything that was sent before the last query."""
        if self._asked is None:
            return True
        waited = self._monotonic() - self._asked
        if waited < (LOST if self._answers else PATIENCE):
            return False
        self._asked, self._mute = None, not self._answers
        return True

    def follow(self, drawn: Widget) -> None:
        """Send a query after `drawn` has been sent."""
        drawn.call_after_refresh(self.ask)

    def ask(self) -> None:
        """Send a query now, unless one is pending or the terminal does not answer."""
        if self._asked is None and not self._mute:
            now = self._monotonic()
            if self._send(QUESTION):
                self._asked = now

    def answered(self) -> None:
        """Take in the terminal's answer."""
        self._asked, self._answers, self._mute = None, True, False
