"""Opens a vault's catalog so that it matches the ledger, rebuilds it, and records accepted damage."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog, CatalogOutdated
from muniment.archive.catalog.replay import MAX_DAMAGE, known_damage, replay
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.catalog.sqlite.store import NEW, put_in_place, remove_catalog
from muniment.archive.files.lock import VaultLock
from muniment.archive.files.temp_files import own_work
from muniment.archive.index.index import ASIDE
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import VERSION, json_record
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.erasures import VaultErasures
from muniment.archive.vault.known_roots import (
    CheckpointFile,
    LedgerAlarm,
    alarms,
    forget,
    loss,
    missing_file,
    require_whole,
)
from muniment.archive.vault.layout import CATALOG, INDEX, segments_of

log = logging.getLogger("muniment.vault")

INDEX_NEW, INDEX_OLD = INDEX + ".new", INDEX + ASIDE
"""The folders of an index that is being built, and of one that is being replaced."""


def empty_catalog(folder: Path, vault_id: bytes) -> Catalog:
    """Make the catalog of a new vault.

    Raises:
        VaultError: There is a catalog already, or it can't be made.
    """
    return SqliteCatalog.create(folder / CATALOG, vault_id)


def readable_catalog(folder: Path) -> Catalog:
    """Open the catalog of a vault for reading.

    Raises:
        CatalogOutdated: It must be rebuilt first.
        VaultError: It can't be read now, or a newer program wrote it.
    """
    return SqliteCatalog.open(folder / CATALOG, readonly=True)


def matching_catalog(folder: Path, ledger: Ledger) -> Catalog:
    """Open the catalog of a vault for writing; bring it forward, or rebuild it if it does not fit the ledger.

    Raises:
        VaultError: The catalog can't be read or written, or a newer program wrote it.
    """
    try:
        catalog = SqliteCatalog.open(folder / CATALOG)
        try:
            if _brought_forward(folder, ledger, catalog):
                return catalog
        except BaseException:
            catalog.close()
            raise
        catalog.close()
        log.warning(
            "the catalog belongs to another ledger or to a state that the ledger lacks: rebuilding it"
        )
    except CatalogOutdated as reason:
        log.warning("%s", reason)
    return rebuilt_catalog(folder, ledger.vault_id)


def _brought_forward(folder: Path, ledger: Ledger, catalog: Catalog) -> bool:
    """Bring the catalog forward if it belongs to this ledger, and return whether it does."""
    seen = catalog.head
    if not ledger.knows(seen):
        return False
    if seen.tree_size < ledger.head.tree_size:
        replay(catalog, segments_of(folder), seen, own_work(folder))
    return True


def rebuild_catalog(folder: Path, accept_damage: bool = False) -> list[str]:
    """Rebuild the catalog from the ledger alone, and put it in place. No process may have the vault open.

    Args:
        folder: The vault's folder.
        accept_damage: Whether to go on with a ledger that is damaged at its end, in a new segment, or that
            lacks what is known of it. Both are recorded in the ledger, and nothing in it is changed. Only an
            administrator may decide this.

    Returns:
        The damage of the ledger that the catalog was built without, a sentence each.

    Raises:
        VaultLocked: Another process is writing the vault.
        LedgerDamaged: The ledger is damaged at its end, or lacks what is known of it, and this was not
            accepted.
        VaultError: There is no vault, a newer program wrote it, or the catalog can't be written.
        OSError: The folder can't be written.
    """
    lock = VaultLock(folder)
    try:
        lost = alarms(folder)
        if lost and not accept_damage:
            require_whole(folder)
        VaultErasures(folder, segments_of(folder)).finish(again=True)
        ledger = Ledger.open(segments_of(folder), accept_damage=accept_damage)
        try:
            if ledger.recovery.damage:
                record_damage(ledger)
            if lost:
                record_loss(folder, ledger, lost)
            begin_noting(folder, ledger)
            vault_id = ledger.vault_id
        finally:
            ledger.close()
        catalog = rebuilt_catalog(folder, vault_id)
        try:
            return known_damage(catalog)
        finally:
            catalog.close()
    finally:
        lock.release()


def record_damage(ledger: Ledger) -> None:
    """Record in the ledger that an administrator accepted its damage."""
    places = [str(one) for one in ledger.recovery.damage]
    _record(ledger, {"event": "damage accepted", "damage": places[:MAX_DAMAGE]})


def record_loss(folder: Path, ledger: Ledger, lost: list[LedgerAlarm]) -> None:
    """Record in the ledger that an administrator accepted its loss; then remove it from the other places."""
    log.warning("accepted: %s", "; ".join(alarm.text for alarm in lost))
    _record(ledger, loss(lost, ledger.head))
    forget(folder, ledger.vault_id, lost)
    CheckpointFile(folder, ledger.vault_id).now(ledger.head)


def begin_noting(folder: Path, ledger: Ledger) -> None:
    """Note the ledger's state in the file `checkpoints`; if the file was removed, record that.

    Call it before a catalog is built, since the old catalog shows that there must be a file.
    """
    checkpoints, missing = CheckpointFile(folder, ledger.vault_id), missing_file(folder)
    if missing:
        log.error("%s", missing)
        checkpoints.set_aside()
        _record(ledger, {"event": "checkpoints lost", "said": missing})
    checkpoints.now(ledger.head)


def _record(ledger: Ledger, event: dict[str, Any]) -> None:
    """Record a decision of the user who runs this process."""
    value = {"v": VERSION, "uid": os.getuid(), "at": int(time.time()), **event}
    ledger.append(json_record(RecordEncoder(), RecordKind.AUDIT, value), time.time_ns() // 1000)
    ledger.commit()


def rebuilt_catalog(folder: Path, vault_id: bytes) -> Catalog:
    """Rebuild the catalog and put it in place, while this process does not have the old one open."""
    with new_catalog(folder, vault_id) as catalog:
        replay(catalog, segments_of(folder), None, own_work(folder))
        catalog.close()
        put_in_place(folder / (CATALOG + NEW), folder / CATALOG)
    return SqliteCatalog.open(folder / CATALOG)


@contextmanager
def new_catalog(folder: Path, vault_id: bytes) -> Iterator[Catalog]:
    """Make an empty catalog beside the vault's own; it is removed at the end unless it was put in place."""
    path = folder / (CATALOG + NEW)
    remove_catalog(path)
    try:
        with closing(SqliteCatalog.create(path, vault_id)) as catalog:
            yield catalog
    finally:
        remove_catalog(path)


@contextmanager
def copied_catalog(folder: Path, catalog: Catalog) -> Iterator[Catalog]:
    """Copy a vault's catalog beside it, without any trace of what was removed.

    The copy is removed at the end unless it was put in place.

    Raises:
        VaultError: There is no room for it, or the catalog can't be read.
    """
    path = folder / (CATALOG + NEW)
    remove_catalog(path)
    try:
        with closing(SqliteCatalog.of(catalog).copied(path)) as copy:
            yield copy
    finally:
        remove_catalog(path)


def clear_rebuilds(folder: Path) -> None:
    """Remove what a killed rebuild has left; an index that it was putting in place is put there.

    The caller must hold the vault's lock.
    """
    remove_catalog(folder / (CATALOG + NEW))
    own, new, old = (folder / name for name in (INDEX, INDEX_NEW, INDEX_OLD))
    if old.exists() and new.exists() and not own.exists():  # killed between two renames: `new` is complete
        with suppress(OSError):
            new.rename(own)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
