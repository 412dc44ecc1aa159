"""Syncs a folder's entries to disk: one sync serves all callers that wait for it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path


class SyncedFolder:
    """An open folder. Its methods may be called from any thread.

    Raises:
        OSError: the folder can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._counting = threading.Lock()
        self._syncing = threading.Lock()
        self._changed = self._synced = self._lost = 0

    def close(self) -> None:
        """Close the folder. Safe to call twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def sync(self) -> None:
        """Sync what the caller has changed in the folder.

        After a failed sync, its changes count as lost for good: a later sync that succeeds proves nothing
        about them.

        Raises:
            OSError: the change is not on disk.
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
