"""The catalog: a projection of the ledger into SQL tables, for lists and look-ups."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog import sql, tables
from muniment.archive.catalog.queries import CatalogQueries
from muniment.archive.catalog.refiling import pending, refile_batch
from muniment.archive.catalog.store import CatalogStore, check, remove_catalog
from muniment.archive.catalog.trouble import damaged
from muniment.archive.catalog.writing import CatalogWriter
from muniment.archive.facts import Fact
from muniment.archive.ledger.model import LedgerHead
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory

EMPTY = LedgerHead(0, b"", 0, 0)
"""The head of a catalog to which no batch was applied."""


class Catalog(CatalogQueries):
    """A vault's catalog and its directory of users. Thread-safe. `CatalogQueries` has the look-ups.

    This object owns both: one transaction changes them together, and readers see the last committed state.
    `replace` puts another file and its directory in place, so that references to this object stay valid.
    """

    def __init__(self, store: CatalogStore, directory: Directory) -> None:
        """Not for callers: use `create` or `open`."""
        super().__init__(store)
        self._writer = CatalogWriter()
        self._directory = directory.sealed()
        self._changing = threading.Lock()
        """Held while the file or the directory is changed."""

    @classmethod
    def create(cls, path: Path, vault_id: bytes) -> Catalog:
        """Make a new, empty catalog.

        Args:
            path: The file to make.
            vault_id: The vault's id, 8 bytes.

        Raises:
            VaultError: The file exists already or can't be made.
        """
        if path.exists():
            raise VaultError(f"There is a catalog in {path} already; nothing was changed.")
        store = CatalogStore(path)
        try:
            with store.writing() as connection:
                tables.metadata.create_all(connection)
                connection.execute(sql.NEW_STATE, _new_state(vault_id))
        except BaseException:
            store.close()
            remove_catalog(path)
            raise
        return cls(store, Directory())

    @classmethod
    def open(cls, path: Path, readonly: bool = False) -> Catalog:
        """Open an existing catalog.

        Args:
            path: The file.
            readonly: Whether to open it only for reading. Another process may then write it, or replace it.

        Raises:
            CatalogOutdated: The file is missing, damaged or of an older schema: rebuild it.
            VaultError: The file can't be read now, or a newer program wrote it.
        """
        store = CatalogStore(path, readonly)
        try:
            check(store)
            return cls(store, store.read(_read_directory, path))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Close all connections. It may be called twice."""
        self._store.close()

    @property
    def path(self) -> Path:
        """The catalog's file."""
        return self._store.path

    @property
    def is_immutable(self) -> bool:
        """Whether no process can write the file, as in a read-only copy of a vault."""
        return self._store.is_immutable

    @property
    def directory(self) -> Directory:
        """The directory of users after the last applied change. The object itself never changes."""
        return self._directory

    # --- writing ------------------------------------------------------------------------------

    def apply(self, facts: Sequence[Fact], head: LedgerHead) -> None:
        """Apply committed batches in one transaction.

        Changes of the directory among the facts make the next directory; `refile` then moves the mail that
        they concern.

        Args:
            facts: All facts of one or more whole batches, in order of sequence. Facts that the catalog has
                already are skipped.
            head: The ledger's committed state after them.

        Raises:
            ConfigError: A change does not fit the directory; nothing was applied.
            NotFound: A change names an unknown user or address; nothing was applied.
            CatalogDamaged: The file contradicts itself; nothing was applied.
            VaultError: The file can't be written; nothing was applied.
        """
        with self._changing, self._forgetting_on_error():
            with self._store.writing() as connection:
                directory = self._writer.write(connection, facts, head, self._directory)
            self._directory = directory.sealed()

    def refile(self, *, batch: int = 1000) -> Iterator[int]:
        """File old mail again where changes of the directory concern it.

        Each step is one transaction and uses the directory as it is then. Batches may be applied between
        steps. After a crash or an early end, the next call goes on at the same place.

        Args:
            batch: Most mentions of changed addresses in one step.

        Yields:
            The number of messages that the step has looked at.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be written.
        """
        while (done := self._refile(batch)) is not None:
            yield done

    def _refile(self, batch: int) -> int | None:
        with self._changing, self._forgetting_on_error(), self._store.writing() as connection:
            return refile_batch(connection, self._directory, self._writer.boxes, max(batch, 1))

    @contextmanager
    def _forgetting_on_error(self) -> Iterator[None]:
        """Clear the writer's cache of numbers when a transaction is undone, before anything else uses it."""
        try:
            yield
        except BaseException:
            self._writer.forget()
            raise

    def replace(self, new: Catalog) -> None:
        """Replace file and directory by those of another catalog, and close that one.

        This waits for all calls that use the file now; calls that come meanwhile wait for milliseconds.

        Args:
            new: A catalog of the same vault, in a file of its own.

        Raises:
            OSError: The file can't be put in place; this catalog stays as it was.
            VaultError: The new file is not complete; this catalog stays as it was.
        """
        with self._changing:
            new.close()
            self._store.replace(new._store.path)
            self._directory, self._writer = new._directory, CatalogWriter()

    def refile_pending(self) -> bool:
        """Return whether old mail must still be filed again."""
        return bool(self._store.read(pending))

    def meta_set(self, name: str, value: str) -> None:
        """Store a text under a name. It is lost when the catalog is rebuilt.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be written.
        """
        with self._store.writing() as connection:
            connection.execute(sql.SET_META, {"name": name, "value": value})


def _read_directory(connection: Connection, path: Path) -> Directory:
    """Make the directory from all changes that the catalog holds.

    Raises:
        CatalogDamaged: The changes contradict each other.
    """
    rows = connection.execute(sql.GET_DIRECTORY).all()
    directory = Directory()
    try:
        for row in rows:
            directory.apply(changes.decode(row.change), row.time)
    except (ConfigError, NotFound) as error:
        raise damaged(path, "its directory of users contradicts itself", error) from error
    return directory


def _new_state(vault_id: bytes) -> dict[str, Any]:
    return {
        "id": 1,
        "schema": tables.SCHEMA,
        "vault": vault_id,
        "tree_size": EMPTY.tree_size,
        "root": EMPTY.root,
        "segment": EMPTY.segment,
        "offset": EMPTY.offset,
        "messages": 0,
        "envelopes": 0,
        "moved_messages": 0,
        "moved_envelopes": 0,
        "message_bytes": 0,
        "copy_bytes": 0,
        "regenerated": 0,
        "affected": None,
        "cursor_address": 0,
        "cursor_envelope": -1,
    }
