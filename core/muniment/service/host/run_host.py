"""The host of runs: all runs of a process go through it, one at a time, whoever asks for them.

A vault has one writer, and a run fills its batches, so runs wait for each other in the order in which
they were asked for; a run of a profile that runs or waits already is not a second one: whoever asks
for it watches the one that there is. In a service, runs go on when nobody watches them any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.config.model import Profile, Settings
from muniment.errors import NotFound, VaultError
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.schedule import Schedule, Task
from muniment.service.host.jobs import Job, RetryJob, RunJob
from muniment.service.host.last_run import last_run
from muniment.service.host.log_ring import Lines, Warnings
from muniment.service.host.milestones import Milestones
from muniment.service.host.session import Session, apply_settings
from muniment.system.memory import tidy_up
from muniment.system.priority import go_behind

log = logging.getLogger("muniment.service")

OFTEN = 0.5
"""Seconds between two states that a watcher is told, at least."""
SELDOM = 1.0
"""Seconds after which the state is told again, changed or not: so that whoever sends it finds out that
nobody reads, and a change by hand in vault.toml is seen."""
LOOK = 5.0
"""Seconds for which what the catalog says of past runs is believed, unless a run of this process ends."""


class Observer:
    """Is told what happens to runs, in the thread in which it happens: to be quick, and raise nothing."""

    def started(self, profile: str) -> None:
        """A run has begun."""

    def ended(self, summary: api.RunSummary) -> None:
        """A run has ended, in whatever state."""

    def logged(self, line: api.LogLine) -> None:
        """A line was added to the log."""


class Host:
    """Runs and their schedule. For any thread; `close` it."""

    def __init__(
        self,
        session: Session,
        settings: Callable[[], Settings] | None = None,
        say: Callable[[str], None] | None = None,
        *,
        lasting: bool,
    ) -> None:
        """`lasting`: whether this is a service, in which runs go on when nobody watches them, and
        which holds the vault all the time; else the vault is opened while there is something to run.

        `settings` gives vault.toml as it is now; `say` is told what is worth a line on standard output.
        """
        self.lasting = lasting
        self._session = session
        self._settings = settings or session.settings
        self._say = say or (lambda line: None)
        self._changed = threading.Condition()
        self._version = 0
        self._jobs: deque[Job] = deque()
        """Those that are worked off or wait; the first is in hand once the runner has taken it."""
        self._in_hand: Job | None = None
        self._runner: threading.Thread | None = None
        self._schedule: Schedule | None = None
        self._closed = False
        self._ends = 0
        """How many jobs have ended."""
        self._lasts: tuple[float, dict[str, dict[str, Any] | None]] | None = None
        self._quarantined: tuple[float, int] | None = None
        """When these were asked for, on the monotonic clock, and what they were."""
        self._observers: list[Observer] = []
        self.lines = Lines(self._logged)
        self._warnings = Warnings(self.lines)
        if lasting:
            logging.getLogger("muniment").addHandler(self._warnings)

    # --- asking -------------------------------------------------------------------------------------

    def run(self, profile: str) -> tuple[RunJob, bool]:
        """The run of a profile that runs or waits, else a new one; and whether it is new.

        Raises:
            VaultError: the service is stopping.
        """
        with self._changed:
            for job in self._jobs:
                if isinstance(job, RunJob) and job.profile == profile and not job.cancel.is_set():
                    return job, False
            job = RunJob(profile, self._watcher())
            self._take_on(job)
            return job, True

    def _watcher(self) -> Callable[[api.ProgressWord], None]:
        """What a run says how far it is to."""
        milestones = Milestones(self.lines.add)

        def see(word: api.ProgressWord) -> None:
            milestones.see(word)
            self._touch()

        return see

    def retry(self, ids: tuple[str, ...]) -> RetryJob:
        """Try quarantined items again, when it is their turn.

        Raises:
            VaultError: the service is stopping.
        """
        with self._changed:
            job = RetryJob(ids)
            self._take_on(job)
            return job

    def cancel(self, profile: str = "") -> list[str]:
        """Stop the runs of a profile, or all; returns the profiles whose runs stop.

        One in hand stops after the messages in hand, one that waits has ended at once.
        """
        with self._changed:
            runs = [job for job in self._jobs if isinstance(job, RunJob) and profile in ("", job.profile)]
            for job in runs:
                self.stop(job)
            return [job.profile for job in runs]

    def stop(self, job: Job) -> None:
        """Stop one, as `cancel` does; nothing where it has ended."""
        with self._changed:
            job.cancel.set()
            if job in self._jobs and job is not self._in_hand:
                self._jobs.remove(job)
                job.give_up()
                self._end(job)

    def take_on(self, job: Job) -> None:
        """Work off a job when it is its turn.

        Raises:
            VaultError: the service is stopping.
        """
        with self._changed:
            self._take_on(job)

    def _take_on(self, job: Job) -> None:
        if self._closed:
            raise VaultError("the service is stopping: start it again, and repeat this")
        self._jobs.append(job)
        if self._runner is None:
            self._runner = threading.Thread(target=self._work, args=(self._ending,), name="runs", daemon=True)
            self._runner.start()
        self._touch()

    # --- working ------------------------------------------------------------------------------------

    _ending: threading.Thread | None = None
    """A runner that has no more to do and closes the vault."""

    def _work(self, before: threading.Thread | None) -> None:
        """The runner's thread: work off what there is; in a service, until it is closed."""
        if before is not None:
            before.join()
        go_behind()
        try:
            self._settings()  # says where there is no vault
            # The workers start while the vault is opened.
            with closing(WorkerPool()) as pool, self._session.owning() as vault:
                while (job := self._next()) is not None:
                    try:
                        if not job.mends:
                            apply_settings(vault, self._settings)
                        self._begin(job)
                        job.work(vault, pool, self._settings())
                    except BaseException as error:  # noqa: BLE001 - told to those who watch
                        job.error = error
                        _give_up(vault)
                    self._done(job)
                    tidy_up()
        except BaseException as error:  # noqa: BLE001 - the vault can't be opened: told to all who wait
            self._fail(error)

    def _next(self) -> Job | None:
        with self._changed:
            while self.lasting and not self._jobs and not self._closed:
                self._changed.wait()
            if not self._jobs:
                self._ending, self._runner = self._runner, None
                return None
            self._in_hand = self._jobs[0]
            return self._in_hand

    def _begin(self, job: Job) -> None:
        if isinstance(job, RunJob):
            self._tell_all(lambda observer: observer.started(job.profile))

    def _done(self, job: Job) -> None:
        with self._changed:
            self._jobs.popleft()
            self._in_hand = None
            self._ends += 1
            self._lasts = self._quarantined = None
        self._report(job)
        self._end(job)

    def _report(self, job: Job) -> None:
        """Say how a job went, where that is worth a line."""
        if isinstance(job, RunJob) and job.summary is not None:
            summary = job.summary
            if job.released:
                self.tell(f"{job.profile}: its run went well, so it runs by itself from now on")
            self._tell_all(lambda observer: observer.ended(summary))
            if eventful(summary):
                self.tell(summary_line(summary), "error" if summary.state == "failed" else "info")
        elif isinstance(job, RetryJob) and job.error is None:
            self.tell(job.told())

    def _end(self, job: Job) -> None:
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

    def rest(self) -> None:
        """Wait until the vault is let go of, where it is not held all the time and nothing is left to do."""
        with self._changed:
            threads = [thread for thread in (self._ending, self._runner) if thread is not None]
        if not self.lasting:
            for thread in threads:
                thread.join()

    # --- telling ------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Tell `observer` what happens from now on."""
        self._observers.append(observer)

    def tell(self, text: str, level: str = "info") -> None:
        """A line for the log, and for standard output."""
        self.lines.add(text, level)
        self._say(text)

    def _logged(self, line: api.LogLine) -> None:
        self._touch()
        self._tell_all(lambda observer: observer.logged(line))

    def _tell_all(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:
                log.debug("an observer of runs failed", exc_info=True)

    def _touch(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    # --- watching -----------------------------------------------------------------------------------

    def watch(self) -> Iterator[api.RunsState]:
        """The state at once, then when it changes; ends when the host is closed.

        Raises:
            MunimentError: vault.toml or the vault can't be read.
        """
        while not self._closed:
            seen, then = self._version, time.monotonic()
            yield self.state()
            with self._changed:
                if self._version == seen:
                    self._changed.wait(SELDOM)
                self._changed.wait_for(lambda: self._closed, OFTEN - (time.monotonic() - then))

    def running(self) -> frozenset[str]:
        """The profiles whose runs go on or wait."""
        with self._changed:
            return frozenset(job.profile for job in self._jobs if isinstance(job, RunJob))

    def state(self) -> api.RunsState:
        """How things stand.

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
                if ends == self._ends:  # else a run has ended meanwhile, and this may lack it
                    self._lasts = lasts
        return lasts[1]

    def _count_quarantined(self) -> int:
        with self._changed:
            found, ends, now = self._quarantined, self._ends, time.monotonic()
        if found is None or now - found[0] > SELDOM:
            with self._session.reading() as vault:
                found = (now, vault.catalog.totals().quarantined)
            with self._changed:
                if ends == self._ends:
                    self._quarantined = found
        return found[1]

    def _next_start(self, profile: str) -> int:
        """When a profile runs next; in whole seconds, and rounded so that it stays what it is."""
        wait = self._schedule.next_start(_task_name(profile)) if self._schedule is not None else None
        return 0 if wait is None else round(time.time() + wait)

    # --- the schedule, and the end --------------------------------------------------------------------

    def schedule(self, profiles: Callable[[], Iterable[Profile]]) -> None:
        """Run profiles by themselves from now on."""
        self._schedule = Schedule(lambda: map(self._task, profiles()))
        self._schedule.start()

    def _task(self, profile: Profile) -> Task:
        return Task(
            name=_task_name(profile.name),
            every=profile.every,
            run=lambda: self._run_scheduled(profile.name),
            enabled=profile.scheduled,
        )

    def _run_scheduled(self, profile: str) -> bool:
        """Run a profile to its end. Returns whether it went well."""
        if self._closed:
            return True
        job, _ = self.run(profile)
        try:
            return job.result().state != "failed"
        except NotFound:
            return True  # it was removed a moment ago, or vault.toml is being written

    def sign(self) -> object:
        """Something that is another object whenever the job in hand has got further; None while none is.

        Raises:
            TimeoutError: nobody can get at the host: one of its threads hangs.
        """
        if not self._changed.acquire(timeout=SELDOM):
            raise TimeoutError
        try:
            job = self._in_hand or next(iter(self._jobs), None)
            return None if job is None else job.sign
        finally:
            self._changed.release()

    @property
    def scheduling(self) -> bool:
        """Whether the schedule goes on, as far as there is one."""
        return self._schedule is None or self._schedule.lively

    @property
    def closed(self) -> bool:
        """Whether its end has begun."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether something is worked off or waits."""
        return bool(self._jobs)

    def close(self) -> None:
        """Stop all after the messages in hand, and wait for that. Safe to call twice."""
        if self._schedule is not None:
            self._schedule.stop(0)
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                self.stop(job)
        self._touch()
        if self._schedule is not None:
            self._schedule.stop()
        for thread in (self._ending, self._runner):
            if thread is not None:
                thread.join()
        logging.getLogger("muniment").removeHandler(self._warnings)


def _give_up(vault: Vault) -> None:
    """Roll back what a job that failed has left uncommitted: the next commit would make it count."""
    try:
        vault.rollback()
    except VaultError as error:
        log.error("what a job left could not be rolled back: %s", error)


class Shared:
    """The hosts of a process without a service: one a vault, however many sessions work with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[Path, tuple[Host, int]] = {}

    def take(self, folder: Path) -> Host:
        """The host of a vault, until it is given back."""
        with self._lock:
            host, users = self._hosts.get(folder) or (Host(Session(folder), lasting=False), 0)
            self._hosts[folder] = (host, users + 1)
            return host

    def give_back(self, folder: Path) -> None:
        """It is no longer needed; closed when nobody needs it."""
        with self._lock:
            host, users = self._hosts[folder]
            if users > 1:
                self._hosts[folder] = (host, users - 1)
                return
            del self._hosts[folder]
        host.close()


shared = Shared()


def summary_line(summary: api.RunSummary) -> str:
    """A run in one log line: counts alone, nothing of the mail."""
    return (
        f"{summary.profile}: {summary.state}, listed {summary.listed}, new {summary.new}, "
        f"merged {summary.merged}, quarantined {summary.quarantined}, failed {summary.failed}, "
        + (f"passed over {summary.passed_over}, " if summary.passed_over else "")
        + f"deleted {summary.deleted}, {summary.seconds:.1f} s"
        + (f"; {summary.error}" if summary.error else "")
    )


def eventful(summary: api.RunSummary) -> bool:
    """Whether a run is worth a line: it brought or deleted something, or did not go well."""
    return summary.state != "ok" or bool(
        summary.fetched or summary.deleted or summary.skipped > summary.passed_over
    )


def _task_name(profile: str) -> str:
    """What the schedule calls the runs of a profile."""
    return f"profile {profile}"
