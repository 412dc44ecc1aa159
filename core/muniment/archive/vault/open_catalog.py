"""The catalog beside its ledger: brought in line with it on opening, built anew, put in place."""

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
from muniment.archive.catalog.replay import TOLD, known_damage, replay
from muniment.archive.catalog.store import NEW, put_in_place, remove_catalog
from muniment.archive.files.lock import VaultLock
from muniment.archive.files.temp_files import own_work
from muniment.archive.index import ASIDE
from muniment.archive.ledger.codec import Encoder
from muniment.archive.ledger.model import Kind
from muniment.archive.ledger.records import VERSION, json_record
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.known_roots import (
    Alarm,
    Checkpoints,
    alarms,
    forget,
    loss,
    missing_file,
    require_whole,
)

log = logging.getLogger("muniment.vault")

LEDGER, CATALOG, INDEX = "ledger", "catalog.db", "index"
INDEX_NEW, INDEX_OLD = INDEX + ".new", INDEX + ASIDE
"""An index that is being built, and one whose place was taken."""


def matching_catalog(folder: Path, ledger: Ledger) -> Catalog:
    """The catalog of a vault, brought in line with its ledger: replayed, or built anew."""
    try:
        catalog = Catalog.open(folder / CATALOG)
        try:
            if _followed(folder, ledger, catalog):
                return catalog
        except BaseException:
            catalog.close()
            raise
        catalog.close()
        log.warning("the catalog is of another ledger or of an older state of it: it is built anew")
    except CatalogOutdated as reason:
        log.warning("%s", reason)
    return rebuilt_catalog(folder, ledger.vault_id)


def _followed(folder: Path, ledger: Ledger, catalog: Catalog) -> bool:
    """Whether the catalog is of this ledger; it has taken in all of it then."""
    seen = catalog.head
    if not ledger.knows(seen):
        return False
    if seen.tree_size < ledger.head.tree_size:
        replay(catalog, folder / LEDGER, seen, own_work(folder))
    return True


def rebuild_catalog(folder: Path, accept_damage: bool = False) -> list[str]:
    """Build the catalog anew from nothing but the ledger, and swap it in; returns what can't be read.

    With `accept_damage`, an administrator's decision, a ledger whose end is damaged is written on in
    a new segment, which begins with a record of that; nothing of the damaged one is changed. A ledger that
    lacks what is known of it is written on as well, and a record says what was known.

    Raises:
        VaultLocked: another process writes the vault.
        LedgerDamaged: the ledger's end is damaged, or it lacks what is known of it; and that
            was not accepted.
    """
    lock = VaultLock(folder)
    try:
        lost = alarms(folder)
        if lost and not accept_damage:
            require_whole(folder)
        ledger = Ledger.open(folder / LEDGER, accept_damage=accept_damage)
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
    """Record in the ledger that it is written on although some of it is damaged."""
    places = [str(one) for one in ledger.recovery.damage]
    _record(ledger, {"event": "damage accepted", "damage": places[:TOLD]})


def record_loss(folder: Path, ledger: Ledger, lost: list[Alarm]) -> None:
    """Record in the ledger that it is written on without what was known of it; then let that be forgotten."""
    log.warning("accepted: %s", "; ".join(alarm.text for alarm in lost))
    _record(ledger, loss(lost, ledger.head))
    forget(folder, ledger.vault_id, lost)
    Checkpoints(folder, ledger.vault_id).now(ledger.head)


def begin_noting(folder: Path, ledger: Ledger) -> None:
    """Keep the file of checkpoints from now on; where somebody has removed it, that is recorded.

    To be called before a catalog is built: one that there is tells that the file was there.
    """
    checkpoints, missing = Checkpoints(folder, ledger.vault_id), missing_file(folder)
    if missing:
        log.error("%s", missing)
        checkpoints.set_aside()
        _record(ledger, {"event": "checkpoints lost", "said": missing})
    checkpoints.now(ledger.head)


def _record(ledger: Ledger, event: dict[str, Any]) -> None:
    """Record a decision of whoever runs this process."""
    value = {"v": VERSION, "uid": os.getuid(), "at": int(time.time()), **event}
    ledger.append(json_record(Encoder(), Kind.AUDIT, value), time.time_ns() // 1000)
    ledger.commit()


def rebuilt_catalog(folder: Path, vault_id: bytes) -> Catalog:
    """Build a catalog where nobody has the former one open, and put it in its place."""
    with new_catalog(folder, vault_id) as catalog:
        replay(catalog, folder / LEDGER, None, own_work(folder))
        catalog.close()
        put_in_place(folder / (CATALOG + NEW), folder / CATALOG)
    return Catalog.open(folder / CATALOG)


@contextmanager
def new_catalog(folder: Path, vault_id: bytes) -> Iterator[Catalog]:
    """An empty catalog beside a vault's own; it is removed in the end, unless it has taken its place."""
    path = folder / (CATALOG + NEW)
    remove_catalog(path)
    try:
        with closing(Catalog.create(path, vault_id)) as catalog:
            yield catalog
    finally:
        remove_catalog(path)


def clear_rebuilds(folder: Path) -> None:
    """Remove what a rebuild that was killed left behind; an index that was about to be put in place is.

    For who holds the vault's lock.
    """
    remove_catalog(folder / (CATALOG + NEW))
    own, new, old = (folder / name for name in (INDEX, INDEX_NEW, INDEX_OLD))
    if old.exists() and new.exists() and not own.exists():  # killed between the two renames: `new` is whole
        with suppress(OSError):
            new.rename(own)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
