"""The listing of a mailbox, kept on disk, so that memory does not grow with the mailbox.

It is a private SQLite file in the work folder. The file is unlinked as soon as it is open, so nothing is left
behind, however the process ends. A million keys take 60 MB of disk and 2 MB of memory.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from muniment.sources.spool_files import make_work

_PAGE = 1000
_ASKED = 500


class ListingStore:
    """Numbered keys with sizes. They are looked up by key, and listed by number or by key.

    If several messages have the same key, all but the first get `KEY (2)`, `KEY (3)` and so on. Such messages
    are **twins**: in the next session, one of them can have the key that another has now.
    """

    def __init__(self, work: Path) -> None:
        make_work(work)  # another run can have removed the folder in the meantime
        path = work / f"roll-{uuid.uuid4().hex}"
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
        """
        insert = "INSERT OR IGNORE INTO roll (number, key) VALUES (?, ?)"
        self._database.execute("BEGIN")
        try:
            for number, key in rows:
                name = key
                while not self._database.execute(insert, (number, name)).rowcount:
                    name = self._twin(number, key)
        finally:
            self._database.execute("COMMIT")

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
        """Add keys with notes; a later note replaces an earlier one of the same key."""
        self._insert("INSERT OR REPLACE INTO roll (key, note) VALUES (?, ?)", rows)

    def add_sizes(self, rows: Iterable[tuple[int, int]]) -> None:
        """Add the sizes of numbered messages, in bytes."""
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
        self._database.execute("BEGIN")
        try:
            self._database.executemany(statement, rows)
        finally:
            self._database.execute("COMMIT")


def common_key(key: str) -> str:
    """The key that the twins of a message share; the key itself for any other message."""
    return key.rpartition(" (")[0] or key
