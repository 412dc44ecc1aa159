"""A mailbox's listing, kept on disk: memory does not grow with the mailbox.

A private SQLite file in the work folder, unlinked as soon as it is open, so that nothing is left
behind however the process ends. A million keys take 60 MB of disk and 2 MB of memory.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from muniment.sources.work import make_work

_PAGE = 1000
_ASKED = 500


class DuplicateKey(ValueError):
    """Two messages have one key; the text is the key."""


class Roll:
    """Numbered keys with sizes; looked up by key, listed by number or in order of keys."""

    def __init__(self, work: Path) -> None:
        make_work(work)  # whoever else used it may have tidied it up meanwhile
        path = work / f"roll-{uuid.uuid4().hex}"
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for setting in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute(
            "CREATE TABLE roll (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, note TEXT)"
        )
        self._database.execute("CREATE TABLE sizes (number INTEGER PRIMARY KEY, size INTEGER NOT NULL)")
        path.unlink()

    def __del__(self) -> None:
        # A listing may outlive the session that took it, so the last who uses a roll ends it.
        with suppress(AttributeError):
            self._database.close()

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Take numbered keys. Raises DuplicateKey."""
        last = ""

        def watched() -> Iterator[tuple[int, str]]:
            nonlocal last
            for row in rows:
                last = row[1]
                yield row

        try:
            self._insert("INSERT INTO roll (number, key) VALUES (?, ?)", watched())
        except sqlite3.IntegrityError as error:
            raise DuplicateKey(last) from error

    def merge(self, rows: Iterable[tuple[str, str]]) -> None:
        """Take keys with notes; of a key that comes twice the later note is kept."""
        self._insert("INSERT OR REPLACE INTO roll (key, note) VALUES (?, ?)", rows)

    def add_sizes(self, rows: Iterable[tuple[int, int]]) -> None:
        """Take the sizes of numbered messages, in bytes."""
        self._insert("INSERT OR REPLACE INTO sizes VALUES (?, ?)", rows)

    def numbers(self, keys: Sequence[str]) -> dict[str, int]:
        """The numbers of those of `keys` that are on the roll."""
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
        """Keys and sizes in the order of their numbers."""
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
