"""Temporary files of a vault. Each process has its own folder, so that no process removes another's files."""

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
"""Distinguishes this process from an earlier one with the same process id."""
_leaving = threading.Lock()
_open: Counter[Path] = Counter()
"""How often each vault is open in this process, by folder."""


def own_work(folder: Path) -> Path:
    """Return this process's folder for temporary files of the vault in `folder`; `make_work` makes it.

    For a vault that can't be written, such as a read-only copy, it is in the system's temporary folder.
    """
    if os.access(folder, os.W_OK):
        return folder / WORK / f"{os.getpid()}-{_TOKEN}"
    return Path(tempfile.gettempdir()) / f"muniment-{os.geteuid()}-{os.getpid()}-{_TOKEN}"


def make_work(work: Path) -> Path:
    """Make a folder from `own_work` with mode 0700, unless it exists; returns it.

    Raises:
        OSError: The folder can't be made.
    """
    for folder in (work.parent, work) if work.parent.name == WORK else (work,):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            _leave_to_owner(folder)
    return work


def _leave_to_owner(folder: Path) -> None:
    """Give a folder that root has made in a vault to the vault's owner, who could not remove it otherwise."""
    above = folder.parent.stat()
    if folder.parent.name != WORK and folder.name != WORK:
        return  # a folder outside the vault is this process's own
    if above.st_uid != os.geteuid():
        os.chown(folder, above.st_uid, above.st_gid)


def enter_work(folder: Path) -> None:
    """Count that this process has opened the vault in `folder`; call `leave_work` when it is closed."""
    with _leaving:
        _open[folder] += 1


def leave_work(folder: Path) -> None:
    """Count that a vault was closed. After the last one, remove this process's folder if it is empty."""
    with _leaving:
        _open[folder] -= 1
        if _open[folder] <= 0:
            del _open[folder]
            with suppress(OSError):
                own_work(folder).rmdir()


def clean_work(folder: Path) -> None:
    """Remove the folders of processes that have ended."""
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
    """Return whether the process of a folder is alive; an earlier one with this process's id is not."""
    pid, _, token = name.partition("-")
    if pid == str(os.getpid()):
        return token == _TOKEN
    if not pid.isascii() or not pid.isdecimal() or not 0 < len(pid) < 10:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # the process belongs to another user
        return True
    return True
