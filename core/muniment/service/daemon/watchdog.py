"""Feeds the systemd watchdog while the schedule works and jobs make progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from muniment.service.daemon.systemd import Watchdog
from muniment.service.host.run_host import RunHost

log = logging.getLogger("muniment.service")

GRACE = 60.0
"""Seconds for which the host may not answer, or its schedule may be late, before the watchdog is not fed."""
STUCK = 7200.0
"""Seconds within which a job must make progress. It is long, since a run may wait for a server several times,
and may index millions of messages at its end."""
NAME = "runs"


class HostPulse:
    """Watches a host for the watchdog. Belongs to one thread: the main loop of the service."""

    def __init__(
        self, host: RunHost, heart: Watchdog, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host
        self._heart = heart
        self._monotonic = monotonic
        self._mark: object = None
        self._since = monotonic()
        self._logged = False
        heart.expect(NAME, GRACE)

    def feel(self) -> None:
        """Check once, and feed the watchdog if all is well. Call this every second."""
        if self._lively():
            self._heart.expect(NAME, GRACE)
        late = bool(self._heart.overdue())
        if late and not self._logged:
            log.error("the runs or their schedule make no progress: the watchdog is no longer fed")
        self._logged = late
        self._heart.beat()

    def _lively(self) -> bool:
        try:
            mark = self._host.progress_mark()
        except TimeoutError:
            return False
        now = self._monotonic()
        if mark is not self._mark:
            self._mark, self._since = mark, now
        return self._host.scheduling and (mark is None or now - self._since < STUCK)
