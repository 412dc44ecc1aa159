"""Starts the runs of profiles at their intervals, one at a time. Missed runs are not made up for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from muniment.errors import MunimentError

log = logging.getLogger("muniment.schedule")

BACKOFF = 60.0
"""Seconds from the end of a first failed run to the next one, at least. Each further failure doubles it."""
MAX_BACKOFF = 900.0
"""Largest value of this pause, in seconds."""
LOOK = 5.0
"""Longest time, in seconds, between two checks whether the profiles have changed."""
LATE = 12 * LOOK
"""Seconds without a check after which the schedule counts as stuck."""


class Scheduled(Protocol):
    """What the schedule knows of a profile. `config.model.Profile` is one."""

    @property
    def name(self) -> str:
        """The profile's name, which is unique."""

    @property
    def every(self) -> int:
        """Seconds from the start of one run to the start of the next."""

    @property
    def scheduled(self) -> bool:
        """Whether the schedule runs it."""


@dataclass(slots=True)
class _Past:
    """The latest run of a profile, in seconds of the monotonic clock."""

    started: float
    ended: float
    failures: int = 0
    """Failed runs since the last good one."""

    def next_start(self, every: float) -> float:
        """When it is due again."""
        due = max(self.started + every, self.ended)
        if not self.failures:
            return due
        # 2 ** 4 minutes is above MAX_BACKOFF.
        pause = min(BACKOFF * 2.0 ** min(self.failures - 1, 4), MAX_BACKOFF)
        return max(due, self.ended + pause)


class Schedule:
    """Runs each scheduled profile every `every` seconds, in one thread, so never two at once.

    Times are counted from start to start on the monotonic clock, so a changed wall clock shifts nothing. If a
    run takes longer than `every`, the next one starts when it ends; further missed runs are dropped. A new
    profile is due at once. After a failed run the next one waits at least a minute, after several up to 15
    minutes.
    """

    def __init__(
        self,
        profiles: Callable[[], Iterable[Scheduled]],
        run: Callable[[str], bool | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the schedule. It does not run yet.

        Args:
            profiles: gives all profiles. It is called again and again, so that changes count without a
                restart. If it raises, the profiles that it gave last stay.
            run: runs the profile of that name. The run failed if it returns False or raises.
            monotonic: a clock in seconds that never goes back.
        """
        self._profiles = profiles
        self._run = run
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, Scheduled] = {}
        self._past: dict[str, _Past] = {}
        self._unreadable = ""
        self._awake = threading.Event()
        self._stopped = False
        self._looked = monotonic()
        self._running = False
        self._thread = threading.Thread(target=self._work, name="schedule", daemon=True)

    def start(self) -> None:
        """Start the thread. The first runs start at once."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Start no more runs, and wait for the current one to end.

        This does not cancel the current run: a caller that can cancel it does so.

        Args:
            timeout: seconds to wait; None for ever.

        Returns:
            Whether the current run has ended.
        """
        self._stopped = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def lively(self) -> bool:
        """Whether the schedule works: it has checked the profiles in time, or a run is under way."""
        return self._running or self._monotonic() - self._looked < LATE

    def wake(self) -> None:
        """Check the profiles now."""
        self._awake.set()

    def next_start(self, name: str) -> float | None:
        """Seconds until a profile is due, 0 if it is due now; None for one that the schedule does not run.

        While it runs, the answer is as if its run ended now.
        """
        with self._lock:
            profile = self._known.get(name)
            return None if profile is None else max(0.0, self._due(profile) - self._monotonic())

    def step(self) -> float:
        """Run the profile that has been due longest, if one is due.

        Returns:
            Seconds to wait until the next step, at most LOOK.
        """
        self._looked = self._monotonic()
        with self._lock:
            self._refresh()
            first = min(self._known.values(), key=self._due, default=None)
            if first is None:
                return LOOK
            wait = self._due(first) - self._monotonic()
        if wait > 0:
            return min(wait, LOOK)
        self._run_now(first.name)
        return 0.0

    def _work(self) -> None:
        while not self._stopped:
            wait = self.step()
            if wait and not self._stopped:
                self._awake.wait(wait)
                self._awake.clear()

    def _due(self, profile: Scheduled) -> float:
        """When a profile is due. Profiles that never ran come first."""
        past = self._past.get(profile.name)
        return past.next_start(profile.every) if past else float("-inf")

    def _refresh(self) -> None:
        try:
            profiles = list(self._profiles())
        except Exception as error:  # noqa: BLE001 - a mistake in vault.toml must not end the service's runs
            self._log_unreadable(_described(error))
            return
        self._unreadable = ""
        self._known = {profile.name: profile for profile in profiles if profile.scheduled}
        names = {profile.name for profile in profiles}
        self._past = {name: past for name, past in self._past.items() if name in names}

    def _log_unreadable(self, problem: str) -> None:
        """Log once that the profiles can't be read."""
        if problem != self._unreadable:
            log.error("the profiles can't be read, so the previous ones stay in force: %s", problem)
        self._unreadable = problem

    def _run_now(self, name: str) -> None:
        with self._lock:
            now = self._monotonic()
            before = self._past.get(name)
            past = self._past[name] = _Past(now, now, before.failures if before else 0)
        self._running = True
        failed = self._run_failed(name)
        self._looked, self._running = self._monotonic(), False
        with self._lock:
            past.ended = self._monotonic()
            past.failures = past.failures + 1 if failed else 0

    def _run_failed(self, name: str) -> bool:
        try:
            return self._run(name) is False
        except Exception as error:  # noqa: BLE001 - one profile's trouble must not stop the others
            log.error("the run of profile %s failed: %s", name, _described(error))
            return True


def _described(error: Exception) -> str:
    """An error for the log.

    A message that is not ours may contain control characters, so it is given as repr.
    """
    return str(error) if isinstance(error, MunimentError) else repr(error)
