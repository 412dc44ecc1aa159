"""The last stage: it makes committed messages findable, in its own thread.

It may lag behind and be stopped at any time. The index keeps a watermark, and everything behind it is read
back from the ledger (`archive.operations.indexing`).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from muniment.archive.operations.indexing import IndexFeeder
from muniment.runs.pipeline.archive_batch import CommittedBatch
from muniment.system.memory import give_back

COMMIT_SECONDS = 300.0
"""Longest time, in seconds, that an added message stays out of search results. Small batches are committed at
this age."""
GIVE_BACK_SECONDS = 2.0
"""Seconds between two times at which freed memory is returned to the system, while batches come."""
WAITING = 4
"""Batches that may wait. Beyond these, the archivist waits."""


class Indexer(threading.Thread):
    """Adds committed batches to the index, and commits it by time. The index itself commits by size."""

    def __init__(self, indexing: IndexFeeder) -> None:
        super().__init__(name="index", daemon=True)
        self.indexed = 0
        self.error: Exception | None = None
        self._indexing = indexing
        self._queue: queue.Queue[CommittedBatch | None] = queue.Queue(WAITING)
        self._committed = self._gave_back = time.monotonic()

    def add(self, batch: CommittedBatch) -> None:
        """Queue a committed batch. Waits while WAITING batches are in the queue."""
        while self.error is None and self.is_alive():
            try:
                self._queue.put(batch, timeout=0.2)
                return
            except queue.Full:
                continue

    def finish(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Index all queued batches, commit, and end the thread.

        Args:
            waiting: called several times a second until that is done.

        Raises:
            Exception: the error at which the index failed. The archive itself is not affected.
        """
        while self.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                waiting()
        while self.is_alive():
            self.join(0.2)
            waiting()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        try:
            for _ in self._indexing.catch_up():
                pass
            while (batch := self._queue.get()) is not None:
                self._indexing.add(batch.head, batch.documents, batch.touched)
                self.indexed += len(batch.documents)
                self._commit_if_due()
                self._give_back_if_due()
            self._indexing.commit()
        except Exception as error:  # noqa: BLE001 - `finish` raises it; archiving continues without the index
            self.error = error
        finally:
            self._indexing.close()
            give_back()

    def _give_back_if_due(self) -> None:
        if time.monotonic() - self._gave_back >= GIVE_BACK_SECONDS:
            give_back()
            self._gave_back = time.monotonic()

    def _commit_if_due(self) -> None:
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._indexing.commit()
            self._committed = time.monotonic()
