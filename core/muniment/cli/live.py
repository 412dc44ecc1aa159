"""Progress lines that are redrawn in place: at most four times a second, and only on a terminal.

Only changed lines are sent, and not faster than a line of 9600 baud carries them. A slow terminal buffers its
input (a pseudo-terminal some 20 kB), so with more than that the screen would fall further and further behind.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from muniment.cli.command import CommandSession
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = 0.25
"""Shortest time between two refreshes, in seconds."""
SPEED = 800.0
"""Most bytes a second; a line of 9600 baud carries 960."""


class LiveDisplay(AbstractContextManager["LiveDisplay"]):
    """Shows the newest state of some work, and removes it at the end.

    It draws nothing unless `CommandSession.shows_progress`.
    """

    def __init__(self, session: CommandSession) -> None:
        self._session = session
        self._lines: list[str] = []
        """The lines that are on the screen now; the cursor is below them."""
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def show(self, lines: Sequence[str]) -> None:
        """Draw `lines` in place of the former ones; do nothing if the last refresh was too recent."""
        now = time.monotonic()
        if not self._session.shows_progress or now < self._due:
            return
        out = self._session.out
        columns, rows = out.size()
        new = [out.fitted(clean(line), columns - 1) for line in lines][: rows - 1]
        sent = out.draw("".join(_changes(self._lines, new)))
        self._lines = new
        self._due = now + max(EVERY, sent / SPEED)

    def clear(self) -> None:
        """Remove the lines from the screen."""
        self._due = 0.0
        if self._lines:
            self._session.out.draw(f"{_up(len(self._lines))}\x1b[J")
            self._lines = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    """The text that turns the old lines on the screen into the new ones; nothing if they are the same."""
    if old == new:
        return
    yield _up(len(old))
    for place, line in enumerate(new):
        same = place < len(old) and old[place] == line
        yield "\n" if same else f"\r{line}\x1b[K\n"
    if len(new) < len(old):
        yield "\x1b[J"


def _up(lines: int) -> str:
    return f"\x1b[{lines}A\r" if lines else ""
