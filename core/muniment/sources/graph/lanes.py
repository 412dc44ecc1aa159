"""How long to wait for each mailbox when the service asks for it, and when to give it up.

Exchange Online limits requests for each mailbox by itself, so a wait for one does not delay the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from muniment.net import retry
from muniment.net.retry import TransientError
from muniment.sources.graph.answers import RetryLater

LONGEST_WAIT = 900.0
"""Longest accepted Retry-After, in seconds; the service counts requests over ten minutes."""
OBEYED_FOR = 1800.0
"""Longest total wait for a mailbox without an answer, in seconds, if the service says how long to wait."""
PATIENT_FOR = 300.0
"""The same if it does not say."""
LONGEST_STEP = 60.0
"""Longest single wait of our own choice, in seconds."""
AT_ONCE = 5
"""Number of requests to wait in a row after which waits grow, even if the service names short ones."""
DOOMED = 10
"""Number of mailboxes given up in a row after which no other is waited for, since the service is down."""


class MailboxDelayed(TransientError):
    """The service asks to wait `seconds` more for a mailbox; the caller can do something else meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Microsoft Graph asks to wait: run again later.")
        self.seconds = seconds


class MailboxLanes:
    """The waits for each mailbox, by its address. Several threads can use it."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._obeyed: dict[str, float] = {}
        self._patient: dict[str, float] = {}
        self._lost: dict[str, RetryLater] = {}
        self._in_a_row = 0

    def progress(self, lane: str) -> None:
        """Note that a mailbox has answered: its total wait starts again from zero."""
        self._in_a_row = 0
        if lane in self._steps:
            with self._lock:
                for state in (self._steps, self._obeyed, self._patient):
                    state.pop(lane, None)

    def put_off(self, lane: str, error: RetryLater) -> None:
        """Note that the service asks to wait for a mailbox.

        Raises:
            RetryLater: `error` itself, if the total wait gets too long.
        """
        with self._lock:
            if self.left(lane) > 0:  # requests that were on their way at the same time count as one
                if error.seconds is not None and error.seconds <= LONGEST_WAIT:
                    self._until[lane] = max(self._until[lane], retry.now() + error.seconds)
                return
            step = self._steps[lane] = self._steps.get(lane, 0) + 1
            wait = _growing(step) if error.seconds is None else error.seconds
            if step > AT_ONCE:  # the service keeps asking for very short waits
                wait = max(wait, _growing(step - AT_ONCE))
            spent, most = (
                (self._patient, PATIENT_FOR) if error.seconds is None else (self._obeyed, OBEYED_FOR)
            )
            spent[lane] = spent.get(lane, 0.0) + wait
            if wait > LONGEST_WAIT or spent[lane] > most or self._in_a_row >= DOOMED:
                self._in_a_row += 1
                self._lost[lane] = error
                raise error
            self._until[lane] = retry.now() + wait

    def enter(self, lane: str, *, wait: bool) -> None:
        """Wait until a mailbox can be asked.

        Args:
            lane: The mailbox's address.
            wait: Whether to wait.

        Raises:
            MailboxDelayed: It can't be asked yet, and `wait` is False.
            RetryLater: It was given up.
        """
        if lane in self._lost:
            raise RetryLater(str(self._lost[lane]), None)
        left = self.left(lane)
        if left > 0 and not wait:
            raise MailboxDelayed(left)
        if left > 0:
            until = self._until.get(lane)
            self._sleep(left)
            with self._lock:
                if self._until.get(lane) == until:
                    self._until.pop(lane, None)

    def await_one(self, lanes: Iterable[str]) -> set[str]:
        """Wait until at least one of these mailboxes can be asked; returns those that can."""
        left = {lane: self.left(lane) for lane in lanes}
        shortest = min(left.values())
        if shortest > 0:
            self._sleep(shortest)
        found = {lane for lane, seconds in left.items() if seconds <= shortest}
        with self._lock:
            for lane in found:
                self._until.pop(lane, None)
        return found

    def left(self, lane: str) -> float:
        """Seconds to wait for a mailbox; 0 or less if it can be asked now."""
        return self._until.get(lane, 0.0) - retry.now()


def _growing(step: int) -> float:
    return min(2.0**step, LONGEST_STEP)
