"""The lock of a vault, which allows one writer; its file says which process holds it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from muniment.errors import VaultError, VaultLocked

NAME = "lock"


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that holds the lock of a vault."""

    pid: int
    since: int
    """Seconds since 1970 UTC."""


class VaultLock:
    """An advisory lock that the kernel releases when the process ends, in whichever way."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of the vault in `folder`.

        Raises:
            VaultLocked: Another process has the lock; the text says which, and since when.
            VaultError: The folder can't be written, or belongs to another user. Even root is refused: the
                owner could not write the files that root makes.
            OSError: The disk is full.
        """
        require_own(folder)
        try:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VaultError(
                f"the vault in {folder} can't be written ({error.strerror}): "
                "run as its owner, or correct its permissions"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise VaultLocked(
                f"the vault in {folder} is in use by {holder(folder) or 'another process'}: "
                "wait for it to end, or stop it"
            ) from error
        try:
            self._write({"pid": os.getpid(), "since": int(time.time())})
        except BaseException:
            os.close(self._file)
            raise

    def _write(self, value: dict[str, int]) -> None:
        os.ftruncate(self._file, 0)
        if value:
            os.pwrite(self._file, json.dumps(value).encode(), 0)

    def release(self) -> None:
        """Release the lock. It may be called twice."""
        if self._file >= 0:
            self._write({})
            os.close(self._file)
            self._file = -1


def require_own(folder: Path) -> None:
    """Check that this process runs as the owner of a folder, so that files it makes belong to the owner.

    Raises:
        VaultError: The folder belongs to another user.
    """
    try:
        owner = folder.stat().st_uid
    except OSError:
        return  # taking the lock raises an error that says what is wrong
    if owner != os.geteuid():
        raise VaultError(
            f"only its owner can write the vault in {folder}: run as uid {owner}, or use the owner's service"
        )


def holder(folder: Path) -> str:
    """Return which process holds the lock, such as "process 4711, since 2026-01-31 02:00:00 +0100".

    It is "" if none does. The time is that of this process's zone.
    """
    try:
        found = holding(folder)
    except PermissionError:
        return "a process of another user"
    if found is None:
        return ""
    since = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(found.since))
    return f"process {found.pid}, since {since}"


def holding(folder: Path) -> LockHolder | None:
    """Return the process that holds the lock; None if none does.

    Raises:
        PermissionError: A process of another user holds it.
    """
    try:
        value = json.loads((folder / NAME).read_text() or "{}")
        found = LockHolder(pid=int(value["pid"]), since=int(value["since"]))
        time.localtime(found.since)
        os.kill(found.pid, 0)
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return found
