"""The gateway's spool: a message is in `new/` when it is whole and on disk, and not before.

Who delivered it, and its SMTP envelope, are in `delivered/` and on disk by then, under the same name with
`.json` behind it. A note whose message is not in `new/` was never acknowledged.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from muniment.errors import VaultError


class Spool:
    """Three folders: `tmp/` for messages being received, `new/` for those that were acknowledged, and
    `delivered/` for what is known of who delivered them.

    Its methods may be called from any thread. One gateway owns a spool; whoever empties `new/` does it
    by unlinking.
    """

    def __init__(self, folder: Path) -> None:
        self.tmp = folder / "tmp"
        self.new = folder / "new"
        self.delivered = folder / "delivered"
        self._folder = folder
        self._counter = itertools.count(1)
        self._handles: list[int] = []
        self._counting = threading.Lock()
        self._syncing = threading.Lock()
        self._renamed = self._synced = self._lost = 0

    def open(self) -> None:
        """Make the folders, and remove what an earlier gateway left half received.

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
                    left.unlink(missing_ok=True)  # a run removes notes at the same time
            _sync_folder(self._folder)
            for folder in (self.delivered, self.new):
                self._handles.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            raise VaultError(
                f"the gateway's spool {self._folder} can't be written ({error.strerror}): "
                "give this user a folder it may write to"
            ) from error

    def close(self) -> None:
        """Let go of the folders; safe to call twice."""
        while self._handles:
            os.close(self._handles.pop())

    def begin(self) -> Incoming:
        """A new message; nothing is on disk yet."""
        # Names sort by arrival, and none ever comes again.
        name = f"{time.time_ns()}.{os.getpid()}.{next(self._counter)}.{secrets.token_hex(4)}.eml"
        return Incoming(self, name)

    def publish(self, name: str) -> None:
        """Move a synced file from `tmp/` to `new/`, for good, its note with it.

        Raises OSError, and it is not there then.
        """
        final = self.new / name
        (self.tmp / name).rename(final)
        try:
            self._sync()
        except OSError:
            final.unlink(missing_ok=True)
            raise

    def _sync(self) -> None:
        """Sync both folders so that the caller's rename and note are on disk; one sync serves all that wait.

        What a failed sync should have covered is lost for good: a later one that succeeds says
        nothing about it.
        """
        with self._counting:
            self._renamed += 1
            ticket = self._renamed
        with self._syncing:
            if ticket <= self._lost:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if ticket <= self._synced:
                return
            with self._counting:
                covered = self._renamed
            try:
                for handle in self._handles:
                    os.fsync(handle)
            except OSError:
                self._lost = covered
                raise
            self._synced = covered


class Incoming:
    """One message on its way into the spool.

    `add` keeps bytes in memory until `flush`; `commit` or `discard` ends it. `flush`, `commit` and
    `discard` touch the disk, wait for one another, and may come from different threads.
    """

    def __init__(self, spool: Spool, name: str) -> None:
        self.name = name
        self.size = 0
        """Bytes so far."""
        self.held = 0
        """Bytes in memory."""
        self.delivery: dict[str, str] = {}
        """Who delivers it, by name of fact."""
        self.envelope: dict[str, Any] = {}
        """Its SMTP envelope (see gateway.envelope)."""
        self._spool = spool
        self._blocks: list[bytes] = []
        self._file = -1
        self._ended = False
        self._lock = threading.Lock()

    def add(self, block: bytes) -> None:
        """More of the message."""
        self._blocks.append(block)
        self.held += len(block)
        self.size += len(block)

    def flush(self) -> None:
        """Write what is in memory. Raises OSError: the message is nowhere then."""
        with self._lock:
            try:
                self._flush()
            except OSError:
                self._remove()
                raise

    def commit(self) -> None:
        """Put the whole message into `new/`; returns when it is on disk. Raises OSError: it is nowhere."""
        with self._lock:
            try:
                self._flush()
                os.fsync(self._file)
                self._close()
                self._note_delivery()
                self._spool.publish(self.name)
                self._ended = True
            except OSError:
                self._remove()
                raise

    def discard(self) -> None:
        """Forget the message, unless it is committed already."""
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

    def _note_delivery(self) -> None:
        """Write what is known besides the message's bytes, and sync it."""
        told = {**self.delivery, "envelope": self.envelope} if self.envelope else self.delivery
        if not told:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(self._spool.delivered / f"{self.name}.json", flags, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(told, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())

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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
