"""Backup: a consistent copy of a live vault, which copies only what is new since the last backup.

A backup is a vault without its projections: settings, and the ledger up to a commit. Committed bytes of a
segment never change, so each byte is copied once. A backup is never overwritten: if it differs from the
vault, the vault may be the one at fault, and a person must decide. To restore a backup, copy it back: the
catalog is rebuilt when the vault is opened, the index at the next run or by `muniment rebuild`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from muniment.archive.catalog import EMPTY
from muniment.archive.ledger.files import VAULT_ID, read_vault_id
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import has_commit
from muniment.archive.vault.known_roots import as_json
from muniment.archive.vault.open_catalog import LEDGER
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError, VaultLocked
from muniment.system.atomic_files import copy_file, is_temporary, sync_folder, write_file

STATE = "backup.json"
SETTINGS = "vault.toml"
DRAFT = ".new"
"""The ending of temporary files that earlier versions left."""
OVERLAP = 64 * 1024
BLOCK = 4 * 1024 * 1024


def backup_vault(vault: Vault, target: Path) -> Iterator[str]:
    """Bring a backup to the vault's current state, or begin a new one.

    Args:
        vault: The vault.
        target: The backup's folder; it is made if it does not exist.

    Yields:
        A sentence for each step.

    Raises:
        UsageError: `target` is not a backup of this vault, or holds what the vault does not have.
        VaultLocked: Another backup is being written there.
        VaultError: The backup can't be written.
    """
    head = vault.head
    try:
        _prepare(vault.folder, target)
        with _locked(target):
            yield from _copy(vault.folder, target, head)
    except OSError as error:
        raise VaultError(
            f"the backup in {target} stopped ({error.strerror}): correct this and run it again; it continues "
            "where it stopped"
        ) from error
    yield f"backup holds {head.tree_size} records, root {head.root.hex()}"


def _copy(source: Path, target: Path, head: LedgerHead) -> Iterator[str]:
    before = _read_state(target)
    if before.tree_size > head.tree_size:
        raise UsageError(
            f"the backup in {target} holds {before.tree_size} records, but the vault {head.tree_size}: the "
            "vault was set back; back up into a new folder, and keep this one"
        )
    if not has_commit(source / LEDGER, read_vault_id(source / LEDGER), before):
        raise UsageError(
            f"the backup in {target} holds a state that the vault's ledger never had: the vault was "
            f"rewritten, or {STATE} was edited; verify both with `muniment verify --was`, back up into a new "
            "folder, and keep this one"
        )
    for path in sorted((source / LEDGER).iterdir()):
        if path.is_file() and path.suffix != ".seg":
            copy_file(path, target / LEDGER / path.name, durable=True)
    for segment in range(1, head.segment + 1):
        if copied := _segment(source / LEDGER, target / LEDGER, segment, head, before):
            yield f"segment {segment}: {copied:,} bytes copied"
    sync_folder(target / LEDGER)
    if (source / SETTINGS).is_file():
        copy_file(source / SETTINGS, target / SETTINGS, durable=True)
    _write_state(target, head, (source / LEDGER / VAULT_ID).read_text().strip())


def _unbegun(target: Path) -> bool:
    """Return whether a folder is empty, or holds only the drafts of a backup that was interrupted early."""
    return all(
        path == target / LEDGER or path.suffix == DRAFT or is_temporary(path.name)
        for path in target.rglob("*")
    )


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Lock a folder, so that only one backup at a time writes it."""
    handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise VaultLocked(f"another backup is being written to {target}: wait for it to end") from error
    finally:
        os.close(handle)


def _prepare(source: Path, target: Path) -> None:
    if target.resolve() == source.resolve() or source.resolve() in target.resolve().parents:
        raise UsageError(f"{target} is inside the vault: name a folder elsewhere, best on another disk")
    identity = target / LEDGER / VAULT_ID
    if identity.exists():
        if identity.read_bytes() != (source / LEDGER / VAULT_ID).read_bytes():
            raise UsageError(f"{target} holds a backup of another vault: name another folder")
    elif target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file: name a folder for the backup")
    elif target.exists() and not _unbegun(target):
        raise UsageError(f"{target} is not empty and not a backup: name a new folder")
    (target / LEDGER).mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)


def _read_state(target: Path) -> LedgerHead:
    """Return the state of the last complete backup; EMPTY if there is none, or its file can't be read."""
    try:
        state = json.loads((target / STATE).read_bytes())
        return LedgerHead(
            int(state["tree_size"]), bytes.fromhex(state["root"]), int(state["segment"]), int(state["offset"])
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return EMPTY


def _segment(source: Path, target: Path, number: int, head: LedgerHead, before: LedgerHead) -> int:
    """Copy the bytes of a segment that the backup lacks; returns how many bytes were copied."""
    name = f"{number:012d}.seg"
    size = head.offset if number == head.segment else (source / name).stat().st_size
    handle = os.open(target / name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with (source / name).open("rb") as read, os.fdopen(handle, "r+b") as write:
        done = write.seek(0, os.SEEK_END)
        if done > size:
            raise UsageError(
                f"{target / name} is larger than the vault's own segment: the vault was set back; "
                "back up into a new folder, and keep this one"
            )
        _compare(read, write, target / name, _unproven(number, done, before), done)
        left = size - done
        while left and (block := read.read(min(BLOCK, left))):
            write.write(block)
            left -= len(block)
        if left:
            raise OSError(errno.EIO, f"{source / name} is shorter than the catalog says")
        write.flush()
        os.fsync(write.fileno())
    return size - done


def _unproven(number: int, done: int, before: LedgerHead) -> int:
    """Return the offset from which the copied bytes of a segment must be compared.

    Bytes of an interrupted backup are all compared. Of a complete one, the last bytes are enough: they hold a
    commit frame, which proves all bytes before it.
    """
    whole = done if number < before.segment else before.offset if number == before.segment else 0
    return max(0, min(done - OVERLAP, whole))


def _compare(read: BinaryIO, copy: BinaryIO, target: Path, start: int, end: int) -> None:
    """Check that both files have the same bytes from `start` to `end`; both are at `end` afterwards."""
    read.seek(start)
    copy.seek(start)
    while start < end:
        count = min(BLOCK, end - start)
        if read.read(count) != copy.read(count):
            raise UsageError(
                f"{target} differs from the vault's own segment: verify the vault; back up into a new "
                "folder, and keep this one"
            )
        start += count


def _write_state(target: Path, head: LedgerHead, vault: str) -> None:
    made = datetime.now(UTC).isoformat(timespec="seconds")
    state = {"made": made, "vault": vault, **as_json(head)}
    write_file(target / STATE, (json.dumps(state, indent=1) + "\n").encode(), durable=True)
