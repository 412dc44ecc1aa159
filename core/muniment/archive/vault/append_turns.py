"""Turns for the threads that append to the ledger: a run's batch, or one change between two batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from muniment.errors import VaultError

PATIENCE = 30.0
"""How long to wait for the current batch to be committed, in seconds."""


class AppendTurns:
    """Orders the threads that append. A batch is open from its first record to its commit or rollback.

    Threads that want a turn between two batches are called guests.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition(threading.RLock())
        self._open = False
        self._guests = 0
        """Number of guests that wait. No batch begins before they have had their turn."""
        self._alone = False
        """Whether a guest has its turn."""

    def held(self) -> AbstractContextManager[object]:
        """Keep all other threads from appending and committing. It may be nested."""
        return self._turn

    @property
    def open(self) -> bool:
        """Whether a batch is open. Ask this only while the turn is held."""
        return self._open

    def await_guests(self) -> None:
        """Wait for guests if no batch is open."""
        if self._guests and not self._open and not self._alone:
            self._turn.wait_for(lambda: not self._guests, PATIENCE)

    def begin(self) -> None:
        """Open a batch, unless one is open already."""
        self._open = True

    def end(self) -> None:
        """Close the batch, after it was committed or rolled back."""
        self._open = False
        self._turn.notify_all()

    @contextmanager
    def between_batches(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Hold the turn between two batches.

        Args:
            give_up: Called at the end if a batch is still open then.

        Raises:
            VaultError: Another thread did not end its batch within PATIENCE seconds.
        """
        with self._turn:
            self._guests += 1
            try:
                free = self._turn.wait_for(lambda: not self._open, PATIENCE)
            finally:
                self._guests -= 1
                self._turn.notify_all()
            if not free:
                raise VaultError("a run is writing to the ledger, so nothing was changed: try again")
            self._alone = True
            try:
                yield
            finally:
                self._alone = False
                if self._open:  # a batch that failed must not be committed with the next one
                    give_up()
