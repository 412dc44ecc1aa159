"""Lines that are drawn over while work goes on: at most four times a second, and only on a terminal.

Only the lines that have changed are sent, and no more than a line of 9600 baud takes: a slow terminal buffers
what it is sent (a pseudo-terminal some 20 kB), and what is sent faster is shown later and later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from muniment.cli.command import Session
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY = 0.25
"""Seconds between two refreshes, at least."""
SPEED = 800.0
"""Bytes a second, at most; a line of 9600 baud takes 960."""


class Display(AbstractContextManager["Display"]):
    """Shows the newest state of some work, and leaves nothing behind; does nothing where nobody watches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: list[str] = []
        """What is drawn now; the cursor is below it."""
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def show(self, lines: Sequence[str]) -> None:
        """Draw `lines` in place of those before, unless that would be too soon."""
        now = time.monotonic()
        if not self._session.lively or now < self._due:
            return
        out = self._session.out
        columns, rows = out.size()
        new = [out.fitted(clean(line), columns - 1) for line in lines][: rows - 1]
        sent = out.draw("".join(_changes(self._lines, new)))
        self._lines = new
        self._due = now + max(EVERY, sent / SPEED)

    def clear(self) -> None:
        """Take away what is drawn."""
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
    """What to send so that the new lines stand where the old ones did; nothing where they are the same."""
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
