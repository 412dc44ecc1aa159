"""The listing of a mailbox, kept on disk, so that memory does not grow with the mailbox.

It is a private SQLite file in the work folder. The file is unlinked as soon as it is open, so nothing is left
behind, however the process ends. A million keys take 60 MB of disk and 2 MB of memory. A list that is longer
than any mailbox needs is refused, and so is one for which the disk has no room.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from muniment.errors import SourceError
from muniment.sources.source_limits import SourceLimits
from muniment.sources.spool_files import make_work
from muniment.system.free_space import free_bytes

_Row = TypeVar("_Row", bound=tuple[object, ...])
_PAGE = 1000
_ASKED = 500
_ROW = 32
"""Bytes of a row besides its texts, each of which can be kept twice: in its table, and in an index."""


class ListingStore:
    """Numbered keys with sizes. They are looked up by key, and listed by number or by key.

    If several messages have the same key, all but the first get `KEY (2)`, `KEY (3)` and so on. Such messages
    are **twins**: in the next session, one of them can have the key that another has now.
    """

    def __init__(self, work: Path, limits: SourceLimits) -> None:
        """Make the file.

        Raises:
            SourceError: It can't be made.
        """
        self._work = work
        self._limits = limits
        self._size = 0
        self._checked = limits.unchecked
        """The size at which the free space is checked again."""
        make_work(work)  # another run can have removed the folder in the meantime
        path = work / f"roll-{uuid.uuid4().hex}"
        with self._explained():
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for setting in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute(
                "CREATE TABLE roll (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, note TEXT)"
            )
            self._database.execute("CREATE TABLE twins (key TEXT PRIMARY KEY, count INTEGER NOT NULL)")
            self._database.execute("CREATE TABLE sizes (number INTEGER PRIMARY KEY, size INTEGER NOT NULL)")
        path.unlink()

    def __del__(self) -> None:
        # A listing can outlive its session, so the last reference closes the database.
        with suppress(AttributeError):
            self._database.close()

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Add numbered keys.

        Raises:
            ValueError: Two keys have the same number.
            SourceError: The list is too long, or the disk has no room.
        """
        insert = "INSERT OR IGNORE INTO roll (number, key) VALUES (?, ?)"
        with self._writing():
            for number, key in self._counted(rows):
                name = key
                while not self._database.execute(insert, (number, name)).rowcount:
                    name = self._twin(number, key)

    def _twin(self, number: int, key: str) -> str:
        """The next key for a message whose key is taken. Raises ValueError if its number is known already."""
        if self._database.execute("SELECT 1 FROM roll WHERE number = ?", (number,)).fetchone():
            raise ValueError(number)
        self._database.execute(
            "INSERT INTO twins VALUES (?, 2) ON CONFLICT (key) DO UPDATE SET count = count + 1", (key,)
        )
        return f"{key} ({self.twins(key)})"

    def twins(self, key: str) -> int:
        """Number of messages that share a key; 0 if only one message has it. `key` can be a twin's key."""
        for one in (key, common_key(key)):
            if found := self._database.execute("SELECT count FROM twins WHERE key = ?", (one,)).fetchone():
                return int(found[0])
        return 0

    def doubled(self) -> int:
        """Number of keys that several messages share."""
        (count,) = self._database.execute("SELECT count(*) FROM twins").fetchone()
        return int(count)

    def merge(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add keys with notes; a later note replaces an earlier one of the same key. Raises SourceError."""
        self._insert("INSERT OR REPLACE INTO roll (key, note) VALUES (?, ?)", rows)

    def add_sizes(self, rows: Iterable[tuple[int, int]]) -> None:
        """Add the sizes of numbered messages, in bytes. Raises SourceError."""
        self._insert("INSERT OR REPLACE INTO sizes VALUES (?, ?)", rows)

    def numbers(self, keys: Sequence[str]) -> dict[str, int]:
        """The numbers of those `keys` that are known, by key."""
        found: dict[str, int] = {}
        for start in range(0, len(keys), _ASKED):
            some = keys[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, number FROM roll WHERE key IN ({marks})"  # noqa: S608  marks alone
            found.update(self._database.execute(query, some))
        return found

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM roll").fetchone()
        return int(count)

    def by_number(self) -> Iterator[tuple[str, int | None]]:
        """Keys and sizes in bytes, in the order of their numbers; None for an unknown size."""
        query = (
            "SELECT number, key, size FROM roll LEFT JOIN sizes USING (number) "
            "WHERE number > ? ORDER BY number LIMIT ?"
        )
        after = -1
        while rows := self._database.execute(query, (after, _PAGE)).fetchall():
            after = rows[-1][0]
            for _, key, size in rows:
                yield key, size

    def by_key(self) -> Iterator[tuple[str, str]]:
        """Keys and notes in the order of keys."""
        after = ""
        query = "SELECT key, note FROM roll WHERE key > ? ORDER BY key LIMIT ?"
        while rows := self._database.execute(query, (after, _PAGE)).fetchall():
            after = rows[-1][0]
            yield from rows

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._writing():
            self._database.executemany(statement, self._counted(rows))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._explained():
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of the disk into a sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise SourceError(
                f"The list of messages can't be kept in the work folder {self._work} ({error}): make room "
                "there."
            ) from error

    def _counted(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        """Pass on the rows, within the limits. Raises SourceError."""
        for row in rows:
            self._size += _ROW + 2 * sum(len(value) for value in row if isinstance(value, str))
            if self._size > self._limits.message_list:
                raise SourceError(
                    "The list of messages is longer than that of any mailbox "
                    f"({self._limits.message_list:,} bytes): ask the people who run that server."
                )
            if self._size >= self._checked:
                self._checked = self._size + self._limits.unchecked
                self._require_room()
            yield row

    def _require_room(self) -> None:
        free = free_bytes(self._work)
        if free is not None and free < self._limits.free_space + self._limits.unchecked:
            raise SourceError(
                f"The disk of the work folder {self._work} is nearly full, and the list of messages is long: "
                "make room there, and run again."
            )


def common_key(key: str) -> str:
    """The key that the twins of a message share; the key itself for any other message."""
    return key.rpartition(" (")[0] or key
