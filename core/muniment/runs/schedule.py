"""Starts tasks, such as the runs of profiles, at their intervals, one at a time.

Missed starts are not made up for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from muniment.errors import MunimentError

log = logging.getLogger("muniment.schedule")

BACKOFF = 60.0
"""Seconds from the end of a first failed run to the next one, at least. Each further failure doubles it."""
MAX_BACKOFF = 900.0
"""Largest value of this pause, in seconds."""
LOOK = 5.0
"""Longest time, in seconds, between two checks whether the tasks have changed."""
LATE = 12 * LOOK
"""Seconds without a check after which the schedule counts as stuck."""


@dataclass(frozen=True, slots=True)
class ScheduledTask:
    """Work that is due again and again. The run of an archiving profile is one kind of task."""

    name: str
    """Unique among all tasks, such as `profile gateway`. It is part of log lines."""
    every: float
    """Seconds from one start to the next."""
    run: Callable[[], bool | None]
    """Does the work, in the schedule's thread. It failed if it returns False or raises."""
    enabled: bool = True
    """Whether the schedule starts it."""


@dataclass(slots=True)
class _Past:
    """The latest run of a task, in seconds of the monotonic clock."""

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


class RunSchedule:
    """Runs each enabled task every `every` seconds, in one thread, so never two at once.

    Times are counted from start to start on the monotonic clock, so a changed wall clock shifts nothing. If a
    run takes longer than `every`, the next one starts when it ends; further missed runs are dropped. A new
    task is due at once. After a failed run the next one waits at least a minute, after several up to 15
    minutes.
    """

    def __init__(
        self,
        tasks: Callable[[], Iterable[ScheduledTask]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the schedule. It does not run yet.

        Args:
            tasks: gives all tasks. It is called again and again, so that changes count without a restart.
                If it raises, the tasks that it gave last stay.
            monotonic: a clock in seconds that never goes back.
        """
        self._tasks = tasks
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, ScheduledTask] = {}
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
        """Whether the schedule works: it has checked the tasks in time, or a run is under way."""
        return self._running or self._monotonic() - self._looked < LATE

    def wake(self) -> None:
        """Check the tasks now."""
        self._awake.set()

    def next_start(self, name: str) -> float | None:
        """Seconds until a task is due, 0 if it is due now; None for one that the schedule does not run.

        While it runs, the answer is as if its run ended now.
        """
        with self._lock:
            task = self._known.get(name)
            return None if task is None else max(0.0, self._due(task) - self._monotonic())

    def step(self) -> float:
        """Run the task that has been due longest, if one is due.

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
        self._run_now(first)
        return 0.0

    def _work(self) -> None:
        while not self._stopped:
            wait = self.step()
            if wait and not self._stopped:
                self._awake.wait(wait)
                self._awake.clear()

    def _due(self, task: ScheduledTask) -> float:
        """When a task is due. Tasks that never ran come first."""
        past = self._past.get(task.name)
        return past.next_start(task.every) if past else float("-inf")

    def _refresh(self) -> None:
        try:
            tasks = list(self._tasks())
        except Exception as error:  # noqa: BLE001 - a mistake in vault.toml must not end the service's runs
            self._log_unreadable(_described(error))
            return
        self._unreadable = ""
        self._known = {task.name: task for task in tasks if task.enabled}
        names = {task.name for task in tasks}
        self._past = {name: past for name, past in self._past.items() if name in names}

    def _log_unreadable(self, problem: str) -> None:
        """Log once that the profiles can't be read."""
        if problem != self._unreadable:
            log.error("the profiles can't be read, so the previous ones stay in force: %s", problem)
        self._unreadable = problem

    def _run_now(self, task: ScheduledTask) -> None:
        with self._lock:
            now = self._monotonic()
            before = self._past.get(task.name)
            past = self._past[task.name] = _Past(now, now, before.failures if before else 0)
        self._running = True
        failed = _run_failed(task)
        self._looked, self._running = self._monotonic(), False
        with self._lock:
            past.ended = self._monotonic()
            past.failures = past.failures + 1 if failed else 0


def _run_failed(task: ScheduledTask) -> bool:
    try:
        return task.run() is False
    except Exception as error:  # noqa: BLE001 - one task's trouble must not stop the others
        log.error("the run of %s failed: %s", task.name, _described(error))
        return True


def _described(error: Exception) -> str:
    """An error for the log.

    A message that is not ours may contain control characters, so it is given as repr.
    """
    return str(error) if isinstance(error, MunimentError) else repr(error)
