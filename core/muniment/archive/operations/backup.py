"""Backup: a consistent copy of a live vault, which copies only what is new since the last backup.

A backup is a vault without its projections: settings, and the ledger up to a commit. Committed bytes of a
segment change only where something is erased, which is then done in the copy as well; so each byte is copied
once. Otherwise a backup is never overwritten: if it differs from the vault, the vault may be the one at
fault, and a person must decide. To restore a backup, copy it back: the catalog is rebuilt when the vault is
opened, the index at the next run or by `muniment rebuild`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from muniment.archive.catalog import EMPTY
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import has_commit
from muniment.archive.ledger.segment_store import OpenSegment, SegmentStore, segment_size
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.operations.backup_erasures import (
    erase_in_copy,
    has_erased_since,
    same_but_for_erasures,
)
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.vault.known_roots import as_json
from muniment.archive.vault.layout import LEDGER, beside_segments, segments_of, vault_id_file
from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError, VaultLocked
from muniment.system.atomic_files import copy_file, is_temporary, sync_folder, write_file

STATE = "backup.json"
SETTINGS = "vault.toml"
DRAFT = ".new"
"""The ending of temporary files that earlier versions left."""
OVERLAP = 64 * 1024
BLOCK = 4 * 1024 * 1024
COPIED = "the new records are copied"
EVERY = 1.0
"""Time between two reports of progress, in seconds."""


def backup_vault(vault: Vault, target: Path) -> Iterator[str | StageProgress]:
    """Bring a backup to the vault's current state, or begin a new one.

    Args:
        vault: The vault.
        target: The backup's folder; it is made if it does not exist.

    Yields:
        A sentence for each step, and the progress of the copy in bytes: at its beginning, every second, and
        at its end.

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
            while has_erased_since(vault.segments, head):  # else the copy may hold a part of an erasure
                head = vault.head
                yield from _copy(vault.folder, target, head)
    except OSError as error:
        raise VaultError(
            f"the backup in {target} stopped ({error.strerror}): correct this and run it again; it continues "
            "where it stopped"
        ) from error
    yield f"backup holds {head.tree_size} records, root {head.root.hex()}"


def _copy(source: Path, target: Path, head: LedgerHead) -> Iterator[str | StageProgress]:
    before = read_state(target)
    if before.tree_size > head.tree_size:
        raise UsageError(
            f"the backup in {target} holds {before.tree_size} records, but the vault {head.tree_size}: the "
            "vault was set back; back up into a new folder, and keep this one"
        )
    segments = segments_of(source)
    if not has_commit(segments, read_vault_id(segments), before):
        raise UsageError(
            f"the backup in {target} holds a state that the vault's ledger never had: the vault was "
            f"rewritten, or {STATE} was edited; verify both with `muniment verify --was`, back up into a new "
            "folder, and keep this one"
        )
    for path in beside_segments(source):
        copy_file(path, target / LEDGER / path.name, durable=True)
    with closing(segments_of(target)) as copies:
        lacking = _missing(segments, copies, head)
        yield f"copying what is new, {lacking:,} bytes"
        far = _Copied(lacking)
        if lacking:
            yield far.progress
        for number in range(1, head.segment + 1):
            yield from _segment(segments, copies, number, head, before, far)
        if lacking:
            yield far.progress
        if erased := erase_in_copy(segments, copies, before, head, target):
            yield f"erased {erased} records in the backup, as decisions have erased them in the vault"
    sync_folder(target / LEDGER)
    if (source / SETTINGS).is_file():
        copy_file(source / SETTINGS, target / SETTINGS, durable=True)
    SignedCheckpoints(source).copy_to(target, head.tree_size)
    _write_state(target, head, vault_id_file(source).read_text().strip())


class _Copied:
    """How many bytes of a backup are copied."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._reported = time.monotonic()

    @property
    def progress(self) -> StageProgress:
        return StageProgress(COPIED, min(self._done, self._total), self._total)

    def add(self, copied: int) -> bool:
        """Count copied bytes; returns whether it is time for a report."""
        self._done += copied
        due = time.monotonic() - self._reported >= EVERY
        if due:
            self._reported = time.monotonic()
        return due


def _missing(segments: SegmentStore, copies: SegmentStore, head: LedgerHead) -> int:
    """Return how many bytes of the vault's segments the backup lacks."""
    lacking = 0
    for number in range(1, head.segment + 1):
        size = head.offset if number == head.segment else segment_size(segments, number)
        with suppress(FileNotFoundError):
            size -= segment_size(copies, number)
        lacking += max(0, size)
    return lacking


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
    identity = vault_id_file(target)
    if identity.exists():
        if identity.read_bytes() != vault_id_file(source).read_bytes():
            raise UsageError(f"{target} holds a backup of another vault: name another folder")
    elif target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file: name a folder for the backup")
    elif target.exists() and not _unbegun(target):
        raise UsageError(f"{target} is not empty and not a backup: name a new folder")
    (target / LEDGER).mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)


def read_state(target: Path) -> LedgerHead:
    """Return the state of the last complete backup; EMPTY if there is none, or its file can't be read."""
    try:
        state = json.loads((target / STATE).read_bytes())
        return LedgerHead(
            int(state["tree_size"]), bytes.fromhex(state["root"]), int(state["segment"]), int(state["offset"])
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return EMPTY


def _segment(
    source: SegmentStore,
    target: SegmentStore,
    number: int,
    head: LedgerHead,
    before: LedgerHead,
    far: _Copied,
) -> Iterator[StageProgress]:
    """Copy the bytes of a segment that the backup lacks, and yield the progress of the whole copy."""
    with closing(source.open(number)) as segment:
        size = head.offset if number == head.segment else segment.size()
        done = _kept(source, segment, size, target, number, before)
        offset = done
        while offset < size and (block := segment.read(offset, min(BLOCK, size - offset))):
            target.append(number, offset, block)
            offset += len(block)
            if far.add(len(block)):
                yield far.progress
    if offset < size:
        raise OSError(errno.EIO, f"{source.name(number)} is shorter than the catalog says")
    target.sync(number)
    target.seal(number)


def _kept(
    source: SegmentStore,
    segment: OpenSegment,
    size: int,
    target: SegmentStore,
    number: int,
    before: LedgerHead,
) -> int:
    """Return how many bytes of a segment the backup has, once they were compared with the vault's."""
    try:
        copy = target.open(number)
    except FileNotFoundError:
        return 0
    with closing(copy):
        done = copy.size()
        if done > size:
            raise UsageError(
                f"{target.name(number)} is larger than the vault's own segment: the vault was set back; "
                "back up into a new folder, and keep this one"
            )
        start = _unproven(number, done, before)
        for offset, pair in _differences(segment, copy, start, done):
            if not same_but_for_erasures(source, before, number, offset, pair):
                raise UsageError(
                    f"{target.name(number)} differs from the vault's own segment: verify the vault; back up "
                    "into a new folder, and keep this one"
                )
        complete = _complete(number, done, before)
        if (
            complete < done
        ):  # a sync of the interrupted backup may have failed, and the next one not repair it
            target.sync_again(number, complete, done)
    return done


def _complete(number: int, done: int, before: LedgerHead) -> int:
    """Return how many copied bytes of a segment belong to a backup that was complete."""
    return done if number < before.segment else before.offset if number == before.segment else 0


def _unproven(number: int, done: int, before: LedgerHead) -> int:
    """Return the offset from which the copied bytes of a segment must be compared.

    Bytes of an interrupted backup are all compared. Of a complete one, the last bytes are enough: they hold a
    commit frame, which proves all bytes before it.
    """
    return max(0, min(done - OVERLAP, _complete(number, done, before)))


def _differences(
    segment: OpenSegment, copy: OpenSegment, start: int, end: int
) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield the offset and both contents of each piece from `start` to `end` in which the two differ."""
    while start < end:
        count = min(BLOCK, end - start)
        pair = segment.read(start, count), copy.read(start, count)
        if pair[0] != pair[1]:
            yield start, pair
        start += count


def _write_state(target: Path, head: LedgerHead, vault: str) -> None:
    made = datetime.now(UTC).isoformat(timespec="seconds")
    state = {"made": made, "vault": vault, **as_json(head)}
    write_file(target / STATE, (json.dumps(state, indent=1) + "\n").encode(), durable=True)
