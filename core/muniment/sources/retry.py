"""Patience: trouble that may pass by itself, and for how long to try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from muniment.errors import SourceError

ATTEMPTS = 5
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
PATIENT_FOR = 3600.0
"""Seconds that a server which says how long to wait is waited for in all, without any progress."""


def now() -> float:
    """Seconds of a clock that never goes back; a test may put another in its place."""
    return time.monotonic()


class Passing(SourceError):
    """Trouble that may be over at the next attempt: a lost connection, a lock, a throttle.

    `wait`: the seconds to wait before it, where the server has said so; 0 where it has not.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Patience:
    """Counts attempts without progress, and waits longer before each: 0.5 s, 1 s, 2 s, 4 s.

    A server that says how long to wait is obeyed, for an hour in all.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
        obeys: float = PATIENT_FOR,
    ) -> None:
        self._sleep = sleep
        self._attempts = attempts
        self._obeys = obeys
        self._failures = 0
        self._obeyed = 0.0

    def progress(self) -> None:
        """Something was achieved: all attempts are left again."""
        self._failures = 0
        self._obeyed = 0.0

    def again(self, error: Passing) -> float:
        """Wait before another attempt, and return for how long; raises `error` when attempts are used up.

        The wait grows exponentially, with up to a quarter of jitter so that many clients part.
        """
        if error.wait:
            self._obeyed += error.wait
            if self._obeyed > self._obeys:
                self._obeyed = 0.0
                raise error
            wait = error.wait
        else:
            self._failures += 1
            if self._failures >= self._attempts:
                self._failures = 0
                raise error
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failures - 1))
        wait *= random.uniform(1.0, 1.25)  # noqa: S311  jitter is no secret
        self._sleep(wait)
        return wait
