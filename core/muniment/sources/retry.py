"""Patience: trouble that may pass by itself, and for how long to try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from muniment.errors import SourceError

ATTEMPTS = 5
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0


class Passing(SourceError):
    """Trouble that may be over at the next attempt: a lost connection, a lock, a throttle."""


class Patience:
    """Counts attempts without progress, and waits longer before each: 0.5 s, 1 s, 2 s, 4 s."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._failures = 0

    def progress(self) -> None:
        """Something was achieved: all attempts are left again."""
        self._failures = 0

    def again(self, error: Passing) -> None:
        """Wait before another attempt; raises `error` when attempts are used up.

        The wait grows exponentially, with up to a quarter of jitter so that many clients part.
        """
        self._failures += 1
        if self._failures >= ATTEMPTS:
            self._failures = 0
            raise error
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1))
        self._sleep(wait * random.uniform(1.0, 1.25))  # noqa: S311  jitter is no secret
