"""Makes and opens vaults: puts ledger, catalog and index together.

The modules `layout`, `open_catalog` and `open_index` choose the implementations. All other code knows the
contracts.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from muniment.archive.catalog import Catalog
from muniment.archive.files.lock import VaultLock
from muniment.archive.files.temp_files import clean_work, leave_work
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.erasures import VaultErasures, waiting_erasures
from muniment.archive.vault.known_roots import CheckpointFile, require_whole
from muniment.archive.vault.layout import INDEX, LEDGER, segments_of
from muniment.archive.vault.open_catalog import (
    begin_noting,
    clear_rebuilds,
    empty_catalog,
    matching_catalog,
    readable_catalog,
)
from muniment.archive.vault.open_index import IndexPlace
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError


def create_vault(folder: Path) -> Vault:
    """Make an empty vault, and open it for writing.

    Args:
        folder: An existing folder with mode 0700.

    Raises:
        VaultError: There is a vault in the folder already, or the folder belongs to another user.
        VaultLocked: Another process is writing a vault there.
        OSError: The folder can't be written.
    """
    lock = VaultLock(folder)
    ledger = Ledger.create(segments_of(folder))
    catalog = empty_catalog(folder, ledger.vault_id)
    CheckpointFile(folder, ledger.vault_id).begin()
    return _composed(folder, catalog, ledger, lock)


def open_vault(folder: Path, *, write: bool) -> Vault:
    """Open a vault.

    For writing, this recovers the ledger after a crash, and brings the catalog forward or rebuilds it. If any
    place in the vault knows more of the ledger than is left, nothing is changed.

    Args:
        folder: The vault's folder.
        write: Whether to open it as its only writer; otherwise for reading, also while another process writes
            it.

    Raises:
        VaultError: There is no vault, a newer program wrote it, or it can't be read or written.
        CatalogOutdated: The catalog must be rebuilt first; only for reading.
        VaultLocked: Another process is writing the vault; only for writing.
        LedgerDamaged: The ledger is damaged, cut or rewritten; only for writing.
        OSError: The folder can't be written; only for writing.
    """
    if not (folder / LEDGER).is_dir():
        raise VaultError(f"there is no ledger in {folder}: restore it from a backup, or name another vault")
    return _for_writing(folder) if write else _for_reading(folder)


def _for_reading(folder: Path) -> Vault:
    catalog = readable_catalog(folder)
    try:
        vault = _composed(folder, catalog, None, None)
        vault.reader.refuse(waiting_erasures(vault.segments, vault.head))
        return vault
    except BaseException:
        catalog.close()
        raise


def _for_writing(folder: Path) -> Vault:
    with ExitStack() as undo:
        lock = VaultLock(folder)
        undo.callback(lock.release)
        clean_work(folder)
        require_whole(folder)
        clear_rebuilds(folder)
        VaultErasures(folder, segments_of(folder)).finish()
        ledger = Ledger.open(segments_of(folder))
        undo.callback(ledger.close)
        begin_noting(folder, ledger)
        catalog = matching_catalog(folder, ledger)
        undo.callback(catalog.close)
        vault = _composed(folder, catalog, ledger, lock)
        undo.callback(leave_work, folder)
        vault.finish_refiling()
        undo.pop_all()
        return vault


def _composed(folder: Path, catalog: Catalog, ledger: Ledger | None, lock: VaultLock | None) -> Vault:
    return Vault(folder, catalog, IndexPlace(folder / INDEX), ledger, lock)
