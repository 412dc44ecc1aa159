"""For how long each mailbox is left alone by request of the service, and when it is given up.

The limits of Exchange Online go by mailbox, and so does its trouble: what one mailbox costs, no other pays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from muniment.sources import retry
from muniment.sources.graph.answers import PutOff
from muniment.sources.retry import Passing

LONGEST_WAIT = 900.0
"""Seconds that a Retry-After may ask for; the service counts requests over ten minutes."""
OBEYED_FOR = 1800.0
"""Seconds a mailbox is waited for, without an answer from it, where the service says how long to wait."""
PATIENT_FOR = 300.0
"""Seconds where it does not say."""
LONGEST_STEP = 60.0
AT_ONCE = 5
"""How often in a row a service is believed that names no time, or next to none."""
DOOMED = 10
"""Mailboxes given up one after the other before the next ones are not waited for: the service is down."""


class Delayed(Passing):
    """A mailbox is to be left alone for so many seconds yet; whoever asks may do something else meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Microsoft Graph asked to be left alone for a while: run again later.")
        self.seconds = seconds


class Lanes:
    """The state of each mailbox by its address. For several threads."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._obeyed: dict[str, float] = {}
        self._patient: dict[str, float] = {}
        self._lost: dict[str, PutOff] = {}
        self._in_a_row = 0

    def progress(self, lane: str) -> None:
        """A mailbox has answered: all patience is left again."""
        self._in_a_row = 0
        if lane in self._steps:
            with self._lock:
                for state in (self._steps, self._obeyed, self._patient):
                    state.pop(lane, None)

    def put_off(self, lane: str, error: PutOff) -> None:
        """The service wants a mailbox to be left alone. Raises `error` when patience is at its end."""
        with self._lock:
            if self.left(lane) > 0:  # requests that were on their way together are one
                if error.seconds is not None and error.seconds <= LONGEST_WAIT:
                    self._until[lane] = max(self._until[lane], retry.now() + error.seconds)
                return
            step = self._steps[lane] = self._steps.get(lane, 0) + 1
            wait = _growing(step) if error.seconds is None else error.seconds
            if step > AT_ONCE:  # a service that says "at once" again and again
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
        """Wait until a mailbox may be asked, or raise Delayed; for one that was given up, PutOff."""
        if lane in self._lost:
            raise PutOff(str(self._lost[lane]), None)
        left = self.left(lane)
        if left > 0 and not wait:
            raise Delayed(left)
        if left > 0:
            until = self._until.get(lane)
            self._sleep(left)
            with self._lock:
                if self._until.get(lane) == until:
                    self._until.pop(lane, None)

    def await_one(self, lanes: Iterable[str]) -> set[str]:
        """Wait until at least one of some mailboxes may be asked; returns those that may."""
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
        """Seconds for which a mailbox is to be left alone yet; not above 0 for none."""
        return self._until.get(lane, 0.0) - retry.now()


def _growing(step: int) -> float:
    return min(2.0**step, LONGEST_STEP)
