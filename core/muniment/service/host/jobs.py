"""The jobs that the host does one at a time: runs of profiles, and retries of quarantined mail.

The host's thread does a job, and any other thread can watch it. A slow watcher does not delay the job, and a
job goes on without watchers.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Protocol

import msgspec

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.client.socket_path import SETTINGS
from muniment.config.model import Settings
from muniment.errors import RunFailed, VaultError
from muniment.runs.pipeline.estimate import RunEstimate
from muniment.runs.pipeline.progress import RunProgress, settled
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.retry import retry
from muniment.runs.run import summary
from muniment.service.host.profile_source import find, plan_for
from muniment.service.host.run_profile import counters, progress_word, run_profile
from muniment.service.host.untested_profiles import release

log = logging.getLogger("muniment.service")

EVERY = 0.25
"""Seconds between two progress replies."""
WAITING = "waiting"
"""The stage of a run that waits for another one to end."""


class WriterJob(Protocol):
    """Something that needs the vault's writer for itself, from the request to the end.

    `work` and `give_up` are called by the host, at most one of them, and at most once unless it
    pauses. `replies` and the attributes are for any thread.
    """

    cancel: threading.Event
    """Set to stop the job. `work` then returns soon, and keeps what is done."""
    ended: threading.Event
    """Set by the host after `work` or `give_up`."""
    error: BaseException | None
    """Why the job failed; None while it runs, and if it succeeded. Set by the host."""
    repairs_catalog: bool
    """Whether it repairs the catalog. The host then does not use the catalog before the job."""
    paused: bool
    """Whether `work` has returned before its end, so that a run goes first. It is then called again."""

    @property
    def progress_mark(self) -> object:
        """An object that is replaced by another one whenever the job makes progress.

        Returns:
            The current object. The watchdog compares it by identity.
        """

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Do the job, in the host's thread.

        Args:
            vault: the vault, open for writing.
            pool: worker processes that prepare mail.
            settings: vault.toml as it is now.

        Raises:
            Exception: the job failed. The host stores it as `error` and rolls the vault back.
        """

    def give_up(self) -> None:
        """End the job before it has begun. Changes nothing, and raises nothing."""

    def replies(self) -> Iterator[api.WireWord]:
        """Watch the job until it has ended.

        Returns:
            Replies for a client: progress, and the result as the last one.

        Raises:
            BaseException: `error`, after the job has failed.
        """


class RunJob:
    """A run of a profile, from the request to its end."""

    repairs_catalog = paused = False

    def __init__(self, profile: str, changed: Callable[[api.ProgressWord], None]) -> None:
        """`changed` is called with the progress of the run, in the host's thread."""
        self.profile = profile
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        waiting = progress_word(RunProgress(profile, stage=WAITING))
        self._observed = (waiting, 0.0)
        """The last progress and its time on the monotonic clock; 0 while the run waits for its turn."""
        self._estimate = RunEstimate()
        self.progress_mark: object = waiting
        self.summary: api.RunSummary | None = None
        self.released = False
        """Whether this run proved an untested profile, so that the service runs it from now on."""
        self._changed = changed

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Run the profile to its end.

        Raises:
            NotFound: the profile was removed in the meantime.
        """
        self._observe(RunProgress(self.profile))
        profile = find(settings, self.profile)
        self.summary = run_profile(vault, profile, pool, self._observe, self.cancel)
        if self.summary.state == "ok":
            self.released = release(vault.folder / SETTINGS, profile) and profile.enabled

    def _observe(self, progress: RunProgress) -> None:
        reply, (before, _) = progress_word(progress), self._observed
        if counters(reply) != counters(before):
            self.progress_mark = reply
        now = time.monotonic()
        self._observed = (reply, now)
        self._estimate.see(now, settled(progress), progress.expected, progress.total_known)
        self._changed(reply)

    @property
    def progress(self) -> api.ProgressWord:
        """The current progress. Its time goes on while the run waits for a server or a worker."""
        observed, at = self._observed
        if not at or observed.stage == "done":
            return observed
        now = time.monotonic()
        outlook = self._estimate.outlook(now)
        return msgspec.structs.replace(
            observed,
            seconds=observed.seconds + now - at,
            percent=outlook.percent,
            rate=outlook.rate,
            left=outlook.left,
        )

    def give_up(self) -> None:
        """End as cancelled, before the run has begun."""
        never = RunProgress(self.profile, stage="done", state="cancelled")
        self.summary = api.RunSummary(**summary(never), exit_code=RunFailed.exit_code)

    def replies(self) -> Iterator[api.WireWord]:
        """Yield progress, and the summary at the end."""
        while not self.ended.wait(EVERY):
            yield self.progress
        yield self.result()

    def result(self) -> api.RunSummary:
        """Wait for the end of the run, and return its summary.

        Raises:
            MunimentError: the run could not begin.
        """
        self.ended.wait()
        if self.error is not None:
            raise self.error
        assert self.summary is not None
        return self.summary


class RetryJob:
    """A retry of quarantined items."""

    repairs_catalog = paused = False

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.tried = self.archived = 0
        self.progress_mark: object = object()
        self._ids = ids
        self._steps: queue.SimpleQueue[api.Step] = queue.SimpleQueue()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Unwrap and archive each item.

        Raises:
            NotFound: an id names no item.
        """
        for item, problem in retry(vault, lambda name: plan_for(settings, name), self._ids, pool):
            self.tried += 1
            self.progress_mark = object()
            self.archived += not problem
            self._steps.put(api.Step(text=f"{item.hex()[:12]}: {problem or 'archived'}", ok=not problem))
            if self.cancel.is_set():
                return

    def give_up(self) -> None:
        """End without a start."""

    def replies(self) -> Iterator[api.WireWord]:
        """Yield a step for each item, and Done."""
        while not self.ended.is_set() or not self._steps.empty():
            with suppress(queue.Empty):
                yield self._steps.get(timeout=EVERY)
        if self.error is not None:
            raise self.error
        yield api.Done(message=self.result_text())

    def result_text(self) -> str:
        """The result as a sentence."""
        return f"{self.archived} of {self.tried} quarantined items archived."


def run_is_next(jobs: Sequence[WriterJob]) -> bool:
    """Whether a run waits directly behind the job in hand, which is the first one."""
    return len(jobs) > 1 and isinstance(jobs[1], RunJob)


def put_back(jobs: deque[WriterJob], job: WriterJob) -> None:
    """Let the runs go first that wait directly behind a job, which is the first one."""
    jobs.remove(job)
    runs = list(takewhile(lambda other: isinstance(other, RunJob), jobs))
    jobs.insert(len(runs), job)


def summary_line(summary: api.RunSummary) -> str:
    """A run in one log line: only counts, nothing of the mail."""
    return (
        f"{summary.profile}: {summary.state}, listed {summary.listed}, new {summary.new}, "
        f"merged {summary.merged}, quarantined {summary.quarantined}, failed {summary.failed}, "
        + (f"passed over {summary.passed_over}, " if summary.passed_over else "")
        + f"deleted {summary.deleted}, {summary.seconds:.1f} s"
        + (f"; {summary.error}" if summary.error else "")
    )


def eventful(summary: api.RunSummary) -> bool:
    """Whether a run is worth a log line: it fetched or deleted something, or was not ok."""
    return summary.state != "ok" or bool(
        summary.fetched or summary.deleted or summary.skipped > summary.passed_over
    )


def roll_back(vault: Vault) -> None:
    """Roll back uncommitted records of a failed job, so that the next commit does not include them."""
    try:
        vault.rollback()
    except VaultError as error:
        log.error("the records of a failed job could not be rolled back: %s", error)
