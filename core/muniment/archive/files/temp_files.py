"""Temporary files of a vault: each process has a folder of its own, so that none removes another's."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

WORK = "work"
_TOKEN = secrets.token_hex(8)
"""Tells this process from an earlier one with its number."""
_leaving = threading.Lock()
_open: Counter[Path] = Counter()
"""How many vaults of a folder are open in this process."""


def own_work(folder: Path) -> Path:
    """This process's folder for temporary files of the vault in `folder`; `make_work` makes it.

    Where the vault can't be written, since it is a read-only copy, it is in the system's own folder for them.
    """
    if os.access(folder, os.W_OK):
        return folder / WORK / f"{os.getpid()}-{_TOKEN}"
    return Path(tempfile.gettempdir()) / f"muniment-{os.geteuid()}-{os.getpid()}-{_TOKEN}"


def make_work(work: Path) -> Path:
    """Make such a folder, for its owner alone, unless it is there; returns it.

    Raises:
        OSError: it can't be made.
    """
    for folder in (work.parent, work) if work.parent.name == WORK else (work,):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            _leave_to_owner(folder)
    return work


def _leave_to_owner(folder: Path) -> None:
    """Let a folder that root has made, to read, be of whoever owns the vault: it stands in their way else."""
    above = folder.parent.stat()
    if folder.parent.name != WORK and folder.name != WORK:
        return  # outside the vault it is this process's own
    if above.st_uid != os.geteuid():
        os.chown(folder, above.st_uid, above.st_gid)


def enter_work(folder: Path) -> None:
    """A vault in `folder` was opened in this process; `leave_work` when it is closed."""
    with _leaving:
        _open[folder] += 1


def leave_work(folder: Path) -> None:
    """Remove this process's folder if nothing is left in it, once no vault is open here that may use it."""
    with _leaving:
        _open[folder] -= 1
        if _open[folder] <= 0:
            del _open[folder]
            with suppress(OSError):
                own_work(folder).rmdir()


def clean_work(folder: Path) -> None:
    """Remove what processes left behind that are no more."""
    try:
        found = list((folder / WORK).iterdir())
    except OSError:
        return
    for path in found:
        if not _alive(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(name: str) -> bool:
    """Whether the process that a folder is named for is alive; an earlier one with our number is not."""
    pid, _, token = name.partition("-")
    if pid == str(os.getpid()):
        return token == _TOKEN
    if not pid.isascii() or not pid.isdecimal() or not 0 < len(pid) < 10:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
