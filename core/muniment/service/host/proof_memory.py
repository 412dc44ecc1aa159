"""Remembers the last verifications and backups of a vault, in `proof.json`.

The file is no evidence, and may be deleted. It only says what was done when.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

from muniment.api import PastBackup, PastVerification
from muniment.archive.files.lock import require_own
from muniment.errors import MunimentError, VaultError
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.service")

NAME = "proof.json"
FOLDERS = 20
"""Folders of backups that are remembered, the newest ones."""
SENTENCES = 100
"""Problems of a verification that are remembered."""
_changing = threading.Lock()
"""Held from reading the file to writing it."""


class ProofMemory(msgspec.Struct, frozen=True):
    """The content of the file."""

    verified: PastVerification | None = None
    """The last verification, deep or not."""
    deep: PastVerification | None = None
    """The last deep one."""
    backups: tuple[PastBackup, ...] = ()
    """The last backup to each folder, the newest first."""


def load(folder: Path) -> ProofMemory:
    """Read the file of a vault. A file that is missing or can't be read counts as empty."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=ProofMemory)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("%s can't be read, so past verifications are not known: %r", NAME, error)
    return ProofMemory()


def remember_verification(folder: Path, done: PastVerification) -> None:
    """Remember a verification that came to its end. A failure to do so is logged: it is done anyhow."""
    with _changing:
        before = load(folder)
        deep = done if done.deep else before.deep
        _save_or_log(folder, msgspec.structs.replace(before, verified=done, deep=deep))


def remember_backup(folder: Path, done: PastBackup) -> None:
    """Remember a backup that is complete or has failed. A failure to do so is logged."""
    with _changing:
        before = load(folder)
        same = [one for one in before.backups if one.path == done.path]
        whole = done.time if done.ok else same[0].whole if same else 0
        others = tuple(one for one in before.backups if one.path != done.path)
        newest = msgspec.structs.replace(done, whole=whole)
        _save_or_log(folder, msgspec.structs.replace(before, backups=(newest, *others)[:FOLDERS]))


def forget_backup(folder: Path, path: str) -> bool:
    """Forget the last backup to a folder; returns whether one was remembered.

    Raises:
        VaultError: the file can't be written, so the backup is still remembered.
    """
    with _changing:
        before = load(folder)
        others = tuple(one for one in before.backups if one.path != path)
        if len(others) == len(before.backups):
            return False
        _save(folder, msgspec.structs.replace(before, backups=others))
        return True


def _save_or_log(folder: Path, memory: ProofMemory) -> None:
    try:
        _save(folder, memory)
    except MunimentError as error:
        log.warning("%s", error)


def _save(folder: Path, memory: ProofMemory) -> None:
    """Write the file. Raises VaultError if that fails; the old file stays."""
    require_own(folder)
    data = msgspec.json.format(msgspec.json.encode(memory), indent=1)
    try:
        write_file(folder / NAME, data, durable=False)
    except OSError as error:
        raise VaultError(
            f"{NAME} can't be written ({error.strerror}), so nothing was forgotten or noted: free "
            "space, or let this user write to the vault's folder"
        ) from error
