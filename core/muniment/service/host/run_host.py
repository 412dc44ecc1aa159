"""The host of runs: does all jobs of a process, one at a time.

A vault has one writer, and a run fills its batches, so jobs wait for each other in the order of the requests.
A request for a run of a profile whose run is under way or waiting starts no second one, and watches that run.
In a service, runs go on without watchers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from muniment import api
from muniment.archive.erasure.erase import finish_interrupted
from muniment.archive.vault.vault import Vault
from muniment.config.model import Profile, Settings
from muniment.errors import NotFound, VaultError
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.schedule import RunSchedule, ScheduledTask
from muniment.service.host.jobs import (
    RetryJob,
    RunJob,
    WriterJob,
    eventful,
    put_back,
    roll_back,
    run_is_next,
    summary_line,
)
from muniment.service.host.last_run import last_run
from muniment.service.host.log_ring import LogRing, WarningHandler
from muniment.service.host.milestones import RunMilestones
from muniment.service.host.session import ClientSession, apply_settings
from muniment.service.host.works import NO_THREAD, WorkRegister
from muniment.system.memory import tidy_up
from muniment.system.priority import go_behind

log = logging.getLogger("muniment.service")

OFTEN = 0.5
"""Shortest time between two states for a watcher, in seconds."""
SELDOM = 1.0
"""Seconds after which a state is sent again without a change. So the sender notices a client that has gone,
and the client sees a change that was made by hand in vault.toml."""
LOOK = 5.0
"""Seconds for which past runs from the catalog are cached. The end of a job in this process ends this
sooner."""


class RunObserver:
    """Base class of observers of runs.

    The methods are called in the thread of the event, so they must be quick. An exception is logged and
    ignored.
    """

    def started(self, profile: str) -> None:
        """A run has begun."""

    def ended(self, summary: api.RunSummary) -> None:
        """A run has ended, in any state."""

    def logged(self, line: api.LogLine) -> None:
        """A line was added to the log."""


class RunHost:
    """Does jobs, and has the schedule of runs. For any thread. Close it after use."""

    def __init__(
        self,
        session: ClientSession,
        settings: Callable[[], Settings] | None = None,
        say: Callable[[str], None] | None = None,
        *,
        in_service: bool,
        often: float = OFTEN,
        seldom: float = SELDOM,
    ) -> None:
        """Make a host.

        Args:
            session: opens the vault.
            settings: gives the current settings; by default those of the session.
            say: is called with lines for standard output; by default they are dropped.
            in_service: whether the process is a service. Then runs go on without watchers, and the vault
                stays open. If not, the vault is open only while there are jobs.
            often: shortest time between two states for a watcher, in seconds.
            seldom: seconds after which a state is sent again without a change.
        """
        self.in_service = in_service
        self._often = often
        self._seldom = seldom
        self._session = session
        self._settings = settings or session.settings
        self._say = say or (lambda line: None)
        self._changed = threading.Condition()
        self._version = 0
        self._jobs: deque[WriterJob] = deque()
        """The jobs that are under way or waiting. The first one is in hand once the runner has taken it."""
        self._in_hand: WriterJob | None = None
        self._runner: threading.Thread | None = None
        self._schedule: RunSchedule | None = None
        self._closed = False
        self._ends = 0
        """Number of jobs that have ended."""
        self._lasts: tuple[float, dict[str, dict[str, Any] | None]] | None = None
        self._quarantined: tuple[float, int] | None = None
        """The last two: cached values from the catalog, with the time of the query on the monotonic clock."""
        self._observers: list[RunObserver] = []
        self.lines = LogRing(self._logged)
        self.works = WorkRegister(self.announce)
        """What a service does besides jobs."""
        self._warnings = WarningHandler(self.lines)
        if in_service:
            logging.getLogger("muniment").addHandler(self._warnings)

    # --- requests -----------------------------------------------------------------------------------

    def run(self, profile: str) -> tuple[RunJob, bool]:
        """The run of a profile that is under way or waiting, or a new one; and whether it is new.

        Raises:
            VaultError: the service is stopping, or the system allows no more threads.
        """
        with self._changed:
            for job in self._jobs:
                if isinstance(job, RunJob) and job.profile == profile and not job.cancel.is_set():
                    return job, False
            job = RunJob(profile, self._watcher())
            self._submit(job)
            return job, True

    def _watcher(self) -> Callable[[api.ProgressWord], None]:
        """The function that takes the progress of a run."""
        milestones = RunMilestones(self.lines.add)

        def see(progress: api.ProgressWord) -> None:
            milestones.see(progress)
            self._touch()

        return see

    def retry(self, ids: tuple[str, ...]) -> RetryJob:
        """Queue a retry of quarantined items.

        Raises:
            VaultError: the service is stopping.
        """
        with self._changed:
            job = RetryJob(ids)
            self._submit(job)
            return job

    def cancel(self, profile: str = "") -> list[str]:
        """Stop the runs of a profile, or all runs ("").

        A run under way stops after the messages in hand. A waiting run ends at once.

        Returns:
            The names of the profiles whose runs stop.
        """
        with self._changed:
            runs = [job for job in self._jobs if isinstance(job, RunJob) and profile in ("", job.profile)]
            for job in runs:
                self.stop(job)
            return [job.profile for job in runs]

    def stop(self, job: WriterJob) -> None:
        """Stop a job, as `cancel` does. Does nothing if it has ended."""
        with self._changed:
            job.cancel.set()
            if job in self._jobs and job is not self._in_hand and not job.paused:
                self._jobs.remove(job)
                job.give_up()
                self._end(job)

    def submit(self, job: WriterJob) -> None:
        """Queue a job. It raises what `run` raises."""
        with self._changed:
            self._submit(job)

    def _submit(self, job: WriterJob) -> None:
        if self._closed:
            raise VaultError("the service is stopping: start it again, and repeat this")
        if self._runner is None:
            runner = threading.Thread(target=self._work, args=(self._ending,), name="runs", daemon=True)
            try:
                runner.start()  # before the job is kept: `close` joins only what has begun
            except RuntimeError as error:
                raise VaultError(NO_THREAD) from error
            self._runner = runner
        self._jobs.append(job)
        self._touch()

    # --- working ------------------------------------------------------------------------------------

    _ending: threading.Thread | None = None
    """A runner that has done all jobs and is closing the vault."""

    def _work(self, before: threading.Thread | None) -> None:
        """The runner's thread: do the jobs; in a service, until the host is closed."""
        if before is not None:
            before.join()
        go_behind()
        try:
            self._settings()  # raises if there is no vault
            with closing(WorkerPool()) as pool, self._session.owning() as vault:  # workers start meanwhile
                while (job := self._next()) is not None:
                    try:
                        if not job.repairs_catalog:
                            apply_settings(vault, self._settings)
                            self._finish_interrupted(vault)
                        self._begin(job)
                        job.work(vault, pool, self._settings())
                    except BaseException as error:  # noqa: BLE001 - raised for the watchers
                        job.error = error
                        roll_back(vault)
                    if job.paused:
                        self._put_back(job)
                    else:
                        self._done(job)
                    tidy_up()
        except BaseException as error:  # noqa: BLE001 - the vault can't be opened: raised for all watchers
            self._fail(error)

    def _next(self) -> WriterJob | None:
        with self._changed:
            while self.in_service and not self._jobs and not self._closed:
                self._changed.wait()
            if not self._jobs:
                self._ending, self._runner = self._runner, None
                return None
            self._in_hand = self._jobs[0]
            return self._in_hand

    def _finish_interrupted(self, vault: Vault) -> None:
        """Finish an interrupted erasure. One that has only let a run go first does that itself."""
        if not any(job.paused for job in self._jobs):
            finish_interrupted(vault)

    def run_waits(self) -> bool:
        """Whether the next job is a run, which waits for the one in hand."""
        with self._changed:
            return run_is_next(self._jobs)

    def _put_back(self, job: WriterJob) -> None:
        with self._changed:
            put_back(self._jobs, job)
            self._in_hand = None
        self._touch()

    def _begin(self, job: WriterJob) -> None:
        if isinstance(job, RunJob):
            self._notify(lambda observer: observer.started(job.profile))

    def _done(self, job: WriterJob) -> None:
        with self._changed:
            self._jobs.popleft()
            self._in_hand = None
            self._ends += 1
            self._lasts = self._quarantined = None
        self._report(job)
        self._end(job)

    def _report(self, job: WriterJob) -> None:
        """Notify the observers of a job's end, and log it if it is worth a line."""
        if isinstance(job, RunJob) and job.summary is not None:
            summary = job.summary
            if job.released:
                self.announce(f"{job.profile}: the run succeeded, so the service runs it from now on")
            self._notify(lambda observer: observer.ended(summary))
            if eventful(summary):
                self.announce(summary_line(summary), "error" if summary.state == "failed" else "info")
        elif isinstance(job, RetryJob) and job.error is None:
            self.announce(job.result_text())

    def _end(self, job: WriterJob) -> None:
        job.ended.set()
        self._touch()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            jobs = list(self._jobs)
            self._jobs.clear()
            self._ending, self._runner, self._in_hand = self._runner, None, None
        for job in jobs:
            job.error = error
            self._end(job)

    def wait_released(self) -> None:
        """Without a service, wait until all jobs are done and the vault is closed."""
        with self._changed:
            threads = [thread for thread in (self._ending, self._runner) if thread is not None]
        if not self.in_service:
            for thread in threads:
                thread.join()

    # --- observers and log --------------------------------------------------------------------------

    def observe(self, observer: RunObserver) -> None:
        """Call `observer` for each event from now on."""
        self._observers.append(observer)

    def announce(self, text: str, level: str = "info") -> None:
        """Add a line to the log of clients, and write it to standard output; `level` as in LogRing.add.

        Its callers are threads that must go on when no one reads standard output any more.
        """
        self.lines.add(text, level)
        try:
            self._say(text)
        except Exception as error:  # noqa: BLE001 - a closed pipe, a full disk
            log.warning("a line could not be written to standard output (%s)", type(error).__name__)

    def _logged(self, line: api.LogLine) -> None:
        self._touch()
        self._notify(lambda observer: observer.logged(line))

    def _notify(self, call: Callable[[RunObserver], None]) -> None:
        for observer in self._observers:
            try:
                call(observer)
            except Exception:
                log.debug("an observer of runs failed", exc_info=True)

    def _touch(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    # --- watching -----------------------------------------------------------------------------------

    def watch(self) -> Iterator[api.RunsState]:
        """Yield the state now, after each change, and every `seldom` seconds; ends when the host is closed.

        Raises:
            MunimentError: vault.toml or the vault can't be read.
        """
        while not self._closed:
            seen, then = self._version, time.monotonic()
            yield self.state()
            with self._changed:
                if self._version == seen:
                    self._changed.wait(self._seldom)
                self._changed.wait_for(lambda: self._closed, self._often - (time.monotonic() - then))

    def running(self) -> frozenset[str]:
        """The profiles whose runs are under way or waiting."""
        with self._changed:
            return frozenset(job.profile for job in self._jobs if isinstance(job, RunJob))

    def state(self) -> api.RunsState:
        """The current state of all profiles and runs.

        Raises:
            MunimentError: vault.toml or the vault can't be read.
        """
        profiles = self._settings().profiles
        with self._changed:
            running = {job.profile: job.progress for job in self._jobs if isinstance(job, RunJob)}
        lasts = self._last_runs({profile.name for profile in profiles})
        return api.RunsState(
            profiles=tuple(
                api.ProfileState(
                    name=profile.name,
                    source=profile.source,
                    enabled=profile.enabled,
                    every=profile.every,
                    next_start=0 if profile.name in running else self._next_start(profile.name),
                    running=running.get(profile.name),
                    last=lasts.get(profile.name),
                    tested=not profile.untested,
                )
                for profile in profiles
            ),
            log=self.lines.newest(),
            quarantined=self._count_quarantined(),
        )

    def _last_runs(self, names: set[str]) -> dict[str, dict[str, Any] | None]:
        with self._changed:
            lasts, ends, now = self._lasts, self._ends, time.monotonic()
        if lasts is None or now - lasts[0] > LOOK or names - lasts[1].keys():
            with self._session.reading() as vault:
                lasts = (now, {name: last_run(vault, name) for name in names})
            with self._changed:
                if ends == self._ends:  # a run that has ended meanwhile may be missing
                    self._lasts = lasts
        return lasts[1]

    def _count_quarantined(self) -> int:
        with self._changed:
            found, ends, now = self._quarantined, self._ends, time.monotonic()
        if found is None or now - found[0] > self._seldom:
            with self._session.reading() as vault:
                found = (now, vault.catalog.totals().quarantined)
            with self._changed:
                if ends == self._ends:
                    self._quarantined = found
        return found[1]

    def next_starts(self) -> dict[str, int]:
        """When each scheduled profile runs next, seconds since 1970 UTC; those under way are left out."""
        running = self.running()
        names = (profile.name for profile in self._settings().profiles if profile.name not in running)
        return {name: start for name in names if (start := self._next_start(name))}

    def _next_start(self, profile: str) -> int:
        """When a profile runs next, seconds since 1970 UTC, rounded; 0 if it is not scheduled."""
        wait = self._schedule.next_start(_task_name(profile)) if self._schedule is not None else None
        return 0 if wait is None else round(time.time() + wait)

    # --- the schedule, and the end ------------------------------------------------------------------

    def schedule(
        self, profiles: Callable[[], Iterable[Profile]], others: Callable[[], Iterable[ScheduledTask]] = tuple
    ) -> None:
        """Start the schedule; `profiles` and `others` give, at each look, what it runs."""
        self._schedule = RunSchedule(lambda: [*map(self._task, profiles()), *others()])
        self._schedule.start()

    def _task(self, profile: Profile) -> ScheduledTask:
        return ScheduledTask(
            name=_task_name(profile.name),
            every=profile.every,
            run=lambda: self._run_scheduled(profile.name),
            enabled=profile.scheduled,
        )

    def _run_scheduled(self, profile: str) -> bool:
        """Run a profile to its end; returns whether it succeeded."""
        if self._closed:
            return True
        job, _ = self.run(profile)
        try:
            return job.result().state != "failed"
        except NotFound:
            return True  # the profile was just removed, or vault.toml is being written

    def progress_mark(self) -> object:
        """The progress mark of the first job (see WriterJob.progress_mark); None if there is no job.

        Raises:
            TimeoutError: a thread that hangs holds the host's lock.
        """
        if not self._changed.acquire(timeout=self._seldom):
            raise TimeoutError
        try:
            job = self._in_hand or next(iter(self._jobs), None)
            return None if job is None else job.progress_mark
        finally:
            self._changed.release()

    @property
    def scheduling(self) -> bool:
        """Whether the schedule works, or there is none."""
        return self._schedule is None or self._schedule.lively

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether a job or another work is under way or waiting."""
        return bool(self._jobs or self.works.present())

    def close(self) -> None:
        """Stop all jobs after the messages in hand, and all works; wait for their end. Safe to call twice."""
        if self._schedule is not None:
            self._schedule.stop(0)
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                self.stop(job)
        self._touch()
        try:
            self.works.close()
            if self._schedule is not None:
                self._schedule.stop()
        finally:  # the vault may be closed only after the runner
            for thread in (self._ending, self._runner):
                if thread is not None:
                    thread.join()
            logging.getLogger("muniment").removeHandler(self._warnings)


def _task_name(profile: str) -> str:
    """The name of a profile's task in the schedule."""
    return f"profile {profile}"
