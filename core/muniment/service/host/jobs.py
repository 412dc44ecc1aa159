"""What the host works off, one at a time: runs of profiles, and retries of quarantined mail.

A job is worked off in the host's thread, and watched from any other: whoever watches slowly holds
nothing up, and a job whose watchers have gone goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import msgspec

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.client.socket_path import SETTINGS
from muniment.config.model import Settings
from muniment.errors import RunFailed
from muniment.runs.pipeline.estimate import Estimate
from muniment.runs.pipeline.progress import Progress, settled
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.retry import retry
from muniment.runs.run import summary
from muniment.service.host.profile_source import find, plan_for
from muniment.service.host.run_profile import counters, progress_word, run_profile
from muniment.service.host.untested_profiles import release

EVERY = 0.25
"""Seconds between two words of progress."""
WAITING = "waiting"
"""The stage of a run that has not begun, since another is going on."""


class Job(Protocol):
    """Something that needs the vault's writer for itself."""

    cancel: threading.Event
    ended: threading.Event
    error: BaseException | None
    """Why it could not be worked off at all."""
    mends: bool
    """Whether it mends the catalog, so that it must not need one."""

    @property
    def sign(self) -> object:
        """Another object whenever it has got further."""

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Do it, in the host's thread."""

    def give_up(self) -> None:
        """It is not begun at all."""

    def words(self) -> Iterator[api.Word]:
        """What a watcher is told until it has ended. Raises `error`."""


class RunJob:
    """A run of a profile, from when it is asked for."""

    mends = False

    def __init__(self, profile: str, changed: Callable[[api.ProgressWord], None]) -> None:
        """`changed` is called whenever it has come further, in the host's thread."""
        self.profile = profile
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        waiting = progress_word(Progress(profile, stage=WAITING))
        self._observed = (waiting, 0.0)
        """What the run last said, and when, on the monotonic clock; 0 while it waits for its turn."""
        self._estimate = Estimate()
        self.sign: object = waiting
        self.summary: api.RunSummary | None = None
        self.released = False
        """Whether it was held back until a run of it succeeded, and runs by itself now."""
        self._changed = changed

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Run the profile to its end.

        Raises:
            NotFound: it was removed since.
        """
        self._observe(Progress(self.profile))
        profile = find(settings, self.profile)
        self.summary = run_profile(vault, profile, pool, self._observe, self.cancel)
        if self.summary.state == "ok":
            self.released = release(vault.folder / SETTINGS, profile) and profile.enabled

    def _observe(self, progress: Progress) -> None:
        word, (before, _) = progress_word(progress), self._observed
        if counters(word) != counters(before):
            self.sign = word
        now = time.monotonic()
        self._observed = (word, now)
        self._estimate.see(now, settled(progress), progress.expected, progress.total_known)
        self._changed(word)

    @property
    def progress(self) -> api.ProgressWord:
        """How far it is now. The clock goes on while the run waits, for a server or a worker."""
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
        """It ends cancelled before it has begun, and changes nothing."""
        never = Progress(self.profile, stage="done", state="cancelled")
        self.summary = api.RunSummary(**summary(never), exit_code=RunFailed.exit_code)

    def words(self) -> Iterator[api.Word]:
        """Progress, and the summary at the end."""
        while not self.ended.wait(EVERY):
            yield self.progress
        yield self.result()

    def result(self) -> api.RunSummary:
        """Its summary, once it has ended.

        Raises:
            MunimentError: it could not be begun.
        """
        self.ended.wait()
        if self.error is not None:
            raise self.error
        assert self.summary is not None
        return self.summary


class RetryJob:
    """Another try at quarantined items."""

    mends = False

    def __init__(self, ids: tuple[str, ...]) -> None:
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.tried = self.archived = 0
        self.sign: object = object()
        self._ids = ids
        self._steps: queue.SimpleQueue[api.Step] = queue.SimpleQueue()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Try each item.

        Raises:
            NotFound: an id names no item.
        """
        for item, problem in retry(vault, lambda name: plan_for(settings, name), self._ids, pool):
            self.tried += 1
            self.sign = object()
            self.archived += not problem
            self._steps.put(api.Step(text=f"{item.hex()[:12]}: {problem or 'archived'}", ok=not problem))
            if self.cancel.is_set():
                return

    def give_up(self) -> None:
        """Nothing is tried."""

    def words(self) -> Iterator[api.Word]:
        """A step each item, and Done."""
        while not self.ended.is_set() or not self._steps.empty():
            with suppress(queue.Empty):
                yield self._steps.get(timeout=EVERY)
        if self.error is not None:
            raise self.error
        yield api.Done(message=self.told())

    def told(self) -> str:
        """How it went, in a sentence."""
        return f"{self.archived} of {self.tried} quarantined items archived."
