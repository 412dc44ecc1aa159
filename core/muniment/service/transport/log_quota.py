"""Limits the log lines that one caller can cause, so that failed requests don't fill the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LINES, WITHIN = 30, 60.0
"""One user may cause LINES lines within WITHIN seconds."""


class LogQuota:
    """Counts the log lines that each user causes. For any thread."""

    def __init__(
        self, lines: int = LINES, within: float = WITHIN, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lines = lines
        self._within = within
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._counts: dict[int, int] = {}

    def allows(self, uid: int) -> bool:
        """Count a line of a user; False if it is one too many and must not be logged."""
        with self._lock:
            if self._clock() - self._since >= self._within:
                self._since, self._counts = self._clock(), {}
            self._counts[uid] = self._counts.get(uid, 0) + 1
            return self._counts[uid] <= self._lines
