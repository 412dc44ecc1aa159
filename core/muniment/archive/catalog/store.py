"""The catalog's file and the connections to it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from muniment.archive.catalog import sql, tables
from muniment.archive.catalog.model import CatalogOutdated
from muniment.archive.ledger.model import Head
from muniment.errors import VaultError

BUSY = 30.0
"""Seconds that a statement waits for another connection's lock."""


class _Readers:
    """Open connections for reading. Each is closed once: with its thread, or with all others.

    Once `close_all` has returned none is left, nor about to be closed by another thread: SQLite removes the
    write-ahead log with the last connection, by its name, and another catalog may take this one's place.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: set[Connection] = set()

    def connect(self, engine: Engine) -> Connection:
        with self._lock:
            connection = engine.connect()
            self._open.add(connection)
            return connection

    def close(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)
                connection.close()

    def close_all(self) -> None:
        with self._lock:
            while self._open:
                self._open.pop().close()


class _Reader:
    """A thread's connection for reading, closed when nothing refers to this any more: with its thread.

    A connection that is merely dropped stays open until the garbage collector comes by, for it is part of a
    cycle; a service whose every run has threads of its own would have hundreds open by then.
    """

    def __init__(self, engine: Engine, readers: _Readers) -> None:
        self._readers = readers
        self.connection = readers.connect(engine)

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of the process, what it needs may be gone
            self._readers.close(self.connection)


class Store:
    """A SQLite file: one connection that writes, and one that reads for each thread that asks.

    A thread's connection is closed with the thread.
    """

    def __init__(self, path: Path, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        self._writer: Connection | None = None
        self._readers = _Readers()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        still = readonly and _is_still(path)
        self._reading = _engine(path, "ro" if readonly else "rw", sql.READ_PRAGMAS, still)
        self._reading = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = _engine(path, "rwc", sql.PRAGMAS)

    def reader(self) -> Connection:
        """This thread's connection for reading; it sees what was committed last."""
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.connection.closed:
            reader = self._local.reader = _Reader(self._reading, self._readers)
        return reader.connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; an exception undoes it. One at a time, from any thread.

        Raises:
            VaultError: it can't be written.
        """
        if self.readonly:
            raise VaultError("The catalog was opened for reading only.")
        try:
            with self._lock:
                if self._writer is None:
                    self._writer = self._writing.connect()
            with self._turn, self._writer.begin():
                yield self._writer
        except OperationalError as error:
            raise VaultError(
                f"The catalog {self.path} can't be written ({error.orig}): free space or mend its rights, "
                "and try again."
            ) from error

    def close(self) -> None:
        """Close all connections; the last one takes the write-ahead log into the file."""
        with self._lock:
            writer, self._writer = self._writer, None
        self._readers.close_all()
        if writer is not None:
            writer.close()


def _is_still(path: Path) -> bool:
    """Whether nobody can be writing: a folder that can't be written, and no log of writes left behind.

    SQLite needs to be told, since else it would make its log's files to read beside a writer.
    """
    log = path.with_name(path.name + "-wal")
    return not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)


def _engine(path: Path, mode: str, pragmas: tuple[str, ...], still: bool = False) -> Engine:
    url = URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(str(path.absolute()))}",
        query={"mode": mode, "uri": "true"} | ({"immutable": "1"} if still else {}),
    )
    arguments = {"check_same_thread": False, "timeout": BUSY}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: Any) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    return engine


class Seen(NamedTuple):
    """What a catalog of any version has seen."""

    schema: int
    vault: bytes
    head: Head


def seen_by(path: Path) -> Seen | None:
    """What the catalog in a file has seen of which ledger, whatever version it is of; None where it can't be
    told."""
    mode = "immutable=1" if _is_still(path) else "mode=ro"
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)) as connection:
            row = connection.execute(
                "SELECT schema, vault, tree_size, root, segment, offset FROM state"
            ).fetchone()
        return Seen(int(row[0]), bytes(row[1]), Head(int(row[2]), bytes(row[3]), int(row[4]), int(row[5])))
    except (sqlite3.Error, TypeError, ValueError):
        return None


def check(store: Store) -> None:
    """See that a file is a catalog of this program's schema.

    Raises:
        CatalogOutdated: it is not, or is missing or damaged; it must be rebuilt.
        VaultError: it is a newer program's, or can't be read now though nothing says that it is bad.
    """
    rebuild = f"The catalog {store.path} must be rebuilt: run `muniment rebuild --catalog`"
    if not store.path.is_file():
        raise CatalogOutdated(f"{rebuild} (it is missing).")
    try:
        schema = store.reader().execute(sql.GET_SCHEMA).scalar_one_or_none()
    except OperationalError as error:
        if "no such" in str(error.orig):
            raise CatalogOutdated(f"{rebuild} (it is no catalog).") from error
        raise VaultError(f"The catalog {store.path} can't be read ({error.orig}); try again.") from error
    except DatabaseError as error:
        raise CatalogOutdated(f"{rebuild} ({error.orig}).") from error
    if isinstance(schema, int) and schema > tables.SCHEMA:
        raise VaultError(
            f"The catalog {store.path} was written by a newer Muniment (version {schema}, this one knows "
            f"{tables.SCHEMA}): update Muniment, or build it anew with `muniment rebuild --catalog`."
        )
    if schema != tables.SCHEMA:
        raise CatalogOutdated(f"{rebuild} (it has version {schema}, not {tables.SCHEMA}).")
