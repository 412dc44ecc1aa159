"""The turns of verifications and backups: a process does one at a time for a vault.

Two at once would read the same disk against each other, and neither would end sooner.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

LOOK = 1.0
"""Seconds between two replies while a request waits for its turn."""


class ProofTurn:
    """The turn of one verification or backup. Use it as a context manager, and iterate `wait` inside."""

    def __init__(self, folder: Path, what: str) -> None:
        """`what` names the work for others, such as "a backup by ines"."""
        self.what = what
        self.since = 0
        """When the turn came, seconds since 1970 UTC; 0 while it waits."""
        self._queue = _queue(folder)

    def __enter__(self) -> ProofTurn:
        with _changed:
            self._queue.append(self)
        return self

    def wait(self, look: float = LOOK) -> Iterator[str]:
        """Wait until the turn has come; yields a sentence every `look` seconds while it waits."""
        while True:
            with _changed:
                if self._queue[0] is self:
                    self.since = int(time.time())
                    return
                holder = self._queue[0].what
            yield f"waiting until {holder} has ended"
            with _changed:
                _changed.wait_for(lambda: self._queue[0] is self, look)

    def __exit__(self, *error: object) -> None:
        with _changed:
            self._queue.remove(self)
            _changed.notify_all()


def present(folder: Path) -> ProofTurn | None:
    """The turn that a verification or backup of a vault has now; None if nothing is under way."""
    with _changed:
        queue = _queue(folder)
        return queue[0] if queue and queue[0].since else None


_changed = threading.Condition(threading.RLock())
_queues: dict[Path, list[ProofTurn]] = {}


def _queue(folder: Path) -> list[ProofTurn]:
    """The turns of a vault, in their order; the first one is under way."""
    with _changed:
        return _queues.setdefault(folder.resolve(), [])
