"""Compares a catalog with another one that was made from the same ledger, row by row, in bounded memory."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.proof.tables import VIEWS, Row, TableView, count_of
from muniment.system.sanitise import clean

FAULTS = 3
"""Most findings of SQLite's own check that are reported."""
CACHE = "PRAGMA cache_size = -8192"


@dataclass(slots=True)
class TableDifference:
    """How a table of the catalog differs from the ledger."""

    view: TableView
    missing: int = 0
    """Number of rows that the catalog lacks."""
    extra: int = 0
    """Number of rows that the ledger does not have."""
    changed: int = 0
    """Number of rows with other values."""
    columns: Counter[str] = field(default_factory=Counter)
    """Number of other values by column."""
    example: Row = ()
    """The first row that differs."""

    def __str__(self) -> str:
        found = [
            f"{count:,} {word}"
            for count, word in (
                (self.missing, "missing"),
                (self.extra, "that the ledger does not have"),
                (self.changed, f"changed ({', '.join(sorted(self.columns))})"),
            )
            if count
        ]
        what = f"the {self.view.what} (table {self.view.table})"
        return f"{what}: {' and '.join(found)}, such as {_named(self.view, self.example)}"


def _named(view: TableView, row: Row) -> str:
    """Describe a row by its key, as text for messages."""
    words = (
        f"{name} {value if isinstance(value, int) else _text(value)!r}"
        for name, value in zip(view.key, row, strict=False)
    )
    return ", ".join(words)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return clean(value.decode())
        except UnicodeDecodeError:
            return value.hex()
    return clean(str(value))


@contextmanager
def reading(path: Path, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a catalog's file, and read one committed state of it until the end.

    If the file is replaced meanwhile, the connection goes on with the old file.

    Args:
        path: The catalog's file.
        immutable: Whether no process can write the file.

    Raises:
        sqlite3.Error: The file can't be read.
        OSError: The file is missing.
    """
    connection = _opened(path, "immutable=1" if immutable else "mode=ro")
    try:
        yield connection
    finally:
        connection.close()


def tables_of(catalog: Catalog) -> AbstractContextManager[sqlite3.Connection]:
    """Open the file of a vault's catalog; see `reading`.

    Raises:
        TypeError: The catalog is not in SQLite.
    """
    file = SqliteCatalog.of(catalog)
    return reading(file.path, file.is_immutable)


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    """Open a connection to a file and the log of the same file, although a process may replace both."""
    for last in (False, False, True):
        before = path.stat()
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path.absolute()))}?{mode}",
            uri=True,
            timeout=30,
            check_same_thread=False,
        )
        try:
            connection.isolation_level = None
            connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA query_only = ON")
            connection.execute(CACHE)
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM state").fetchone()  # from here on the state stays the same
            if os.path.samestat(before, path.stat()):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        if last:
            break
    raise sqlite3.OperationalError("it is replaced again and again")


def differences(
    ledger: sqlite3.Connection, catalog: sqlite3.Connection, step: Callable[[], None]
) -> Iterator[TableDifference]:
    """Yield the differences between two catalogs, table by table.

    Args:
        ledger: A catalog that was just made from the ledger.
        catalog: The catalog to check.
        step: Called regularly. An error that it raises ends the comparison.

    Raises:
        sqlite3.Error: A catalog can't be read.
    """
    for view in VIEWS:
        found = _compared(view, view.rows(ledger), view.rows(catalog), step)
        if view.joined:
            seen = found.rows
            held = catalog.execute(count_of(view)).fetchone()[0]
            if held != seen:
                found.difference.extra += abs(held - seen)
                found.difference.example = found.difference.example or ("without its other row",)
        if found.difference.missing or found.difference.extra or found.difference.changed:
            yield found.difference


@dataclass(slots=True)
class _Found:
    difference: TableDifference
    rows: int = 0
    """Number of rows of the catalog."""


def _compared(view: TableView, right: Iterator[Row], ours: Iterator[Row], step: Callable[[], None]) -> _Found:
    found = _Found(TableDifference(view))
    width = len(view.key)
    a, b = next(right, None), next(ours, None)
    while a is not None or b is not None:
        if a == b:
            found.rows += 1
            if not found.rows % 1000:
                step()
            a, b = next(right, None), next(ours, None)
        elif b is None or (a is not None and _order(a[:width]) < _order(b[:width])):
            found.difference.missing += 1
            found.difference.example = found.difference.example or a or ()
            a = next(right, None)
        elif a is None or _order(b[:width]) < _order(a[:width]):
            found.difference.extra += 1
            found.difference.example = found.difference.example or b
            found.rows += 1
            b = next(ours, None)
        else:
            _change(found.difference, a, b)
            found.rows += 1
            a, b = next(right, None), next(ours, None)
    return found


def _change(difference: TableDifference, a: Row, b: Row) -> None:
    names = (*difference.view.key, *difference.view.values)
    difference.changed += 1
    difference.columns.update(name for name, x, y in zip(names, a, b, strict=True) if x != y)
    difference.example = difference.example or a


def _order(key: Row) -> list[tuple[int, object]]:
    """Return a sort key with SQLite's order: NULL, numbers, text, bytes."""
    return [(_RANK.get(type(value), 2), 0 if value is None else value) for value in key]


_RANK = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}


# --- the file ----------------------------------------------------------------------------------------


def faults(catalog: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite's own check finds in a file: damaged pages, and indexes that lack rows.

    Raises:
        sqlite3.Error: The file can't be read.
    """
    for (finding,) in catalog.execute(f"PRAGMA integrity_check({FAULTS})"):
        if finding != "ok":
            yield f"its file is damaged ({clean(str(finding))})"


def shape(connection: sqlite3.Connection) -> dict[str, object]:
    """Return the tables with their columns, the indexes and all other objects of a file, by name.

    Raises:
        sqlite3.Error: The file can't be read.
    """
    found: dict[str, object] = {}
    for kind, name, table, text in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        quoted = '"' + str(name).replace('"', '""') + '"'
        if kind == "table":
            columns: object = connection.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
        elif kind == "index":
            where = " ".join(str(text or "").partition(" WHERE ")[2].split())
            columns = (table, where, connection.execute(f"PRAGMA index_xinfo({quoted})").fetchall())
        else:
            columns = " ".join(str(text).split())
        found[f"{kind} {name}"] = columns
    return found


def misshapen(ledger: sqlite3.Connection, catalog: sqlite3.Connection) -> Iterator[str]:
    """Yield how a catalog's tables, indexes and other objects differ from those of the other one.

    Raises:
        sqlite3.Error: A catalog can't be read.
    """
    right, ours = shape(ledger), shape(catalog)
    for name in sorted(right.keys() | ours.keys()):
        if name not in ours:
            yield f"it lacks the {name}"
        elif name not in right:
            yield f"it has a {clean(name)} that does not belong there"
        elif right[name] != ours[name]:
            yield f"its {clean(name)} has another definition"
