"""The last stage: what was committed is made findable, in a thread of its own.

It may lag behind and be stopped at any time: the index keeps a watermark, and whatever it lacks is
read back from the ledger (archive.operations.indexing).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from muniment.archive.operations.indexing import Indexing
from muniment.runs.pipeline.archivist import Committed
from muniment.system.memory import give_back

COMMIT_SECONDS = 300.0
"""Seconds after which what was added is made findable, be it ever so little."""
GIVE_BACK_SECONDS = 2.0
"""Seconds between two times that freed memory is given back, while batches come."""
WAITING = 4
"""Batches that may wait; then the archivist waits."""


class Indexer(threading.Thread):
    """Adds committed batches to the index, and commits it by time; by size it does so itself."""

    def __init__(self, indexing: Indexing) -> None:
        super().__init__(name="index", daemon=True)
        self.indexed = 0
        self.error: Exception | None = None
        self._indexing = indexing
        self._queue: queue.Queue[Committed | None] = queue.Queue(WAITING)
        self._committed = self._gave_back = time.monotonic()

    def add(self, batch: Committed) -> None:
        """Hand over a committed batch; waits while too many do."""
        while self.error is None and self.is_alive():
            try:
                self._queue.put(batch, timeout=0.2)
                return
            except queue.Full:
                continue

    def finish(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Index what was handed over, commit, and end the thread; `waiting` is called until that is done.

        Raises:
            Exception: whatever the index failed at; the archive itself is not touched by it.
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
        """Thread body."""
        try:
            for _ in self._indexing.catch_up():
                pass
            while (batch := self._queue.get()) is not None:
                self._indexing.add(batch.head, batch.documents, batch.touched)
                self.indexed += len(batch.documents)
                self._commit_if_due()
                self._give_back_if_due()
            self._indexing.commit()
        except Exception as error:  # noqa: BLE001 - told to whoever waits; the archive goes on without
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
