"""A job that does an act on the vault between two runs, such as an erasure, and reports its stages."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from muniment import api
from muniment.archive.operations.stage_progress import Pause, Stage, StageProgress
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.runs.prepare.worker_pool import WorkerPool

LEAST = 3.0
"""Seconds for which an act goes on before it lets a run go first again: else, many runs could hold it up."""
SELDOM = 1.0
"""Seconds after which the last step is given again if nothing is new."""
WAITING = "waiting until the runs before it have ended"
GIVES_WAY = "waiting until a run has ended"

Stages = Iterator[Stage]
ActOnVault = Callable[[Vault, Callable[[], bool]], Stages]
"""Does the act on a vault that is open for writing. It is given a function that says whether to stop."""


class VaultAct:
    """A job for `RunHost.submit` (see jobs.WriterJob)."""

    repairs_catalog = False

    def __init__(
        self,
        act: ActOnVault,
        step: Callable[[str | StageProgress], api.Step],
        result: Callable[[], api.WireWord],
        run_waits: Callable[[], bool] = lambda: False,
        least: float = LEAST,
    ) -> None:
        """Make the job.

        Args:
            act: does the act, in the host's thread.
            step: makes a reply of a stage, in the thread of `replies`.
            result: makes the last reply, once the act has succeeded.
            run_waits: whether a run waits for the act. It then goes first, at the act's next pause.
            least: seconds for which the act goes on before that.
        """
        self.paused = False
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._act = act
        self._step = step
        self._result = result
        self._run_waits = run_waits
        self._least = least
        self._under_way: Generator[Stage, None, None] | None = None
        self._stages: queue.SimpleQueue[str | StageProgress] = queue.SimpleQueue()

    @property
    def progress_mark(self) -> object:
        """A new object each time, since an act may take any time."""
        return object()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Do the act, or go on with it, until its end or until a run goes first.

        Raises:
            Exception: it failed, or was stopped.
        """
        self.paused, since = False, time.monotonic()
        if self._under_way is None:
            self._under_way = _generator(self._act(vault, self.cancel.is_set))
        for stage in self._under_way:
            if not isinstance(stage, Pause):
                self._stages.put(stage)
            elif self._yields(since):
                self._stages.put(GIVES_WAY)
                self.paused = True
                return

    def _yields(self, since: float) -> bool:
        """Whether a run goes first now."""
        done = time.monotonic() - since >= self._least
        return done and self._run_waits() and not self.cancel.is_set()

    def give_up(self) -> None:
        """End without a start."""
        self.error = VaultError("it was stopped before it began: nothing was changed")

    def replies(self) -> Iterator[api.WireWord]:
        """Yield a step for each stage, at least one every SELDOM seconds, and the result.

        Raises:
            BaseException: it failed.
        """
        last = self._step(WAITING)
        while not self.ended.is_set() or not self._stages.empty():
            with suppress(queue.Empty):
                last = self._step(self._stages.get(timeout=SELDOM))
            yield last
        if self.error is not None:
            raise self.error
        yield self._result()


def _generator(stages: Stages) -> Generator[Stage, None, None]:
    yield from stages
