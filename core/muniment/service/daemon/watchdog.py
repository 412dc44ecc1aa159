"""Whether a service goes on: not that a thread of it runs, but that its schedule and its runs get further."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from muniment.service.daemon.systemd import Heart
from muniment.service.host.run_host import Host

log = logging.getLogger("muniment.service")

GRACE = 60.0
"""Seconds that the host may not be got at, or its schedule may be late, until no sign of life is given."""
STUCK = 7200.0
"""Seconds in which a run must get further. A server may be waited for in several tries, and an index
that lacks millions of messages takes them in before a run ends."""
NAME = "runs"


class Pulse:
    """Feels a host's pulse for the watchdog. Belongs to one thread, that of the service's own loop."""

    def __init__(self, host: Host, heart: Heart, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._heart = heart
        self._monotonic = monotonic
        self._sign: object = None
        self._since = monotonic()
        self._told = False
        heart.expect(NAME, GRACE)

    def feel(self) -> None:
        """Look once, and give the watchdog its sign of life if all is well; call it every second."""
        if self._lively():
            self._heart.expect(NAME, GRACE)
        late = bool(self._heart.overdue())
        if late and not self._told:
            log.error("the runs or their schedule do not go on: the watchdog is told nothing any more")
        self._told = late
        self._heart.beat()

    def _lively(self) -> bool:
        try:
            sign = self._host.sign()
        except TimeoutError:
            return False
        now = self._monotonic()
        if sign is not self._sign:
            self._sign, self._since = sign, now
        return self._host.scheduling and (sign is None or now - self._since < STUCK)
