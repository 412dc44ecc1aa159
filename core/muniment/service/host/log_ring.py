"""The newest lines of the log, for clients that watch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from muniment import api
from muniment.system.sanitise import clean

KEPT = 200
"""How many lines are kept."""
LONGEST = 500
"""Longest line, in characters."""
LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "error"}


class LogRing:
    """The newest log lines, sanitised. For any thread."""

    def __init__(self, added: Callable[[api.LogLine], None]) -> None:
        """`added` is called with each new line, in the thread that adds it."""
        self._added = added
        self._lock = threading.Lock()
        self._number = 0
        self._lines: deque[api.LogLine] = deque(maxlen=KEPT)

    def add(self, text: str, level: str = "info") -> None:
        """Add a line; `level` is "info", "warning" or "error"."""
        with self._lock:
            self._number += 1
            line = api.LogLine(
                number=self._number, time=int(time.time()), text=clean(text)[:LONGEST], level=level
            )
            self._lines.append(line)
        self._added(line)

    def newest(self) -> tuple[api.LogLine, ...]:
        """The kept lines, oldest first."""
        with self._lock:
            return tuple(self._lines)


class WarningHandler(logging.Handler):
    """A log handler that adds warnings and errors of the program to the lines, without tracebacks."""

    def __init__(self, lines: LogRing) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.add(record.getMessage(), LEVELS.get(record.levelno, "info"))
        except Exception:  # noqa: BLE001 - as in logging: a line that can't be formatted must not raise
            self.handleError(record)
