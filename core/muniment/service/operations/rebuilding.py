"""Answers Rebuild: rebuilds catalog and index, in a service or in a vault that can't be opened for
writing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress

from muniment import api
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.operations.indexing import IndexFeeder, behind, renew_index
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.service.access.roles import AccessRole
from muniment.service.host.carrying_on import carry_on
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Operation

SELDOM = 1.0
"""Seconds after which a reply is sent although nothing is new."""
AT_ONCE = 0.1
"""Seconds that a rebuild without a job before it needs at most until its first reply."""
STOPPED = "the rebuild was stopped before its end: the old data stays; start it again"


class RebuildJob:
    """A rebuild in a service, between two runs. Meanwhile the old catalog and index answer requests.

    It is also its turn: it waits until the jobs before it have ended.
    """

    repairs_catalog = True
    paused = False

    def __init__(self, request: api.Rebuild) -> None:
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.since = 0
        """When it was taken in hand, seconds since 1970 UTC; 0 while it waits."""
        self._request = request
        self._steps: queue.SimpleQueue[api.Step] = queue.SimpleQueue()
        self._result: api.Done | None = None
        self._total = self._read = 0
        """While the catalog is built: records of the ledger, and how many of them have been read."""

    @property
    def progress_mark(self) -> object:
        """A new object each time: a rebuild may take any time, and can't show its progress to the
        watchdog."""
        return object()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Rebuild what the request names.

        Raises:
            OSError, VaultError: it failed, or was stopped.
        """
        self.since = int(time.time())
        if self._request.catalog:
            self._steps.put(CATALOG)
            self._total = vault.ledger.head.tree_size
            for step in damage_steps(vault.renew_catalog(self._stopped)):
                self._steps.put(step)
            self._total = 0
        with closing(indexed(vault, self._request)) as replies:
            for reply in replies:
                if isinstance(reply, api.Done):
                    self._result = reply
                    return
                self._steps.put(reply)
                if self.cancel.is_set():
                    raise VaultError(STOPPED)

    def _stopped(self, head: LedgerHead) -> bool:
        self._read = head.tree_size
        return self.cancel.is_set()

    def give_up(self) -> None:
        """End without a start: nothing is built."""
        self.error = VaultError(STOPPED)

    def replies(self) -> Iterator[api.WireWord]:
        """Yield that it waits, a step for each part, their progress, and Done.

        A rebuild is stopped between two replies, so they come at least every SELDOM seconds: if nothing is
        new, the last step comes again.
        """
        last, patience = WAITING, AT_ONCE
        while not self.ended.is_set() or not self._steps.empty():
            step = self._next_step(patience)
            patience = SELDOM
            if step is not None and step.ok:
                last = step
            yield step or self._catalog_progress() or last
        if self.error is not None:
            raise self.error
        assert self._result is not None
        yield self._result

    def _next_step(self, patience: float) -> api.Step | None:
        with suppress(queue.Empty):
            return self._steps.get(timeout=patience)
        return None

    def _catalog_progress(self) -> api.Step | None:
        """How much of the catalog is built; None while none is built."""
        if not (total := self._total):
            return None
        percent = min(self._read * 100 // total, 99)
        return api.Step(text=f"{percent}% of the ledger is read", percent=percent)


WAITING = api.Step(text="waiting until the runs and rebuilds before it have ended")
CATALOG = api.Step(text="rebuilding the catalog from the ledger")


def damage_steps(damage: list[str]) -> Iterator[api.Step]:
    """A step for each damaged place that the catalog was built without."""
    return (api.Step(text=f"damaged: {what}", ok=False) for what in damage)


def indexed(vault: Vault, request: api.Rebuild) -> Generator[api.Step | api.Done, None, None]:
    """Rebuild the index if the request says so; if not, add what it lacks. Ends with Done."""
    if request.index:
        yield api.Step(text="rebuilding the index from the ledger")
        total = vault.catalog.totals().messages
        yield from (_indexed_step(done, total) for done in renew_index(vault))
    else:
        yield api.Step(text="adding what the index lacks")
        lacking = behind(vault)
        with closing(IndexFeeder(vault)) as indexing:
            yield from (_indexed_step(done, lacking) for done in indexing.catch_up())
    what = " and ".join(name for name, on in (("catalog", request.catalog), ("index", request.index)) if on)
    yield api.Done(message=f"Rebuilt {what}: {vault.catalog.totals().messages} messages.")


def _indexed_step(done: int, total: int) -> api.Step:
    return api.Step(text=f"{done} messages indexed", percent=min(done * 100 // max(total, 1), 100))


def rebuild(session: ClientSession, request: api.Rebuild) -> Iterator[api.WireWord]:
    """Answer Rebuild: build catalog, index or both from the ledger."""
    session.settings()
    if not session.host.in_service:
        return _rebuilt(session, request)
    job = RebuildJob(request)
    return carry_on(session, request, "rebuild", _in_turn(session.host, job), job)


def _in_turn(host: RunHost, job: RebuildJob) -> Generator[api.WireWord, None, None]:
    """Rebuild in a service, after the jobs before it. Closing this stops the rebuild."""
    host.submit(job)
    try:
        yield from job.replies()
    finally:
        host.stop(job)


def _rebuilt(session: ClientSession, request: api.Rebuild) -> Iterator[api.WireWord]:
    """Rebuild without a service, also a vault that can't be opened."""
    if request.catalog:
        yield CATALOG
        yield from damage_steps(rebuild_catalog(session.folder, request.accept_damage))
    with session.writing() as vault:
        yield from indexed(vault, request)


OPERATIONS = (
    Operation(
        api.Rebuild, (api.Step, api.Done), AccessRole.ADMINISTRATOR, rebuild,
        streams=True, audit=AuditRule.STARTED,
    ),
)  # fmt: skip
