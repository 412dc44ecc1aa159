"""The place of a vault's index: it is opened once for all threads, and replaced while no thread opens it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from muniment.archive.files.gate import ThreadGate
from muniment.archive.index import Index, IndexState, peek


class IndexPlace:
    """The place of a vault's index. Thread-safe; `close` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._gate = ThreadGate()
        self._index: Index | None = None

    def index(self) -> Index:
        """Return the index in its last committed state. It stays open until `close`.

        Raises:
            VaultError: The index can't be read, or is damaged.
        """
        with self._opening:
            if self._index is None:
                with self.held():
                    self._index = Index.open(self._folder, read_only=True)
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
