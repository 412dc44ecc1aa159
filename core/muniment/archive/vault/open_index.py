"""Where a vault's index is: opened once for all who search, replaced while nobody opens it by name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from muniment.archive.files.gate import Gate
from muniment.archive.index import Index, State, peek


class IndexPlace:
    """The place of a vault's index. For any thread; `close` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._gate = Gate()
        self._index: Index | None = None

    def index(self) -> Index:
        """The index to search in, as it is committed now; kept open until `close`.

        Raises:
            VaultError: it can't be read, or is damaged.
        """
        with self._opening:
            if self._index is None:
                with self.held():
                    self._index = Index.open(self._folder, read_only=True)
                return self._index
            index = self._index
        index.follow()
        return index

    def state(self) -> State:
        """What the index said of itself at its last commit, without opening it.

        Raises:
            VaultError: it can't be read, or is seen to be damaged.
        """
        with self.held():
            return peek(self._folder)

    def held(self) -> AbstractContextManager[None]:
        """While this is held, no other index takes the place of the one that is there."""
        return self._gate.together()

    def swap(self, swap: Callable[[], None]) -> None:
        """Have `swap` put another index in the place of this one, while nobody looks which it is."""
        with self._opening, self._gate.alone():
            if self._index is None:
                swap()
            else:
                self._index.swapped(swap)

    def close(self) -> None:
        """Close the index. Safe to call twice."""
        with self._opening:
            index, self._index = self._index, None
        if index is not None:
            index.close()
