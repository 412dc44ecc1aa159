"""Waiting between two attempts at a source. A cancelled run stops waiting at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

STEP = 0.2
"""Seconds between two checks whether to wait on."""


class RunCancelled(Exception):
    """The run was cancelled, or its archivist has given up."""


class RunPause:
    """Waits for a number of seconds when called, like time.sleep. For any thread of a run's source."""

    def __init__(self, cancel: threading.Event) -> None:
        """`cancel` is set when the run is cancelled."""
        self._cancel = cancel
        self._given_up = threading.Event()
        self._firm = False

    def __call__(self, seconds: float) -> None:
        """Wait for `seconds`.

        Raises:
            RunCancelled: as `check`, as soon as there is no reason to wait any more.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self._firm or self.given_up:
                self.check()
            time.sleep(min(left, STEP))

    def check(self) -> None:
        """Return if the run continues.

        Raises:
            RunCancelled: the run was cancelled, or its archivist has given up.
        """
        if self.over:
            raise RunCancelled

    @property
    def over(self) -> bool:
        """Whether the run was cancelled or its archivist has given up."""
        return self.cancelled or self.given_up

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled."""
        return self._cancel.is_set()

    @property
    def given_up(self) -> bool:
        """Whether the archivist takes no more mail."""
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Note that the archivist takes no more mail."""
        self._given_up.set()

    @contextmanager
    def firm(self) -> Iterator[None]:
        """Keep waiting inside the block even if the run is cancelled.

        The source must learn what a server has deleted, so that it is recorded.
        """
        self._firm = True
        try:
            yield
        finally:
            self._firm = False
