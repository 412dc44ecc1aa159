"""The catalog's file and the connections to it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from muniment.archive.catalog import sql, tables
from muniment.archive.catalog.model import CatalogDamaged, CatalogOutdated
from muniment.archive.catalog.trouble import explained
from muniment.archive.files.gate import Gate
from muniment.archive.ledger.model import Head
from muniment.errors import VaultError

NEW = ".new"
"""What the name of a catalog ends in until it takes the place of another."""
P = ParamSpec("P")
T = TypeVar("T")

BUSY = 30.0
"""Seconds that a statement waits for another connection's lock."""
TRIES, SOON = 20, 0.05
"""Tries at a file that another process replaces at this moment, and the seconds between two."""


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

    A thread's connection is closed with the thread. SQLite finds a write-ahead log by the name of its file,
    so while another file takes this one's place, no connection may be open: `replace` keeps all threads out
    for that long, and each opens its connection again afterwards.
    """

    def __init__(self, path: Path, readonly: bool = False) -> None:
        if readonly and _needs_copy(path):
            path = self._copied(path)
        self.path = path
        self.readonly = readonly
        self._writer: Connection | None = None
        self._readers = _Readers()
        self._local = threading.local()
        self._gate = Gate()
        self._turn = threading.Lock()
        self._closed = False
        self.still = readonly and _is_still(path)
        """Whether nobody can be writing it."""
        self._reading = _engine(path, "ro" if readonly else "rw", sql.READ_PRAGMAS, self.still)
        self._reading = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = _engine(path, "rwc", sql.PRAGMAS)

    def _copied(self, path: Path) -> Path:
        """A copy of a file and its log of writes, for as long as this object lives.

        To read a log, SQLite must make a file beside it.
        """
        folder = Path(tempfile.mkdtemp(prefix="muniment-catalog-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        for one in (path, companions(path)[0]):
            shutil.copyfile(one, folder / one.name)
        return folder / path.name

    def read(self, look: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """What `look` finds through this thread's connection, which sees what was committed last.

        `look` must have read all that it returns: the file may be another one afterwards.

        Raises:
            CatalogDamaged: the file contradicts itself.
            VaultError: it can't be read now, or is closed.
        """
        with self._gate.together(), explained(self.path, "read"):
            return look(self._connected(), *arguments, **named)

    def _connected(self) -> Connection:
        if self._closed:
            raise VaultError("The vault is closed: open it again.")
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.connection.closed:
            reader = self._local.reader = self._connect()
        return reader.connection

    def _connect(self) -> _Reader:
        """A new connection to the file and to that file's log, although another process may replace both."""
        if not self.readonly:
            return _Reader(self._reading, self._readers)
        for _ in range(TRIES):
            before = _identity(self.path)
            try:
                reader = _Reader(self._reading, self._readers)
                reader.connection.exec_driver_sql(sql.TOUCH).scalar()  # only now SQLite opens the log
            except DBAPIError:
                if before is not None and _identity(self.path) == before:
                    raise
            else:
                if _identity(self.path) == before:
                    return reader
            time.sleep(SOON)
        raise VaultError(f"The catalog {self.path} can't be opened: see whether it is there, and try again.")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction; an exception undoes it. One at a time, from any thread.

        Raises:
            CatalogDamaged: the file contradicts itself.
            VaultError: it can't be written, or is closed.
        """
        if self.readonly:
            raise VaultError("The catalog was opened for reading only.")
        with self._gate.together(), self._turn, explained(self.path, "written"):
            if self._closed:
                raise VaultError("The vault is closed: open it again.")
            if self._writer is None:
                self._writer = self._writing.connect()
            with self._writer.begin():
                yield self._writer

    def replace(self, new: Path) -> None:
        """Put the file `new`, to which no connection is open, in the place of this one.

        What reads or writes now ends first, and what comes meanwhile waits.

        Raises:
            VaultError: `new` is not whole.
            OSError: it can't be put in place; where it can be helped, the former file stays.
        """
        with self._gate.alone():
            self._disconnect()
            put_in_place(new, self.path)

    def close(self) -> None:
        """Close all connections; the last one takes the write-ahead log into the file. Safe to call twice."""
        with self._gate.alone():
            self._closed = True
            self._disconnect()

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        self._readers.close_all()
        if writer is not None:
            writer.close()


def companions(path: Path) -> list[Path]:
    """The files that SQLite has beside an open one: its write-ahead log, and the index of that."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


def put_in_place(new: Path, path: Path) -> None:
    """Put a catalog's file in the place of another; neither is open in this process.

    A log that is left is of the former file, which another process has open. The file goes first then: after
    a crash in between there is no catalog, and one is built, where a file with another one's log were ruined.

    Raises:
        VaultError: `new` is not whole.
        OSError: it can't be put in place.
    """
    if any(one.exists() for one in companions(new)):
        raise VaultError(f"The new catalog could not be written whole: free space for {path}, and try again.")
    if any(one.exists() for one in companions(path)):
        remove_catalog(path)
    new.rename(path)


def remove_catalog(path: Path) -> None:
    """Remove a catalog's file, and then what belongs to it."""
    for one in (path, *companions(path)):
        one.unlink(missing_ok=True)


def _needs_copy(path: Path) -> bool:
    """Whether a file can't be read where it is: a log of writes, in a folder that can't be written."""
    log, index = companions(path)
    return not os.access(path.parent, os.W_OK) and _size(log) > 0 and not index.exists()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has a name now; None where none has."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_still(path: Path) -> bool:
    """Whether nobody can be writing: a folder that can't be written, and no log of writes left behind.

    SQLite needs to be told, since else it would make its log's files to read beside a writer.
    """
    log = path.with_name(path.name + "-wal")
    return not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)


def _engine(path: Path, mode: str, pragmas: tuple[str, ...], still: bool = False) -> Engine:
    url = URL.create(
        "sqlite+pysqlite",
        database=f"file:{quote(os.fsencode(path.absolute()))}",
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
        with closing(
            sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?{mode}", uri=True)
        ) as connection:
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
    if not _is_there(store.path):
        raise CatalogOutdated(f"{rebuild} (it is missing).")
    try:
        schema = store.read(_schema)
    except CatalogDamaged as error:
        raise CatalogOutdated(f"{rebuild} (it is no catalog, or damaged).") from error
    if isinstance(schema, int) and schema > tables.SCHEMA:
        raise VaultError(
            f"The catalog {store.path} was written by a newer Muniment (version {schema}, this one knows "
            f"{tables.SCHEMA}): update Muniment, or build it anew with `muniment rebuild --catalog`."
        )
    if schema != tables.SCHEMA:
        raise CatalogOutdated(f"{rebuild} (it has version {schema}, not {tables.SCHEMA}).")


def _schema(connection: Connection) -> Any:
    return connection.execute(sql.GET_SCHEMA).scalar_one_or_none()


def _is_there(path: Path) -> bool:
    """Whether there is a file; one that another process is about to put in place is waited for."""
    for _ in range(TRIES):
        if path.is_file():
            return True
        if not path.with_name(path.name + NEW).is_file():
            break
        time.sleep(SOON)
    return path.is_file()
