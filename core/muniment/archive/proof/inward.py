"""What shallow verification looks at in a catalog: what the ledger's small records say, and its own sums.

Audit events, runs and changes of the directory are compared with the ledger's records exactly, by a digest
over all of them in order. Of mail, whose text is not read here, a catalog must agree with itself: each count
with the rows that it counts, each row with those that it refers to.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger.files import read_vault_id
from muniment.archive.ledger.model import Kind
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.stored import make_frame
from muniment.archive.ledger.walk import Found
from muniment.archive.proof.compare import reading
from muniment.errors import LedgerDamaged
from muniment.system.sanitise import clean

MEND = "verify with --deep to see more, then run `muniment rebuild --catalog`"

RECORDS = {
    Kind.AUDIT: ("audit trail", "events", "SELECT id, time, event FROM audit WHERE id < ? ORDER BY id"),
    Kind.RUN: ("history of runs", "runs", "SELECT id, time, summary FROM run WHERE id < ? ORDER BY id"),
    Kind.DIRECTORY: (
        "directory of users",
        "changes",
        "SELECT sequence, time, change FROM directory WHERE sequence < ? ORDER BY id",
    ),
}
"""By kind: how its rows are called, and the statement that reads them."""

SECOND = 1_000_000
STEPS = 10_000_000
"""Instructions of SQLite between two looks whether anybody still waits."""


class _Digest:
    """A hash over records in order, and how many there were."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, sequence: object, time: object, content: object) -> None:
        data = (
            content.encode("utf-8", "surrogateescape") if isinstance(content, str) else repr(content).encode()
        )
        self._hash.update(f"{sequence!r} {time!r} {type(content).__name__} {len(data)}\n".encode())
        self._hash.update(data)
        self.count += 1

    def value(self) -> bytes:
        return self._hash.digest()


class Records:
    """Follows a check of the ledger, and keeps digests of its small records."""

    def __init__(self, folder: Path) -> None:
        self._reader = Reader(folder, lambda sha: None)
        self._digests = {kind: _Digest() for kind in RECORDS}
        self.vault_id = read_vault_id(folder)
        self.whole = True
        """Whether each of them could be read."""

    def take(self, segment: int, sequence: int | None, found: Found) -> None:
        """The next intact frame; `sequence` is None where damage hides which record it is."""
        kind = Kind(found.header.kind)
        if kind not in RECORDS:
            return
        if sequence is None:
            self.whole = False
            return
        frame = make_frame(sequence, Position(segment, found.offset), found.header, found.payload)
        try:
            content = self._reader.payload(frame).decode("utf-8", "surrogateescape")
        except LedgerDamaged:
            self.whole = False
            return
        self._digests[kind].add(sequence, frame.time // SECOND, content)

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def differences(self, catalog: sqlite3.Connection, tree_size: int) -> Iterator[str]:
        """Where the catalog lacks these records, of those before `tree_size`. Raises sqlite3.Error."""
        for kind, (what, unit, statement) in RECORDS.items():
            ours, right = _Digest(), self._digests[kind]
            for row in catalog.execute(statement, (tree_size,)):
                ours.add(*row)
            if ours.count != right.count:
                yield f"the {what} in the catalog has {ours.count} {unit}, the ledger {right.count}: {MEND}"
            elif ours.value() != right.value():
                yield f"the {what} in the catalog is not what the ledger says, as it was changed: {MEND}"


SUMS = (
    ("messages", "SELECT messages FROM state", "SELECT count(*) FROM message"),
    ("copies", "SELECT envelopes FROM state", "SELECT count(*) FROM envelope"),
    ("bytes of messages", "SELECT message_bytes FROM state", "SELECT coalesce(sum(size), 0) FROM message"),
    (
        "messages in folders",
        "SELECT coalesce(sum(messages), 0) FROM box",
        "SELECT count(*) FROM placement",
    ),
    (
        "folders that messages stand in",
        "SELECT coalesce(sum(length(boxes) - length(replace(boxes, ' ', '')) + (boxes <> '')), 0) "
        "FROM message",
        "SELECT count(*) FROM placement",
    ),
    (
        "changes of the directory",
        "SELECT coalesce(max(id) + 1, 0) FROM directory",
        "SELECT count(*) FROM directory",
    ),
)
"""What two statements must agree on."""

NONE_OF = (
    (
        "folders whose count is not that of their messages",
        "SELECT count(*) FROM box WHERE messages <> "
        "(SELECT count(*) FROM placement WHERE placement.box = box.id)",
    ),
    (
        "messages in a folder that is not there",
        "SELECT count(*) FROM placement LEFT JOIN message ON message.id = placement.message "
        "LEFT JOIN box ON box.id = placement.box "
        "WHERE message.id IS NULL OR box.id IS NULL OR message.date <> placement.date",
    ),
    (
        "copies without a message",
        "SELECT count(*) FROM envelope "
        "WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.envelope = envelope.id)",
    ),
    (
        "links to what is not there",
        "SELECT count(*) FROM link LEFT JOIN message ON message.id = link.message "
        "LEFT JOIN envelope ON envelope.id = link.envelope WHERE message.id IS NULL OR envelope.id IS NULL",
    ),
    (
        "people named on copies that are not there",
        "SELECT count(*) FROM mention LEFT JOIN envelope ON envelope.id = mention.envelope "
        "LEFT JOIN address ON address.id = mention.address WHERE envelope.id IS NULL OR address.id IS NULL",
    ),
    (
        "keys of copies that are not there",
        "SELECT count(*) FROM known LEFT JOIN envelope ON envelope.id = known.envelope "
        "LEFT JOIN place ON place.id = known.place "
        "WHERE place.id IS NULL OR (known.envelope IS NOT NULL AND envelope.id IS NULL)",
    ),
    (
        "notes of an unknown name",
        "SELECT count(*) FROM meta WHERE name NOT IN ('configuration', 'damage') "
        "AND substr(name, 1, 5) <> 'mark:' AND substr(name, 1, 8) <> 'failure:'",
    ),
    (
        "records beyond the state that it has seen",
        "SELECT count(*) FROM (SELECT id FROM audit UNION ALL SELECT id FROM run "
        "UNION ALL SELECT id FROM message UNION ALL SELECT id FROM envelope "
        "UNION ALL SELECT sequence FROM directory) "
        "WHERE id >= (SELECT tree_size FROM state)",
    ),
)
"""What there must be none of."""

FOREIGN = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
COPIES = (
    "SELECT parties, (SELECT group_concat(DISTINCT address) FROM owner WHERE owner.envelope = envelope.id) "
    "FROM envelope"
)
"""Of each copy, its people and its owners."""


def inconsistencies(catalog: sqlite3.Connection) -> Iterator[str]:
    """Where a catalog does not agree with itself. Raises sqlite3.Error."""
    for (said,) in catalog.execute("PRAGMA quick_check(1)"):
        if said != "ok":
            yield f"the catalog's file is damaged ({clean(str(said))}): {MEND}"
            return
    (extra,) = catalog.execute(
        "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
    ).fetchone()
    if extra:
        yield f"the catalog holds {extra} triggers or views, where none belongs: {MEND}"
    for what, stated, counted in SUMS:
        (a,), (b,) = catalog.execute(stated).fetchone(), catalog.execute(counted).fetchone()
        if a != b:
            yield f"the catalog does not agree with itself on its {what}: it says {a}, and holds {b}: {MEND}"
    for what, statement in NONE_OF:
        (count,) = catalog.execute(statement).fetchone()
        if count:
            yield f"the catalog does not agree with itself: it has {count} {what}: {MEND}"
    yield from _unnamed(catalog)


def _unnamed(catalog: sqlite3.Connection) -> Iterator[str]:
    """Copies whose people are not those that the table of mentions has for them."""
    listed, (named,) = 0, catalog.execute("SELECT count(*) FROM mention").fetchone()
    for parties, owners in catalog.execute(COPIES):
        people = {words[1] for party in str(parties).split(";") if len(words := party.split()) > 1}
        listed += len(people.union(owners.split(",") if owners else ()))
    if named != listed:
        yield (
            f"the catalog does not agree with itself on who is named on copies: it lists {listed}, and finds "
            f"{named}: {MEND}"
        )


def look_into(
    path: Path, still: bool, records: Records, tree_size: int, progress: Callable[[int, int], None]
) -> list[str]:
    """What is wrong in a catalog's file as far as it shows without reading mail, a sentence each.

    `progress` is called now and then; what it raises ends it.
    """
    try:
        with reading(path, still) as catalog:
            catalog.set_progress_handler(lambda: progress(0, 1), STEPS)
            found = [*records.differences(catalog, tree_size)] if records.whole else []
            return [*found, *inconsistencies(catalog)]
    except sqlite3.Error as error:
        return [f"the catalog can't be read ({clean(str(error))[:200]}): {MEND}"]
