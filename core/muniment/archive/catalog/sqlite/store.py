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
from functools import cache
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, Engine, NullPool, create_engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from muniment.archive.catalog.model import CatalogDamaged, CatalogOutdated
from muniment.archive.catalog.sqlite import sql, tables
from muniment.archive.catalog.sqlite.encoding import blob, whole
from muniment.archive.catalog.sqlite.trouble import as_vault_errors
from muniment.archive.files.gate import ThreadGate
from muniment.archive.ledger.model import LedgerHead
from muniment.errors import VaultError

NEW = ".new"
"""Suffix of the file of a new catalog until it replaces the old one."""
COMPILED = 1000
"""How many compiled statements to keep."""
P = ParamSpec("P")
T = TypeVar("T")

BUSY = 30.0
"""How long a statement waits for another connection's lock, in seconds."""
TRIES, SOON = 20, 0.05
"""How often to try to open a file that another process is replacing, and the pause between, in seconds."""


class _Readers:
    """The open connections for reading. Each is closed once, with its thread or by `close_all`.

    When `close_all` has returned, none is open, and no other thread is closing one. SQLite removes the
    write-ahead log by its name when the last connection closes, and by then the name may belong to another
    catalog.
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
    """A thread's connection for reading, closed when the thread ends.

    Without this, a connection would stay open until the garbage collector runs, since it is part of a
    reference cycle. Every run of a service has its own threads, so hundreds could be open by then.
    """

    def __init__(self, engine: Engine, readers: _Readers) -> None:
        self._readers = readers
        self.connection = readers.connect(engine)

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of the process, modules may be gone already
            self._readers.close(self.connection)


class CatalogStore:
    """A SQLite file with one connection for writing, and one for reading for each thread. Thread-safe.

    SQLite finds a write-ahead log by the name of its file, so no connection may be open while another file
    is put in place. `replace` keeps all threads out for that time; each then opens a new connection.
    """

    def __init__(self, path: Path, readonly: bool = False, busy: float = BUSY) -> None:
        """Prepare the connections; none is opened yet.

        Args:
            path: The SQLite file.
            readonly: Whether to open it only for reading. A file that can't be read in place, since its
                folder is read-only and it has a write-ahead log, is copied to a temporary folder.
            busy: How long a statement waits for another connection's lock, in seconds.

        Raises:
            OSError: The file can't be copied.
        """
        if readonly and _needs_copy(path):
            path = self._copied(path)
        self.path = path
        self.readonly = readonly
        self._writer: Connection | None = None
        self._readers = _Readers()
        self._local = threading.local()
        self._gate = ThreadGate()
        self._turn = threading.Lock()
        self._closed = False
        self.is_immutable = readonly and _is_immutable(path)
        """Whether no process can write the file."""
        self._reading = _engine(path, "ro" if readonly else "rw", sql.READ_PRAGMAS, busy, self.is_immutable)
        self._reading = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        self._writing = _engine(path, "rwc", sql.PRAGMAS, busy)

    def _copied(self, path: Path) -> Path:
        """Copy a file and its write-ahead log, for the lifetime of this object.

        SQLite must make a file beside a log to read it.
        """
        folder = Path(tempfile.mkdtemp(prefix="muniment-catalog-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        for one in (path, companions(path)[0]):
            shutil.copyfile(one, folder / one.name)
        return folder / path.name

    def read(self, look: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call `look` with this thread's connection, which reads the last committed state.

        Args:
            look: The function to call. It must not return an iterator over rows: the file may be replaced
                after the call.
            *arguments: Further arguments for `look`.
            **named: Further keyword arguments for `look`.

        Returns:
            The result of `look`.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be read now, or the store is closed.
        """
        with self._gate.together(), as_vault_errors(self.path, "read"):
            return look(self._connected(), *arguments, **named)

    def _connected(self) -> Connection:
        if self._closed:
            raise VaultError("The vault is closed: open it again.")
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.connection.closed:
            reader = self._local.reader = self._connect()
        return reader.connection

    def _connect(self) -> _Reader:
        """Open a connection to a file and the log of the same file, although a process may replace both."""
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
        raise VaultError(f"The catalog {self.path} can't be opened: check that it exists, and try again.")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction, and commit it at the end; an exception undoes it.

        Other threads wait for their turn to write.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be written, or the store is closed or read-only.
        """
        if self.readonly:
            raise VaultError("The catalog was opened for reading only.")
        with self._gate.together(), self._turn, as_vault_errors(self.path, "written"):
            if self._closed:
                raise VaultError("The vault is closed: open it again.")
            if self._writer is None:
                self._writer = self._writing.connect()
            with self._writer.begin():
                yield self._writer

    def copy(self, path: Path) -> None:
        """Copy what the file holds into a new file, and nothing of what was removed from it.

        Writing may go on meanwhile; the copy is of one committed state.

        Raises:
            CatalogDamaged: The file contradicts itself.
            VaultError: The file can't be read, or the copy can't be written.
        """
        file = f"file:{quote(os.fsencode(self.path.absolute()))}?mode=ro"
        with (
            self._gate.together(),
            as_vault_errors(self.path, "copied"),
            closing(sqlite3.connect(file, uri=True, timeout=BUSY, isolation_level=None)) as connection,
        ):
            connection.execute(sql.COPY, (os.fsencode(path).decode("utf-8", "surrogateescape"),))

    def replace(self, new: Path) -> None:
        """Replace the file by another one.

        This waits for all calls that use the file now; calls that come meanwhile wait.

        Args:
            new: A file to which no connection is open.

        Raises:
            VaultError: The new file is not complete.
            OSError: The new file can't be put in place. The old one stays if possible.
        """
        with self._gate.alone():
            self._disconnect()
            put_in_place(new, self.path)

    def close(self) -> None:
        """Close all connections; SQLite then merges its log into the file. It may be called twice."""
        with self._gate.alone():
            self._closed = True
            self._disconnect()

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        self._readers.close_all()
        if writer is not None:
            writer.close()


def companions(path: Path) -> list[Path]:
    """Return the paths of the write-ahead log and its index, which SQLite has beside an open file."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


def put_in_place(new: Path, path: Path) -> None:
    """Replace a catalog's file; neither file may be open in this process.

    A remaining log belongs to the old file, which another process has open. Then the old file is removed
    first: a crash in between leaves no catalog, which is rebuilt. The new file with the old log would be
    ruined.

    Raises:
        VaultError: The new file is not complete.
        OSError: The new file can't be put in place.
    """
    if any(one.exists() for one in companions(new)):
        raise VaultError(f"The new catalog is not complete: free space for {path}, and try again.")
    if any(one.exists() for one in companions(path)):
        remove_catalog(path)
    new.rename(path)


def remove_catalog(path: Path) -> None:
    """Remove a catalog's file, then its write-ahead log and index."""
    for one in (path, *companions(path)):
        one.unlink(missing_ok=True)


def _needs_copy(path: Path) -> bool:
    """Return whether a file can't be read in place: it has a write-ahead log, and its folder is read-only."""
    log, index = companions(path)
    return not os.access(path.parent, os.W_OK) and _size(log) > 0 and not index.exists()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_immutable(path: Path) -> bool:
    """Return whether no process can write a file: its folder is read-only, and there is no write-ahead log.

    SQLite must know this, since it would make files for its log otherwise.
    """
    log = path.with_name(path.name + "-wal")
    return not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)


@cache
def _initialized() -> tuple[Dialect, LRUCache[Any, Any]]:
    """Return the dialect of SQLite, and the cache of compiled statements that belongs to it.

    All catalogs of a process share them. A service opens a vault for each request, and compiling the
    statements takes longer than executing them.
    """
    engine = create_engine("sqlite+pysqlite://")
    engine.connect().close()  # the dialect learns what it must know from the first connection
    engine.dispose()
    return engine.dialect, LRUCache(COMPILED)


def _engine(path: Path, mode: str, pragmas: tuple[str, ...], busy: float, immutable: bool = False) -> Engine:
    file = f"file:{quote(os.fsencode(path.absolute()))}"
    query = f"mode={mode}" + "&immutable=1" * immutable

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"{file}?{query}", uri=True, check_same_thread=False, timeout=busy)
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    dialect, compiled = _initialized()
    url = URL.create("sqlite+pysqlite", database=file)
    pool = NullPool(cast(Callable[[], DBAPIConnection], connect), dialect=dialect)
    return Engine(pool, dialect, url, execution_options={"compiled_cache": compiled})


class CatalogState(NamedTuple):
    """Schema, vault and head of a catalog of any version."""

    schema: int
    vault: bytes
    head: LedgerHead


def seen_by(path: Path) -> CatalogState | None:
    """Read schema, vault and head of a catalog of any version; None if the file can't be read."""
    mode = "immutable=1" if _is_immutable(path) else "mode=ro"
    if not path.is_file():
        return None
    try:
        with closing(
            sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?{mode}", uri=True)
        ) as connection:
            row = connection.execute(
                "SELECT schema, vault, tree_size, root, segment, offset FROM state"
            ).fetchone()
        schema, vault, size, root, segment, offset = row
        head = LedgerHead(whole(size), blob(root), whole(segment), whole(offset))
        return CatalogState(whole(schema), blob(vault), head)
    except (sqlite3.Error, TypeError, ValueError):
        return None


def check(store: CatalogStore) -> None:
    """Check that a file is a catalog of this program's schema.

    Raises:
        CatalogOutdated: It is of an older schema, missing or damaged: it must be rebuilt.
        VaultError: A newer program wrote it, or it can't be read now.
    """
    rebuild = f"The catalog {store.path} must be rebuilt: run `muniment rebuild --catalog`"
    if not _is_there(store.path):
        raise CatalogOutdated(f"{rebuild} (it is missing).")
    try:
        schema = store.read(_schema)
    except CatalogDamaged as error:
        raise CatalogOutdated(f"{rebuild} (it is not a catalog, or is damaged).") from error
    if isinstance(schema, int) and schema > tables.SCHEMA:
        raise VaultError(
            f"The catalog {store.path} was written by a newer Muniment (version {schema}, this one knows "
            f"{tables.SCHEMA}): update Muniment, or rebuild it with `muniment rebuild --catalog`."
        )
    if schema != tables.SCHEMA:
        raise CatalogOutdated(f"{rebuild} (it has version {schema}, not {tables.SCHEMA}).")


def _schema(connection: Connection) -> Any:
    return connection.execute(sql.GET_SCHEMA).scalar_one_or_none()


def _is_there(path: Path) -> bool:
    """Return whether the file exists, after waiting for one that another process is putting in place."""
    for _ in range(TRIES):
        if path.is_file():
            return True
        if not path.with_name(path.name + NEW).is_file():
            break
        time.sleep(SOON)
    return path.is_file()
