"""The catalog in a SQLite file: opened, written and replaced."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.base import EMPTY, Catalog
from muniment.archive.catalog.sqlite import sql, sql_writes, tables
from muniment.archive.catalog.sqlite.queries import SqliteQueries
from muniment.archive.catalog.sqlite.refiling import pending, refile_batch
from muniment.archive.catalog.sqlite.store import BUSY, CatalogStore, check, remove_catalog
from muniment.archive.catalog.sqlite.trouble import damaged
from muniment.archive.catalog.sqlite.writing import FactWriter
from muniment.archive.facts import Fact
from muniment.archive.ledger.model import LedgerHead
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory


class SqliteCatalog(SqliteQueries):
    """A `Catalog` in a SQLite file. Make it with `create` or `open`. `SqliteQueries` has the look-ups."""

    def __init__(self, store: CatalogStore, directory: Directory) -> None:
        """Not for callers: use `create` or `open`."""
        super().__init__(store)
        self._writer = FactWriter()
        self._directory = directory.sealed()
        self._changing = threading.Lock()
        """Held while the file or the directory is changed."""

    @classmethod
    def create(cls, path: Path, vault_id: bytes) -> SqliteCatalog:
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
                connection.execute(sql_writes.NEW_STATE, _new_state(vault_id))
        except BaseException:
            store.close()
            remove_catalog(path)
            raise
        return cls(store, Directory())

    @classmethod
    def open(cls, path: Path, readonly: bool = False, busy: float = BUSY) -> SqliteCatalog:
        """Open an existing catalog.

        Args:
            path: The file.
            readonly: Whether to open it only for reading. Another process may then write it, or replace it.
            busy: How long a statement waits for another connection's lock, in seconds.

        Raises:
            CatalogOutdated: The file is missing, damaged or of an older schema: rebuild it.
            VaultError: The file can't be read now, or a newer program wrote it.
        """
        store = CatalogStore(path, readonly, busy)
        try:
            check(store)
            return cls(store, store.read(_read_directory, path))
        except BaseException:
            store.close()
            raise

    @classmethod
    def of(cls, catalog: Catalog) -> SqliteCatalog:
        """Return a catalog as the SQLite file that it is, for checks that read the tables themselves.

        Raises:
            TypeError: It is a catalog of another implementation, which needs checks of its own.
        """
        if not isinstance(catalog, cls):
            raise TypeError(f"not a catalog in SQLite: {type(catalog).__name__}")
        return catalog

    def copied(self, path: Path) -> SqliteCatalog:
        """Make a catalog in another file that has the rows of this one, and no trace of rows before them.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be read, or the copy can't be written.
        """
        self._store.copy(path)
        return SqliteCatalog.open(path)

    def close(self) -> None:
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
        return self._directory

    def directory_on(self, time: int) -> Directory:
        return self._store.read(_read_directory, self._store.path, time).sealed()

    # --- writing ------------------------------------------------------------------------------

    def apply(self, facts: Sequence[Fact], head: LedgerHead) -> None:
        with self._changing, self._forgetting_on_error():
            with self._store.writing() as connection:
                directory = self._writer.write(connection, facts, head, self._directory)
            self._directory = directory.sealed()

    def refile(self, *, batch: int = 1000) -> Iterator[int]:
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

    def replace(self, new: SqliteCatalog) -> None:
        with self._changing:
            new.close()
            self._store.replace(new._store.path)
            self._directory, self._writer = new._directory, FactWriter()

    def refile_pending(self) -> bool:
        return bool(self._store.read(pending))

    def meta_set(self, name: str, value: str) -> None:
        with self._store.writing() as connection:
            connection.execute(sql_writes.SET_META, {"name": name, "value": value})


def _read_directory(connection: Connection, path: Path, until: int | None = None) -> Directory:
    """Make the directory from the changes that the catalog holds: all, or those up to a time.

    Raises:
        CatalogDamaged: The changes contradict each other.
    """
    rows = connection.execute(sql.GET_DIRECTORY).all()
    directory = Directory()
    try:
        for row in rows:
            if until is not None and row.time > until:
                break
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
