"""The catalog's file and the connections to it."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from muniment.archive.catalog import sql
from muniment.archive.catalog.model import CatalogOutdated
from muniment.errors import VaultError

BUSY = 30.0
"""Seconds that a statement waits for another connection's lock."""


class Store:
    """A SQLite file: one connection that writes, and one that reads for each thread that asks.

    A thread's connection is closed with the thread.
    """

    def __init__(self, path: Path, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        self._writer: Connection | None = None
        self._readers: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._reading = _engine(path, "ro" if readonly else "rw", sql.READ_PRAGMAS)
        self._reading = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = _engine(path, "rwc", sql.PRAGMAS)

    def reader(self) -> Connection:
        """This thread's connection for reading; it sees what was committed last."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = self._reading.connect()
            with self._lock:
                self._readers.add(connection)
        return connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; an exception undoes it. One at a time, from any thread."""
        if self.readonly:
            raise VaultError("The catalog was opened for reading only.")
        with self._lock:
            if self._writer is None:
                self._writer = self._writing.connect()
        with self._writer.begin():
            yield self._writer

    def close(self) -> None:
        """Close all connections; the last one takes the write-ahead log into the file."""
        with self._lock:
            connections = [*self._readers, *([self._writer] if self._writer else [])]
            self._writer = None
            self._readers.clear()
        for connection in connections:
            connection.close()


def _engine(path: Path, mode: str, pragmas: tuple[str, ...]) -> Engine:
    url = URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(str(path.absolute()))}",
        query={"mode": mode, "uri": "true"},
    )
    arguments = {"check_same_thread": False, "timeout": BUSY}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: Any) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    return engine


def check(store: Store) -> None:
    """See that a file is a catalog of this program's schema.

    Raises:
        CatalogOutdated: it is not, or is missing or damaged; it must be rebuilt.
        VaultError: it can't be read now, though nothing says that it is bad.
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
    if schema != sql.SCHEMA:
        raise CatalogOutdated(f"{rebuild} (it has version {schema}, not {sql.SCHEMA}).")
