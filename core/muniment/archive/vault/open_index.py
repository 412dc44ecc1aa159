"""Opens a vault's index: for all threads that search, and for the one that writes.

For searching it is opened once, and replaced while no thread opens it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from muniment.archive.files.gate import ThreadGate
from muniment.archive.index import IndexState, SearchIndex
from muniment.archive.index.index import TantivyIndex, peek, put_aside

log = logging.getLogger("muniment.index")


class IndexPlace:
    """The place of a vault's index. Thread-safe; `close` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._gate = ThreadGate()
        self._index: TantivyIndex | None = None

    def index(self) -> SearchIndex:
        """Return the index in its last committed state. It stays open until `close`.

        Raises:
            VaultError: The index can't be read, or is damaged.
        """
        with self._opening:
            if self._index is None:
                with self.held():
                    self._index = TantivyIndex.open(self._folder, read_only=True)
                return self._index
            index = self._index
        index.follow()
        return index

    def state(self) -> IndexState:
        """Read the state of the index without opening it.

        Raises:
            VaultError: The index can't be read, or is damaged.
        """
        with self.held():
            return peek(self._folder)

    def held(self) -> AbstractContextManager[None]:
        """Keep the index from being replaced while this is held."""
        return self._gate.together()

    def swap(self, swap: Callable[[], None]) -> None:
        """Call `swap`, which puts another index in this place, while no other thread uses the folder."""
        with self._opening, self._gate.alone():
            if self._index is None:
                swap()
            else:
                self._index.replace_by(swap)

    def close(self) -> None:
        """Close the index. It may be called twice."""
        with self._opening:
            index, self._index = self._index, None
        if index is not None:
            index.close()


def open_for_writing(folder: Path, fits: Callable[[SearchIndex], bool]) -> SearchIndex:
    """Open an index for writing, or make a new one.

    An index that is unusable, or that does not fit, is renamed, and an empty one replaces it.

    Args:
        folder: The index's folder; it is made if it does not exist.
        fits: Returns whether an index belongs to the vault's ledger.

    Raises:
        VaultError: The index can't be written.
        VaultLocked: Another process is writing it.
    """
    index = TantivyIndex.open(folder)
    if index.set_aside is not None:
        log.warning(
            "the index is rebuilt (%s); the old one was renamed to %s", index.why_set_aside, index.set_aside
        )
    if fits(index):
        return index
    index.close()
    log.warning(
        "the index belongs to another ledger, or to another state of it: it was renamed to %s",
        put_aside(folder),
    )
    return TantivyIndex.open(folder)
