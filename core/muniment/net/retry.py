"""Errors that can pass by themselves, and how often and after which waits to try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from muniment.errors import SourceError

ATTEMPTS = 5
"""Attempts in a row without progress."""
FIRST_WAIT = 0.5
"""Seconds before the second attempt; each further wait is twice as long."""
LONGEST_WAIT = 60.0
"""Longest wait before an attempt, in seconds."""
PATIENT_FOR = 3600.0
"""Longest total wait without progress, in seconds, for a server that says how long to wait."""


def now() -> float:
    """Seconds of a monotonic clock, which a test can replace."""
    return time.monotonic()


class TransientError(SourceError):
    """An error that can be over at the next attempt: a lost connection, a locked mailbox, throttling.

    `wait` is the number of seconds that the server asked to wait; 0 if it did not say.
    """

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class RetryPolicy:
    """Counts attempts without progress, and waits before each: 0.5 s, 1 s, 2 s, 4 s.

    If a server says how long to wait, that time is waited instead, up to a total.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
        obeys: float = PATIENT_FOR,
        *,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        """Set the limits.

        Args:
            sleep: Waits for a number of seconds.
            attempts: Largest number of attempts without progress.
            obeys: Largest total wait in seconds, for a server that says how long to wait.
            first_wait: Seconds before the second attempt.
        """
        self._sleep = sleep
        self._attempts = attempts
        self._obeys = obeys
        self._first_wait = first_wait
        self._failures = 0
        self._obeyed = 0.0

    def progress(self) -> None:
        """Note that something was achieved: all attempts are available again."""
        self._failures = 0
        self._obeyed = 0.0

    def again(self, error: TransientError) -> float:
        """Wait before another attempt.

        The wait doubles each time. A random part of up to a quarter keeps many clients from calling together.

        Returns:
            The wait in seconds.

        Raises:
            TransientError: `error` itself, if no attempt is left.
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
            wait = min(LONGEST_WAIT, self._first_wait * 2 ** (self._failures - 1))
        wait *= random.uniform(1.0, 1.25)  # noqa: S311  jitter is no secret
        self._sleep(wait)
        return wait
