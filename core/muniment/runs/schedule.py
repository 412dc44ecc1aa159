"""When profiles run by themselves: every so often, one at a time, missed times not made up for."""

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
"""Seconds from the end of a first failed run to the next at least; doubled with each more."""
MAX_BACKOFF = 900.0
LOOK = 5.0
"""Seconds between two looks at whether the profiles have changed, at most."""
LATE = 12 * LOOK
"""Seconds without a look after which something is wrong with the schedule."""


class Scheduled(Protocol):
    """What the schedule has to know of a profile; `config.model.Profile` is one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def every(self) -> int:
        """Seconds from the start of one run to the start of the next."""

    @property
    def scheduled(self) -> bool:
        """Whether it runs by itself."""


@dataclass(slots=True)
class _Past:
    """What happened to a profile so far, in seconds of the monotonic clock."""

    started: float
    ended: float
    failures: int = 0
    """Failed runs since the last good one."""

    def next_start(self, every: float) -> float:
        """When it is due again."""
        due = max(self.started + every, self.ended)
        if not self.failures:
            return due
        # 2 ** 4 minutes is above the most there is.
        pause = min(BACKOFF * 2.0 ** min(self.failures - 1, 4), MAX_BACKOFF)
        return max(due, self.ended + pause)


class Schedule:
    """Runs each scheduled profile every `every` seconds, in one thread, so never two at once.

    Times are counted from start to start on the monotonic clock: a changed wall clock shifts nothing. A
    run that takes longer than `every` is followed by the next when it ends; those missed meanwhile are
    dropped. A profile new to the schedule is due at once. After a failed run the next waits at least a
    minute, after more of them up to 15.
    """

    def __init__(
        self,
        profiles: Callable[[], Iterable[Scheduled]],
        run: Callable[[str], bool | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`profiles` is asked again and again, so that changes count without a restart; where it raises,
        the profiles it gave last stay. A run failed when `run` returns False or raises.
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
        """Begin; the first runs start at once."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Start no more runs; returns whether the last has ended within `timeout` seconds.

        A run under way is not cut short by this: whoever can cancel it does so.
        """
        self._stopped = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def lively(self) -> bool:
        """Whether it has looked at the profiles when it should have, or waits for a run to end."""
        return self._running or self._monotonic() - self._looked < LATE

    def wake(self) -> None:
        """Look at the profiles now."""
        self._awake.set()

    def next_start(self, name: str) -> float | None:
        """Seconds until a profile is due, 0 when it is; None for one that does not run by itself.

        While it runs, this is as if its run ended now.
        """
        with self._lock:
            profile = self._known.get(name)
            return None if profile is None else max(0.0, self._due(profile) - self._monotonic())

    def step(self) -> float:
        """Run what has been due longest, if any is due; returns the seconds to wait, at most LOOK."""
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
        """When a profile is due; those that never ran come first."""
        past = self._past.get(profile.name)
        return past.next_start(profile.every) if past else float("-inf")

    def _refresh(self) -> None:
        try:
            profiles = list(self._profiles())
        except Exception as error:  # noqa: BLE001 - a slip in vault.toml must not end the service's runs
            self._complain(_told(error))
            return
        self._unreadable = ""
        self._known = {profile.name: profile for profile in profiles if profile.scheduled}
        names = {profile.name for profile in profiles}
        self._past = {name: past for name, past in self._past.items() if name in names}

    def _complain(self, problem: str) -> None:
        """Say once that profiles can't be read."""
        if problem != self._unreadable:
            log.error("the profiles can't be read, so the last ones stay: %s", problem)
        self._unreadable = problem

    def _run_now(self, name: str) -> None:
        with self._lock:
            now = self._monotonic()
            before = self._past.get(name)
            past = self._past[name] = _Past(now, now, before.failures if before else 0)
        self._running = True
        failed = self._fails(name)
        self._looked, self._running = self._monotonic(), False
        with self._lock:
            past.ended = self._monotonic()
            past.failures = past.failures + 1 if failed else 0

    def _fails(self, name: str) -> bool:
        try:
            return self._run(name) is False
        except Exception as error:  # noqa: BLE001 - one profile's trouble must not stop the others
            log.error("the run of profile %s failed: %s", name, _told(error))
            return True


def _told(error: Exception) -> str:
    """An error for the log; what is no sentence of ours may hold control characters, so repr."""
    return str(error) if isinstance(error, MunimentError) else repr(error)
