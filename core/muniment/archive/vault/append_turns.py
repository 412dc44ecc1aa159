"""Whose turn it is to append to the ledger: a run's batch, or one change between two batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from muniment.errors import VaultError

PATIENCE = 30.0
"""Seconds to wait for the batch in hand to be committed."""


class Turns:
    """Orders the threads that append. A batch is open from its first record to its commit or rollback."""

    def __init__(self) -> None:
        self._turn = threading.Condition(threading.RLock())
        self._open = False
        self._guests = 0
        """How many wait for the batch in hand to be committed: no batch begins before they had their turn."""
        self._alone = False
        """Whether one of them has it."""

    def held(self) -> AbstractContextManager[object]:
        """Keep all other threads from appending and committing. May be nested."""
        return self._turn

    @property
    def open(self) -> bool:
        """Whether a batch is open; for the thread that holds the turn."""
        return self._open

    def await_guests(self) -> None:
        """Wait for those who want their turn between two batches, where none is open."""
        if self._guests and not self._open and not self._alone:
            self._turn.wait_for(lambda: not self._guests, PATIENCE)

    def begin(self) -> None:
        """Open a batch unless one is open."""
        self._open = True

    def end(self) -> None:
        """The batch was committed or given up."""
        self._open = False
        self._turn.notify_all()

    @contextmanager
    def between_batches(self, give_up: Callable[[], None]) -> Iterator[None]:
        """Hold the turn while no batch is open. `give_up` is called where a batch is left open in the end.

        Raises:
            VaultError: another thread does not come to the end of its batch.
        """
        with self._turn:
            self._guests += 1
            try:
                free = self._turn.wait_for(lambda: not self._open, PATIENCE)
            finally:
                self._guests -= 1
                self._turn.notify_all()
            if not free:
                raise VaultError("a run holds the ledger, so nothing was changed: try again")
            self._alone = True
            try:
                yield
            finally:
                self._alone = False
                if self._open:  # what failed must not be committed with the next batch
                    give_up()
