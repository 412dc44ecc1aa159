"""The newest lines of the log, for those who watch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from muniment import api
from muniment.system.sanitise import clean

KEPT = 200
"""Lines that are kept."""
LONGEST = 500
"""Characters of a line."""
LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "error"}


class Lines:
    """A ring of log lines, harmless and each on one line. For any thread."""

    def __init__(self, told: Callable[[api.LogLine], None]) -> None:
        """`told` is called with each new line, in the thread that adds it."""
        self._told = told
        self._lock = threading.Lock()
        self._number = 0
        self._lines: deque[api.LogLine] = deque(maxlen=KEPT)

    def add(self, text: str, level: str = "info") -> None:
        """Keep a line."""
        with self._lock:
            self._number += 1
            line = api.LogLine(
                number=self._number, time=int(time.time()), text=clean(text)[:LONGEST], level=level
            )
            self._lines.append(line)
        self._told(line)

    def newest(self) -> tuple[api.LogLine, ...]:
        """What is kept, oldest first."""
        with self._lock:
            return tuple(self._lines)


class Warnings(logging.Handler):
    """Takes what the program warns of into the ring as well; never a traceback."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's line."""
        try:
            self._lines.add(record.getMessage(), LEVELS.get(record.levelno, "info"))
        except Exception:  # noqa: BLE001 - as logging does: a line that can't be made stops nothing
            self.handleError(record)
