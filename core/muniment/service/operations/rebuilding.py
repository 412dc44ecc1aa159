"""Building catalog and index anew: in a vault that a service has open, or in one that nobody can open."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing

from muniment import api
from muniment.archive.ledger.model import Head
from muniment.archive.operations.indexing import Indexing, renew_index
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.service.access.roles import Role
from muniment.service.host.session import Session
from muniment.service.operations.operation import Operation

SELDOM = 1.0
"""Seconds between two words on how far a catalog is."""
STOPPED = "the rebuild was stopped before its end: what was there stays; start it again"


class RebuildJob:
    """A rebuild between two runs of a service; what is there goes on answering meanwhile."""

    mends = True

    def __init__(self, request: api.Rebuild) -> None:
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._request = request
        self._words: queue.SimpleQueue[api.Word] = queue.SimpleQueue()
        self._total = self._read = 0
        """Records of the ledger, while the catalog is built, and how many of them it has."""

    @property
    def sign(self) -> object:
        """Always another: it takes as long as it takes, and says nothing while the catalog is built."""
        return object()

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Do it. Raises OSError or VaultError where it can't be done, or was stopped."""
        if self._request.catalog:
            self._words.put(CATALOG)
            self._total = vault.ledger.head.tree_size
            for step in told(vault.renew_catalog(self._stopped)):
                self._words.put(step)
            self._total = 0
        with closing(indexed(vault, self._request)) as words:
            for word in words:
                self._words.put(word)
                if self.cancel.is_set() and not isinstance(word, api.Done):
                    raise VaultError(STOPPED)

    def _stopped(self, head: Head) -> bool:
        self._read = head.tree_size
        return self.cancel.is_set()

    def give_up(self) -> None:
        """Nothing is built."""
        self.error = VaultError(STOPPED)

    def words(self) -> Iterator[api.Word]:
        """A step each part, how far the catalog is now and then, and Done.

        A watcher who has left is noticed at a word, so none may be long in coming.
        """
        while not self.ended.is_set() or not self._words.empty():
            try:
                yield self._words.get(timeout=SELDOM)
            except queue.Empty:
                if total := self._total:
                    yield api.Step(text=f"{min(self._read * 100 // total, 99)}% of the ledger is read")
        if self.error is not None:
            raise self.error


CATALOG = api.Step(text="building the catalog anew from the ledger")


def told(damage: list[str]) -> Iterator[api.Step]:
    """What the catalog was built without."""
    return (api.Step(text=f"damaged: {what}", ok=False) for what in damage)


def indexed(vault: Vault, request: api.Rebuild) -> Generator[api.Word, None, None]:
    """Build the index anew where that is asked for, else what it lacks; ends with Done."""
    if request.index:
        yield api.Step(text="building the index anew from the ledger")
        yield from (api.Step(text=f"{done} messages indexed") for done in renew_index(vault))
    else:
        with closing(Indexing(vault)) as indexing:
            yield from (api.Step(text=f"{done} messages indexed") for done in indexing.catch_up())
    what = " and ".join(name for name, on in (("catalog", request.catalog), ("index", request.index)) if on)
    yield api.Done(message=f"Rebuilt {what}: {vault.catalog.totals().messages} messages.")


def rebuild(session: Session, request: api.Rebuild) -> Iterator[api.Word]:
    """Build the projections anew from nothing but the ledger."""
    session.settings()
    if session.host.lasting:
        job = RebuildJob(request)
        session.host.take_on(job)
        try:
            yield from job.words()
        finally:
            session.host.stop(job)
        return
    if request.catalog:
        yield CATALOG
        yield from told(rebuild_catalog(session.folder, request.accept_damage))
    with session.writing() as vault:
        yield from indexed(vault, request)


OPERATIONS = (Operation(api.Rebuild, (api.Step, api.Done), Role.ADMINISTRATOR, rebuild, streams=True),)
