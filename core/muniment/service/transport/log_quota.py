"""How much of the log one caller may fill: what they get wrong is no reason to push out what others did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LINES, WITHIN = 30, 60.0
"""Lines in so many seconds that one user of the machine may cause."""


class Quota:
    """Counts the lines that each user causes. For any thread."""

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
        """Whether a user may cause one more."""
        with self._lock:
            if self._clock() - self._since >= self._within:
                self._since, self._counts = self._clock(), {}
            self._counts[uid] = self._counts.get(uid, 0) + 1
            return self._counts[uid] <= self._lines
