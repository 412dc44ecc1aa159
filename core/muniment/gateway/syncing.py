"""A folder whose entries are brought to disk: one sync serves all that wait for it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path


class SyncedFolder:
    """An open folder; its methods may be called from any thread. Raises OSError where it can't be opened."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._counting = threading.Lock()
        self._syncing = threading.Lock()
        self._changed = self._synced = self._lost = 0

    def close(self) -> None:
        """Let go of it; safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def sync(self) -> None:
        """Bring what the caller has changed in it to disk. Raises OSError.

        What a failed sync should have covered is lost for good: a later one that succeeds says
        nothing about it.
        """
        with self._counting:
            self._changed += 1
            ticket = self._changed
        with self._syncing:
            if ticket <= self._lost:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if ticket <= self._synced:
                return
            with self._counting:
                covered = self._changed
            try:
                os.fsync(self._handle)
            except OSError:
                self._lost = covered
                raise
            self._synced = covered
