"""A run whose counters are a clock: they show how old a watcher's display is."""

from __future__ import annotations

import dataclasses
import time

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.runs.pipeline.progress import RunProgress
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import summary
from muniment.service.host.jobs import RunJob
from muniment.service.host.run_host import RunHost

TICKS = 10
"""Messages that "arrive" each second."""
TOTAL = 1_000_000


class ClockRun(RunJob):
    """A run of a fixed length that fetches TICKS messages a second.

    It replaces a run, so that nothing changes its speed. It archives nothing, so it only tests how progress
    travels: host, connection, client and display are the real ones.
    """

    def __init__(self, host: RunHost, profile: str, seconds: float) -> None:
        super().__init__(profile, host._watcher())
        self.began = 0.0
        """When the run began, on the monotonic clock."""
        self._length = seconds

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Advance the counters often, then end well."""
        progress = RunProgress(self.profile, stage="fetching", expected=TOTAL, total_known=True)
        self.began = time.monotonic()
        while (passed := time.monotonic() - self.began) < self._length and not self.cancel.is_set():
            _advance(progress, int(passed * TICKS))
            progress.seconds = passed
            self._observe(progress)
            time.sleep(0.02)
        progress.state = "cancelled" if self.cancel.is_set() else "ok"
        self.summary = api.RunSummary(**summary(progress))

    def age(self, arrived: int) -> float:
        """How many seconds ago the run showed this many messages."""
        return time.monotonic() - self.began - (arrived + 1) / TICKS


def _advance(progress: RunProgress, count: int) -> None:
    progress.arrived = progress.decided = progress.stored = progress.indexed = count
    progress.books = dataclasses.replace(
        progress.books, listed=TOTAL, fetched=count, new=count, pending=TOTAL - count
    )
