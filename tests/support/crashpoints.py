"""Crashes and faults inside a run of this process, at named points of what it writes.

At a crash the folders are copied as they are at that moment, with every other write held up. From then on
nothing is written; `aftermath` replaces what the dying process left by the copies, as a kill -9 would leave
it. A fault is an error of the disk that the program survives.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.index.index import TantivyIndex
from muniment.archive.ledger.writer import Ledger
from muniment.sources.base import MailItem
from muniment.sources.files.maildir import MaildirSource

POINTS = (
    "append:before",
    "write:before",
    "write:middle",
    "write:after",
    "sync:before",
    "sync:after",
    "apply:before",
    "apply:after",
    "index-add:before",
    "index-commit:before",
    "index-state:before",
    "index-commit:after",
    "delete:before",
    "delete:middle",
    "delete:after",
)
FAULTS = ("append:before", "write:before", "write:middle", "sync:before", "apply:before", "index-add:before")


class Crash(Exception):
    """The process counts as dead from here on."""


class CrashPoints:
    """Watches the writes in some folders, and crashes or fails at a chosen one."""

    def __init__(self, folders: Sequence[Path], copies: Path) -> None:
        self.dead = False
        self.durable: dict[str, int] = {}
        """Bytes of each segment that were synced, by its name."""
        self._folders = folders
        self._copies = copies
        self._world = threading.RLock()
        self._armed = ""
        self._left = 0
        self._fault = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch everything that writes, inside the block."""
        index = (("add", "index-add"), ("commit", "index-commit"), ("_write_state", "index-state"))
        watched = (
            (Ledger, "append", "append"),
            (SqliteCatalog, "apply", "apply"),
            *((TantivyIndex, method, name) for method, name in index),
        )
        with ExitStack() as stack:
            for owner, method, name in watched:
                self._wrap(stack, owner, method, self._around(name, getattr(owner, method)))
            self._wrap(stack, MaildirSource, "delete", self._delete(MaildirSource.delete))
            self._wrap(stack, os, "pwrite", self._write(os.pwrite))
            self._wrap(stack, os, "fdatasync", self._sync(os.fdatasync))
            yield

    def watch(self, stack: ExitStack, owner: Any, method: str, name: str) -> None:
        """Watch one more function until the stack is closed: its points are `name` before and after it."""
        self._wrap(stack, owner, method, self._around(name, getattr(owner, method)))

    @contextmanager
    def armed(self, point: str, count: int, fault: bool = False) -> Iterator[None]:
        """Crash or fail when `point` is passed for the `count`th time inside the block."""
        self._armed, self._left, self._fault = point, count, fault
        try:
            yield
        finally:
            self._armed = ""

    def aftermath(self) -> None:
        """Set the folders to their state at the crash."""
        for number, folder in enumerate(self._folders):
            shutil.rmtree(folder)
            (self._copies / str(number)).rename(folder)
        self.dead = False

    def tear(self, ledger: Path, share: float) -> None:
        """Cut off a share of what was never synced in the last segment, as a power failure may."""
        last = max(ledger.glob("*.seg"))
        size, kept = last.stat().st_size, self.durable.get(last.name, 0)
        if size > kept:
            os.truncate(last, kept + int((size - kept) * share))

    @staticmethod
    def _wrap(stack: ExitStack, owner: Any, method: str, wrapper: Callable[..., Any]) -> None:
        stack.enter_context(mock.patch.object(owner, method, wrapper))

    def _pass(self, point: str) -> None:
        if self.dead:
            raise Crash(point)
        if point != self._armed:
            return
        self._left -= 1
        if self._left:
            return
        self._armed = ""
        if self._fault:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        for number, folder in enumerate(self._folders):
            copy_at_rest(folder, self._copies / str(number))
        self.dead = True
        raise Crash(point)

    def _around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def watched(*arguments: Any, **named: Any) -> Any:
            with self._world:
                self._pass(f"{name}:before")
                result = real(*arguments, **named)
                self._pass(f"{name}:after")
                return result

        return watched

    def _delete(self, real: Callable[..., list[MailItem]]) -> Callable[..., list[MailItem]]:
        def delete(source: MaildirSource, items: Iterable[MailItem]) -> list[MailItem]:
            with self._world:
                self._pass("delete:before")
                due = list(items)
                half = due[: len(due) // 2]
                gone = real(source, half)
                self._pass("delete:middle")
                gone += real(source, due[len(half) :])
                self._pass("delete:after")
                return gone

        return delete

    def _write(self, real: Callable[..., int]) -> Callable[..., int]:
        def pwrite(file: int, data: Any, offset: int) -> int:
            with self._world:
                if self._path(file).suffix != ".seg":
                    return real(file, data, offset)
                self._pass("write:before")
                half = real(file, memoryview(data)[: len(data) // 2], offset)
                self._pass("write:middle")
                half += real(file, memoryview(data)[half:], offset + half)
                self._pass("write:after")
                return half

        return pwrite

    def _sync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def fdatasync(file: int) -> None:
            with self._world:
                self._pass("sync:before")
                real(file)
                self.durable[self._path(file).name] = os.fstat(file).st_size
                self._pass("sync:after")

        return fdatasync

    @staticmethod
    def _path(file: int) -> Path:
        return Path(f"/proc/self/fd/{file}").readlink()


def copy_at_rest(folder: Path, target: Path) -> None:
    """Copy a folder as it is at one moment. If the index library wrote meanwhile, copy again."""
    while True:
        before = _state(folder)
        with suppress(shutil.Error):
            shutil.copytree(folder, target)
            if _state(folder) == before:
                return
        shutil.rmtree(target)


def _state(folder: Path) -> set[tuple[str, int, int]]:
    found = set()
    for path in folder.glob("**/*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.add((str(path), status.st_size, status.st_mtime_ns))
    return found
