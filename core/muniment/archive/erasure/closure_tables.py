"""What a closure knows of hashes and records, in a temporary database: it may be more than memory holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from enum import IntEnum

from muniment.archive.facts import ErasedFrame

NEVER = 2**62
"""The batch of what stays."""
UNUSED = -1
"""The last batch that needs what nothing needs."""
_CACHE = 16 * 1024
"""KiB of the database that are held in memory."""
_BUFFER = 5_000
"""Rows that are gathered before they are written."""

_SCHEMA = """
CREATE TABLE message (sha BLOB PRIMARY KEY, batch INTEGER) WITHOUT ROWID;
CREATE TABLE copy (sha BLOB PRIMARY KEY, batch INTEGER) WITHOUT ROWID;
CREATE TABLE node (sha BLOB PRIMARY KEY, needed INTEGER DEFAULT -1, stored INTEGER DEFAULT 0) WITHOUT ROWID;
CREATE TABLE edge (user BLOB, message INTEGER, used BLOB, PRIMARY KEY (user, message, used)) WITHOUT ROWID;
CREATE TABLE frame (
  sequence INTEGER PRIMARY KEY, segment INTEGER, offset INTEGER, length INTEGER, kind INTEGER, time INTEGER,
  size INTEGER, sha BLOB, role INTEGER, batch INTEGER
);
CREATE INDEX frame_batch ON frame (batch, sequence);
CREATE VIEW message_end AS
  SELECT sha, CASE WHEN stored THEN batch ELSE MAX(batch, needed) END AS batch
  FROM message JOIN node USING (sha);
"""
_SPREAD = """
UPDATE node SET needed = found.batch FROM (
  SELECT used, MAX(CASE WHEN message
    THEN (SELECT batch FROM message_end WHERE sha = edge.user)
    ELSE (SELECT needed FROM node WHERE sha = edge.user) END) AS batch
  FROM edge GROUP BY used
) AS found WHERE node.sha = found.used AND found.batch > node.needed
"""
_SETTLE = """
UPDATE frame SET batch = CASE role
  WHEN 0 THEN (SELECT batch FROM message_end WHERE sha = frame.sha)
  WHEN 1 THEN (SELECT batch FROM copy WHERE sha = frame.sha)
  ELSE (SELECT MAX(needed, 0) FROM node WHERE sha = frame.sha) END
"""


class FrameRole(IntEnum):
    """As what a record goes."""

    MESSAGE = 0
    """As a message that is to be erased."""
    COPY = 1
    """As a copy of one."""
    PART = 2
    """As something that only such mail refers to."""


class ClosureTables:
    """Hashes and records of mail that is to be erased in batches. For one thread at a time.

    Messages, parts and lists of chunks are nodes. The last batch that needs a node is that of its last user;
    the users of a node are messages, copies, and other nodes.
    """

    def __init__(self) -> None:
        self._store = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._store.execute("PRAGMA journal_mode = OFF")
        self._store.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._store.executescript(_SCHEMA)
        self._maybe = _HashFilter()
        self._kept: list[tuple[int, bytes]] = []
        """Nodes that other mail needs, and that are not written yet."""

    def close(self) -> None:
        """Close and delete the database. It may be called twice."""
        self._store.close()

    # --- the mail -----------------------------------------------------------------------------

    def add_mail(self, batch: int, messages: Iterable[bytes], copies: Iterable[bytes]) -> None:
        """Add messages that are erased in a batch. A copy goes with the first batch that it has mail of."""
        for sha in messages:
            self._store.execute("INSERT OR IGNORE INTO message VALUES (?, ?)", (sha, batch))
            self.add_node(sha)
        for sha in copies:
            self._store.execute("INSERT OR IGNORE INTO copy VALUES (?, ?)", (sha, batch))
            self._maybe.add(sha)

    def mail_of(self, batch: int) -> frozenset[bytes]:
        """Return the SHA-256 of the messages of a batch."""
        return frozenset(sha for (sha,) in self._all("SELECT sha FROM message WHERE batch = ?", batch))

    def is_message(self, sha: bytes) -> bool:
        """Return whether this is a message that is to be erased."""
        return sha in self._maybe and self._one("SELECT batch FROM message WHERE sha = ?", sha) is not None

    def copy_batch(self, sha: bytes) -> int | None:
        """Return the batch with which a copy goes; None if it is none that is to be erased."""
        return self._one("SELECT batch FROM copy WHERE sha = ?", sha) if sha in self._maybe else None

    # --- nodes --------------------------------------------------------------------------------

    def add_node(self, sha: bytes) -> bool:
        """Add a node; returns whether it is new."""
        self._maybe.add(sha)
        return self._store.execute("INSERT OR IGNORE INTO node (sha) VALUES (?)", (sha,)).rowcount > 0

    def is_node(self, sha: bytes) -> bool:
        """Return whether this is a node."""
        return sha in self._maybe and self._one("SELECT needed FROM node WHERE sha = ?", sha) is not None

    def keep(self, shas: Iterable[bytes]) -> None:
        """Note that mail which stays refers to these."""
        self._kept += [(NEVER, sha) for sha in shas if sha in self._maybe]
        if len(self._kept) >= _BUFFER:
            self._write_kept()

    def _write_kept(self) -> None:
        self._store.executemany("UPDATE node SET needed = ? WHERE sha = ?", self._kept)
        self._kept.clear()

    def use_until(self, batch: int, shas: Iterable[bytes]) -> None:
        """Note that a copy which goes with a batch refers to these."""
        rows = [(batch, sha) for sha in shas]
        self._store.executemany("UPDATE node SET needed = MAX(needed, ?) WHERE sha = ?", rows)

    def refer(self, user: bytes, message: bool, shas: Iterable[bytes]) -> None:
        """Note that a message that goes, or another node, refers to these."""
        rows = [(user, message, sha) for sha in shas]
        self._store.executemany("INSERT OR IGNORE INTO edge VALUES (?, ?, ?)", rows)

    def store(self, sha: bytes) -> None:
        """Note that a node has a record as a part, which can be read."""
        self._store.execute("UPDATE node SET stored = 1 WHERE sha = ?", (sha,))

    # --- records ------------------------------------------------------------------------------

    def add_frame(self, frame: ErasedFrame, role: FrameRole) -> None:
        """Add a record that may go."""
        self._store.execute(
            "INSERT OR IGNORE INTO frame VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*frame, role, NEVER)
        )

    def begin(self) -> None:
        """Forget records and references, before the ledger is read from its beginning."""
        self._kept.clear()
        self._store.execute("DELETE FROM frame")
        self._store.execute("DELETE FROM edge")
        self._store.execute("UPDATE node SET needed = ?, stored = 0", (UNUSED,))

    def settle(self) -> None:
        """Work out with which batch each record goes."""
        self._write_kept()
        while self._store.execute(_SPREAD).rowcount:
            pass
        self._store.execute(_SETTLE)

    def frames(self, batch: int) -> Iterator[ErasedFrame]:
        """Yield the records that go with a batch, and were not removed, in the order of the ledger."""
        columns = "sequence, segment, offset, length, kind, time, size, sha"
        query = f"SELECT {columns} FROM frame WHERE batch <= ? ORDER BY sequence"  # noqa: S608
        return (ErasedFrame(*row) for row in self._all(query, batch))

    def remove_frames(self, batch: int) -> None:
        """Remove the records of a batch: they are erased."""
        self._store.execute("DELETE FROM frame WHERE batch <= ?", (batch,))

    def needed_messages(self, batch: int) -> list[bytes]:
        """Return the messages of a batch whose record stays, since other mail has them as an attachment."""
        query = (
            "SELECT sha FROM message JOIN node USING (sha) "
            "WHERE batch = ? AND NOT stored AND needed = ? ORDER BY sha"
        )
        return [sha for (sha,) in self._all(query, batch, NEVER)]

    def _all(self, query: str, *values: object) -> sqlite3.Cursor:
        return self._store.execute(query, values)

    def _one(self, query: str, sha: bytes) -> int | None:
        row = self._store.execute(query, (sha,)).fetchone()
        return None if row is None else int(row[0])


class _HashFilter:
    """Tells quickly that a hash was not added, in 2 MiB of memory; the database decides about the rest."""

    def __init__(self) -> None:
        self._bits = bytearray(1 << 21)

    def add(self, sha: bytes) -> None:
        place = int.from_bytes(sha[:3])
        self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, sha: bytes) -> bool:
        place = int.from_bytes(sha[:3])
        return bool(self._bits[place >> 3] & 1 << (place & 7))
