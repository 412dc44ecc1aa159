"""The gateway's spool. A message is in `new/` only once it is complete and on disk.

By then, `delivered/` has on disk who delivered it, and its SMTP envelope, in a file of the same name with
`.json` appended. If such a note has no message in `new/`, the message was never acknowledged.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from muniment.errors import VaultError
from muniment.gateway.syncing import SyncedFolder
from muniment.system.atomic_files import sync_folder

SYNCS = 16
"""Messages that are synced to disk at the same time."""


class Spool:
    """Three folders: `tmp/` for arriving messages, `new/` for acknowledged ones, `delivered/` for notes.

    Its methods may be called from any thread. One gateway owns a spool; a run empties `new/` by unlinking.
    """

    def __init__(self, folder: Path) -> None:
        self.tmp = folder / "tmp"
        self.new = folder / "new"
        self.delivered = folder / "delivered"
        self._folder = folder
        self._counter = itertools.count(1)
        self.arrivals: SyncedFolder | None = None
        self.notes: SyncedFolder | None = None
        self._beside: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Make the folders, and remove incomplete messages of an earlier gateway.

        Raises:
            VaultError: the spool can't be written.
        """
        try:
            for folder in (self._folder, self.tmp, self.new, self.delivered):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self.tmp.iterdir():
                left.unlink()
            for left in self.delivered.iterdir():
                if not (self.new / left.name.removesuffix(".json")).exists():
                    left.unlink(missing_ok=True)  # a run may remove notes at the same time
            sync_folder(self._folder)
            self._beside = ThreadPoolExecutor(SYNCS, thread_name_prefix="gateway-spool-notes")
            self.notes = SyncedFolder(self.delivered)
            self.arrivals = SyncedFolder(self.new)
        except OSError as error:
            self.close()
            raise VaultError(
                f"the gateway's spool {self._folder} can't be written ({error.strerror}): "
                "give this user a folder it may write to"
            ) from error

    def close(self) -> None:
        """Close the folders. Safe to call twice."""
        if self._beside is not None:
            self._beside.shutdown(wait=True)
            self._beside = None
        for folder in (self.notes, self.arrivals):
            if folder is not None:
                folder.close()

    def begin(self) -> IncomingMessage:
        """Begin a new message. Nothing is on disk yet."""
        # Names sort by arrival, and none is ever used twice.
        name = f"{time.time_ns()}.{os.getpid()}.{next(self._counter)}.{secrets.token_hex(4)}.eml"
        return IncomingMessage(self, name)

    def publish(self, name: str) -> None:
        """Move a synced file from `tmp/` to `new/`, and sync the folder.

        Raises:
            OSError: it could not be moved or synced.
        """
        (self.tmp / name).rename(self.new / name)
        if self.arrivals is not None:
            self.arrivals.sync()

    def withdraw(self, name: str) -> None:
        """Remove a file that was not acknowledged from `new/`, if it is there."""
        (self.new / name).unlink(missing_ok=True)

    def beside(self, work: Callable[[], None]) -> Future[None]:
        """Do something in another thread while the caller continues."""
        assert self._beside is not None, "the spool is open"
        return self._beside.submit(work)


class IncomingMessage:
    """One message on its way into the spool.

    `add` keeps bytes in memory until `flush`. `commit` or `discard` ends it. `flush`, `commit` and `discard`
    use the disk, exclude one another, and may come from different threads.
    """

    def __init__(self, spool: Spool, name: str) -> None:
        self.name = name
        self.size = 0
        """Bytes so far."""
        self.held = 0
        """Bytes in memory."""
        self.delivery: dict[str, str] = {}
        """Who delivers it (`senders.DeliveringClient.facts`)."""
        self.envelope: dict[str, Any] = {}
        """Its SMTP envelope (`envelope.facts`)."""
        self._spool = spool
        self._blocks: list[bytes] = []
        self._file = -1
        self._ended = False
        self._lock = threading.Lock()

    def add(self, block: bytes) -> None:
        """Add more bytes of the message, in memory."""
        self._blocks.append(block)
        self.held += len(block)
        self.size += len(block)

    def flush(self) -> None:
        """Write the bytes in memory to the message's file.

        Raises:
            OSError: they could not be written. The message is discarded.
        """
        with self._lock:
            try:
                self._flush()
            except OSError:
                self._remove()
                raise

    def commit(self) -> None:
        """Put the whole message into `new/`. Returns when it is on disk.

        Its note is written first, so that a run that finds the message finds the note. Both are synced at the
        same time.

        Raises:
            OSError: it could not be stored. The message is discarded.
        """
        with self._lock:
            noted: Future[None] | None = None
            try:
                self._flush()
                noted = self._note_delivery()
                os.fsync(self._file)
                self._close()
                self._spool.publish(self.name)
                if noted is not None:
                    noted.result()
                self._ended = True
            except OSError:
                if noted is not None:
                    noted.exception()  # it has ended, too
                self._spool.withdraw(self.name)
                self._remove()
                raise

    def discard(self) -> None:
        """Remove the message, unless it is committed already."""
        with self._lock:
            if not self._ended:
                self._remove()

    def _flush(self) -> None:
        if self._ended:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        if self._file < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.open(self._spool.tmp / self.name, flags, 0o600)
        blocks, self._blocks, self.held = self._blocks, [], 0
        data = memoryview(b"".join(blocks))
        while data:
            data = data[os.write(self._file, data) :]

    def _note_delivery(self) -> Future[None] | None:
        """Write what is known besides the message's bytes. The result is done when that is on disk."""
        note = {**self.delivery, "envelope": self.envelope} if self.envelope else self.delivery
        if not note:
            return None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(self._spool.delivered / f"{self.name}.json", flags, 0o600)
        file = os.fdopen(handle, "w", encoding="utf-8")
        try:
            json.dump(note, file, ensure_ascii=False)
            file.flush()
        except OSError:
            file.close()
            raise

        def sync() -> None:
            with file:
                os.fsync(file.fileno())
            if self._spool.notes is not None:
                self._spool.notes.sync()

        return self._spool.beside(sync)

    def _remove(self) -> None:
        self._ended = True
        self._blocks = []
        self._close()
        (self._spool.tmp / self.name).unlink(missing_ok=True)
        (self._spool.delivered / f"{self.name}.json").unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file >= 0:
            handle, self._file = self._file, -1
            os.close(handle)
