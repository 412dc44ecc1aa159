"""One writer a vault: a lock on a file that says who holds it (invariant 11)."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from muniment.errors import VaultError, VaultLocked

NAME = "lock"


class VaultLock:
    """An advisory lock that the kernel releases when its process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of the vault in `folder`.

        Raises:
            VaultLocked: another process has it; says which, and since when.
            VaultError: the folder can't be written, or is another user's: what root wrote there its owner
                could not write.
            OSError: there is no space.
        """
        require_own(folder)
        try:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VaultError(
                f"the vault in {folder} can't be written ({error.strerror}): "
                "run as its owner, or mend its rights"
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
        """Let go. Safe to call twice."""
        if self._file >= 0:
            self._write({})
            os.close(self._file)
            self._file = -1


def require_own(folder: Path) -> None:
    """See that this process runs as the owner of a folder, so that what it makes there is theirs.

    Raises:
        VaultError: it is another user's.
    """
    try:
        owner = folder.stat().st_uid
    except OSError:
        return  # what is wrong shows where the lock is taken
    if owner != os.geteuid():
        raise VaultError(
            f"the vault in {folder} is written by its owner alone: become uid {owner}, or use their service"
        )


def holder(folder: Path) -> str:
    """Who holds the lock, such as "process 4711, since 2026-01-31 02:00:00"; "" for nobody."""
    try:
        value = json.loads((folder / NAME).read_text() or "{}")
        pid, since = int(value["pid"]), time.localtime(value["since"])
        os.kill(pid, 0)
    except PermissionError:
        return "a process of another user"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"process {pid}, since {time.strftime('%Y-%m-%d %H:%M:%S', since)}"
