"""Compares a vault's catalog with a second one, which is made from the ledger in a temporary file."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from muniment.archive.catalog.replay import known_damage, replay
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.files.disk_usage import size_of_files
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.proof.compare import TableDifference, differences, faults, misshapen, reading, tables_of
from muniment.archive.vault.layout import CATALOG
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.system.sanitise import clean

REMEDY = "keep a copy of catalog.db if it matters who changed it, then run `muniment rebuild --catalog`"
UPDATED = "; a newer Muniment may read mail differently: after an update, rebuild and verify again"
READ = frozenset({"message", "envelope", "mention", "address"})
"""Tables whose content the program reads from mail."""
SPARE = 1024 * 1024
"""Space on the disk that must stay free, in bytes."""
PATIENCE = 30.0
"""How long to wait until mail is filed after a change of the directory, in seconds."""
PAUSE = 0.2
"""Time between two looks at that, in seconds."""
Progress = Callable[[int, int], None]
"""Called with the records that are applied so far and in all. An error that it raises ends the work."""


def catalog_differences(
    vault: Vault, sound: bool, progress: Progress, *, spare: int = SPARE, patience: float = PATIENCE
) -> list[str]:
    """Compare a vault's whole catalog with its ledger. Runs may go on meanwhile.

    Args:
        vault: The vault.
        sound: Whether the ledger has no damage.
        progress: Called with the records that are applied so far and in all.
        spare: Space on the disk that must stay free, in bytes.
        patience: How long to wait until mail is filed after a change of the directory, in seconds.

    Returns:
        The differences, a sentence each.

    Raises:
        VaultError: There is no room for a second catalog.
    """
    with _scratch(vault, spare) as folder, closing(_Replica(vault, folder)) as replica:
        try:
            return list(replica.compared(sound, progress, patience))
        except (sqlite3.Error, DatabaseError) as error:
            return [f"the catalog can't be read completely ({clean(str(error))[:200]}): {REMEDY}"]


@contextmanager
def _scratch(vault: Vault, spare: int) -> Iterator[Path]:
    """Make a temporary folder with room for a second catalog; it is removed at the end."""
    work = make_work(own_work(vault.folder))
    need = 2 * size_of_files(vault.folder.glob(f"{CATALOG}*")) + spare
    free = shutil.disk_usage(work).free
    if free < need:
        raise VaultError(
            f"deep verification makes a second catalog in {work}, which may need {need // 1_000_000:,} MB, "
            f"but {free // 1_000_000:,} MB are free: free space, or verify without --deep"
        )
    with tempfile.TemporaryDirectory(prefix="verify-", dir=work) as folder:
        yield Path(folder)


class _Replica:
    """The second catalog."""

    def __init__(self, vault: Vault, folder: Path) -> None:
        self._vault = vault
        self._work = folder
        self._path = folder / CATALOG
        self._catalog = SqliteCatalog.create(self._path, vault.catalog.vault_id)

    def close(self) -> None:
        """Close the file."""
        self._catalog.close()

    def compared(self, sound: bool, progress: Progress, patience: float) -> Iterator[str]:
        """Yield the differences, a sentence each."""
        self._advance(self._vault.head, progress)
        until = time.monotonic() + patience
        with self._with_all_filed(until) as catalog:
            if catalog is None:
                yield "old mail is still being filed after a change of the directory: verify again later"
                return
            head = _head(catalog)
            self._advance(head, progress)
            if self._catalog.head != head:
                yield f"the catalog belongs to another ledger: {REMEDY}"
                return
            alike = known_damage(self._catalog) == known_damage(self._vault.catalog)
            if not sound and not alike:
                yield (
                    "the catalog was not compared row by row, since it was made before the ledger was "
                    "damaged: restore the ledger from a backup, or run `muniment rebuild --catalog`; then "
                    "verify again"
                )
                return
            yield from self._differences(catalog, head, progress)

    def _differences(
        self, catalog: sqlite3.Connection, head: LedgerHead, progress: Progress
    ) -> Iterator[str]:
        self._catalog.close()
        with reading(self._path) as ledger:
            wrong = [*misshapen(ledger, catalog), *faults(catalog)]
            yield from (f"the catalog: {what}: {REMEDY}" for what in wrong)
            for found in differences(ledger, catalog, lambda: progress(head.tree_size, head.tree_size)):
                yield _sentence(found)

    def _advance(self, head: LedgerHead, progress: Progress) -> None:
        """Apply the ledger's records up to a state."""

        def stopped(reached: LedgerHead) -> bool:
            progress(reached.tree_size, head.tree_size)
            return False

        since = self._catalog.head
        if since.tree_size < head.tree_size:
            begun = since if since.tree_size else None
            replay(self._catalog, self._vault.segments, begun, self._work, stopped, head)

    @contextmanager
    def _with_all_filed(self, until: float) -> Iterator[sqlite3.Connection | None]:
        """Open the vault's catalog in a state where all mail is filed; None if there is none in time."""
        while True:
            with tables_of(self._vault.catalog) as catalog:
                (affected,) = catalog.execute("SELECT affected FROM state").fetchone()
                if affected is None or time.monotonic() > until:
                    yield catalog if affected is None else None
                    return
            time.sleep(PAUSE)


def _head(catalog: sqlite3.Connection) -> LedgerHead:
    row = catalog.execute("SELECT tree_size, root, segment, offset FROM state").fetchone()
    return LedgerHead(*row)


def _sentence(found: TableDifference) -> str:
    updated = UPDATED if found.view.table in READ else ""
    return f"the catalog differs from the ledger in {found}: {REMEDY}{updated}"
