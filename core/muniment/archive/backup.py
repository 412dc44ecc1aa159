"""Backup: a consistent copy of a live vault, and only what is new since the last one.

A backup is a vault without its projections: settings and the ledger up to a commit. Committed bytes of
a segment never change, so each is copied once; of the last segment only the tail is. Restoring is copying
it back: the catalog is rebuilt when it is opened, the index at the next run or by `muniment rebuild`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from muniment.archive.ledger.model import Head
from muniment.archive.vault import LEDGER, Vault
from muniment.errors import UsageError, VaultError

STATE = "backup.json"
SETTINGS = "vault.toml"
OVERLAP = 64 * 1024
BLOCK = 4 * 1024 * 1024


def backup_vault(vault: Vault, target: Path) -> Iterator[str]:
    """Bring the backup in `target` up to the vault's present state; yields a sentence a step.

    Raises:
        UsageError: `target` is something else than a backup of this vault.
        VaultError: it can't be written.
    """
    head = vault.head
    try:
        _prepare(vault.folder, target)
        for path in sorted((vault.folder / LEDGER).iterdir()):
            if path.is_file() and path.suffix != ".seg":
                _replace(path, target / LEDGER / path.name)
        for segment in range(1, head.segment + 1):
            copied = _segment(vault.folder / LEDGER, target / LEDGER, segment, head)
            if copied:
                yield f"segment {segment}: {copied:,} bytes copied"
        if (vault.folder / SETTINGS).is_file():
            _replace(vault.folder / SETTINGS, target / SETTINGS)
        _write_state(target, head)
    except OSError as error:
        raise VaultError(
            f"the backup in {target} stopped ({error.strerror}): mend that and run it again, "
            "it goes on from here"
        ) from error
    yield f"backup holds {head.tree_size} records, root {head.root.hex()}"


def _prepare(source: Path, target: Path) -> None:
    if target.resolve() == source.resolve() or source.resolve() in target.resolve().parents:
        raise UsageError(f"{target} is inside the vault: name a folder elsewhere, best on another disk")
    identity = target / LEDGER / "vault-id"
    if identity.exists():
        if identity.read_bytes() != (source / LEDGER / "vault-id").read_bytes():
            raise UsageError(f"{target} holds a backup of another vault: name another folder")
    elif target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty and no backup: name a new folder")
    (target / LEDGER).mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)


def _segment(source: Path, target: Path, number: int, head: Head) -> int:
    """Copy what the backup lacks of a segment; returns how many bytes that were."""
    name = f"{number:012d}.seg"
    size = head.offset if number == head.segment else (source / name).stat().st_size
    with (source / name).open("rb") as read, (target / name).open("ab") as write:
        os.fchmod(write.fileno(), 0o600)
        done = write.tell()
        if done > size:
            raise UsageError(
                f"{target / name} is larger than the vault's own segment: the vault was set back; "
                "back up into a new folder, and keep this one"
            )
        _compare(read, target / name, done)
        read.seek(done)
        left = size - done
        while left and (block := read.read(min(BLOCK, left))):
            write.write(block)
            left -= len(block)
        write.flush()
        os.fsync(write.fileno())
    return size - done


def _compare(read: object, path: Path, done: int) -> None:
    start = max(0, done - OVERLAP)
    with path.open("rb") as old:
        old.seek(start)
        copied = old.read(done - start)
    read.seek(start)  # type: ignore[attr-defined]
    if read.read(done - start) != copied:  # type: ignore[attr-defined]
        raise UsageError(
            f"{path} differs from the vault's own segment: verify the vault; back up into a new folder, "
            "and keep this one"
        )


def _replace(source: Path, target: Path) -> None:
    draft = target.with_name(target.name + ".new")
    shutil.copyfile(source, draft)
    draft.chmod(0o600)
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.rename(target)


def _write_state(target: Path, head: Head) -> None:
    state = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "tree_size": head.tree_size,
        "root": head.root.hex(),
        "segment": head.segment,
        "offset": head.offset,
    }
    draft = target / (STATE + ".new")
    draft.write_text(json.dumps(state, indent=1) + "\n")
    draft.rename(target / STATE)
    for folder in (target / LEDGER, target):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
