"""What was given back to which target: a file of the vault that makes a restore resumable.

A message is noted before it is put into a target, and again when it is there. So after a crash it is known
which messages may be there already. If the file is lost, each message is looked for at the target instead. Of
messages it holds hashes alone. Nothing of it is evidence: that is in the audit trail.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from muniment.archive.files.lock import require_own
from muniment.errors import VaultError

NAME = "restores.sqlite"
"""The file's name in the vault."""
SENT, DONE = 1, 2
"""States: it may be there, it is there."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS restored (
    target BLOB NOT NULL,
    message BLOB NOT NULL,
    state INTEGER NOT NULL,
    time INTEGER NOT NULL,
    place TEXT NOT NULL,
    request TEXT NOT NULL,
    logged INTEGER NOT NULL,
    PRIMARY KEY (target, message)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS restored_place ON restored (target, place) WHERE place <> '';
CREATE INDEX IF NOT EXISTS restored_unlogged ON restored (logged) WHERE logged = 0;
"""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A message of a target in the journal."""

    done: bool
    """Whether it is there for sure."""
    time: int
    """When it was put there, in seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class UnloggedMail:
    """Messages that were given back, and which the audit trail does not name yet."""

    request: str
    """The event in which they belong, as JSON."""
    messages: tuple[bytes, ...]


def target_key(*parts: str) -> bytes:
    """The name of a target in the journal: a hash of server, mailbox and folder."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


class RestoreJournal:
    """The journal of a vault. It is used by one thread, and closed after each restore."""

    def __init__(self, folder: Path) -> None:
        """Open it in a vault's folder, or make it.

        Raises:
            VaultError: It can't be used.
        """
        require_own(folder)
        self._path = folder / NAME
        with self._explained():
            self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                self._path.chmod(0o600)
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute("PRAGMA busy_timeout = 30000")
                self._database.executescript(_SCHEMA)
            except BaseException:
                self._database.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def known(self, target: bytes, messages: Sequence[bytes]) -> dict[bytes, GivenBack]:
        """What is known of these messages, by SHA-256; others have never been put there."""
        found = {}
        with self._explained():
            for message in messages:
                row = self._database.execute(
                    "SELECT state, time FROM restored WHERE target = ? AND message = ?", (target, message)
                ).fetchone()
                if row is not None:
                    found[message] = GivenBack(row[0] == DONE, row[1])
        return found

    def is_claimed(self, target: bytes, place: str, message: bytes) -> bool:
        """Whether another message is known to be at a place of the target."""
        with self._explained():
            row = self._database.execute(
                "SELECT 1 FROM restored WHERE target = ? AND place = ? AND message <> ?",
                (target, place, message),
            ).fetchone()
        return row is not None

    def begin(self, target: bytes, messages: Sequence[bytes], request: str) -> None:
        """Note that messages are put into a target from now on. It is on the disk when this returns."""
        now = int(time.time())
        rows = [(target, message, SENT, now, "", request, 1) for message in messages]
        self._write("INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def end(self, target: bytes, places: Sequence[tuple[bytes, str, bool]], request: str) -> None:
        """Note which messages are in a target: SHA-256, place, and whether they were put there now.

        Those that were put there now belong in the audit trail.
        """
        now = int(time.time())
        rows = [(target, sha, DONE, now, place, request, int(not new)) for sha, place, new in places]
        self._write("INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, target: bytes, messages: Sequence[bytes]) -> None:
        """Forget messages that the target did not take."""
        self._write(
            "DELETE FROM restored WHERE target = ? AND message = ?", [(target, one) for one in messages]
        )

    def unlogged(self, most: int) -> list[UnloggedMail]:
        """The messages that the audit trail does not name yet, at most `most` for each request."""
        with self._explained():
            requests = self._database.execute(
                "SELECT DISTINCT request FROM restored WHERE logged = 0"
            ).fetchall()
            return [
                UnloggedMail(request, tuple(row[0] for row in self._of(request, most)))
                for (request,) in requests
            ]

    def _of(self, request: str, most: int) -> list[tuple[bytes]]:
        return self._database.execute(
            "SELECT message FROM restored WHERE logged = 0 AND request = ? LIMIT ?", (request, most)
        ).fetchall()

    def mark_logged(self, one: UnloggedMail) -> None:
        """Note that the audit trail names these messages."""
        self._write(
            "UPDATE restored SET logged = 1 WHERE logged = 0 AND request = ? AND message = ?",
            [(one.request, message) for message in one.messages],
        )

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise VaultError(
                f"{self._path} can't be used ({error}): check the disk; if the file is damaged, remove "
                "it, and each message is looked for at its target again"
            ) from error
