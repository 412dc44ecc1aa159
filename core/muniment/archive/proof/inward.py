"""The shallow check of a catalog: comparison with the ledger's small records, and internal consistency.

Audit events, runs, changes of the directory and quarantined items are compared with the ledger's records
exactly, by a digest over all of them in order. Mail is not read here, so its tables must only be consistent:
each count with the rows that it counts, each row with the rows that it refers to. See also `proof.lookups`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.record_kinds import RECORD_KINDS
from muniment.archive.catalog.sqlite.encoding import split
from muniment.archive.facts import FramePosition
from muniment.archive.ledger.erased.frames import is_erased
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.stored import make_frame
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import FoundFrame
from muniment.archive.proof.compare import tables_of
from muniment.errors import LedgerDamaged
from muniment.system.sanitise import clean

REMEDY = "verify with --deep to see more, then run `muniment rebuild --catalog`"

RECORDS = {kind: entry.rows for kind, entry in RECORD_KINDS.items() if entry.rows}
"""The kinds of record that the catalog repeats exactly."""

SECOND = 1_000_000
STEPS = 10_000_000
"""Instructions of SQLite's virtual machine between two calls of `progress`."""


class _Digest:
    """A hash over records in order, and their number."""

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


class RecordDigests:
    """Makes digests of the ledger's small records during a check of the ledger."""

    def __init__(self, segments: SegmentStore) -> None:
        self._reader = LedgerReader(segments, lambda sha: None)
        self._digests = {kind: _Digest() for kind in RECORDS}
        self.vault_id = read_vault_id(segments)
        self.whole = True
        """Whether all of these records could be read."""

    def take(self, segment: int, sequence: int | None, found: FoundFrame) -> None:
        """Take the next intact frame; `sequence` is None if damage before it makes that unknown."""
        kind = RecordKind(found.header.kind)
        if kind not in RECORDS or is_erased(found.header):
            return
        if sequence is None:
            self.whole = False
            return
        if RECORDS[kind].by_hash:
            content = f"{found.header.sha.hex()} {found.header.size}"
            self._digests[kind].add(sequence, found.header.time // SECOND, content)
            return
        frame = make_frame(sequence, FramePosition(segment, found.offset), found.header, found.payload)
        try:
            content = self._reader.payload(frame).decode("utf-8", "surrogateescape")
        except LedgerDamaged:
            self.whole = False
            return
        self._digests[kind].add(sequence, frame.time // SECOND, content)

    def close(self) -> None:
        """Close the segments."""
        self._reader.close()

    def differences(self, catalog: sqlite3.Connection, tree_size: int) -> Iterator[str]:
        """Yield a sentence for each kind of record whose rows before `tree_size` differ from the ledger.

        Raises:
            sqlite3.Error: The catalog can't be read.
        """
        for kind, rows in RECORDS.items():
            ours, right = _Digest(), self._digests[kind]
            for row in catalog.execute(rows.statement, (tree_size,)):
                ours.add(*row)
            what = f"the {rows.name} in the catalog"
            if ours.count != right.count:
                yield f"{what} has {ours.count} {rows.unit}, the ledger {right.count}: {REMEDY}"
            elif ours.value() != right.value():
                yield f"{what} was changed: it differs from the ledger: {REMEDY}"


SUMS = (
    ("messages", "SELECT messages FROM state", "SELECT count(*) FROM message"),
    ("copies", "SELECT envelopes FROM state", "SELECT count(*) FROM envelope"),
    ("bytes of messages", "SELECT message_bytes FROM state", "SELECT coalesce(sum(size), 0) FROM message"),
    ("bytes of copies", "SELECT copy_bytes FROM state", "SELECT coalesce(sum(size), 0) FROM envelope"),
    (
        "messages in folders",
        "SELECT coalesce(sum(messages), 0) FROM box",
        "SELECT count(*) FROM placement",
    ),
    (
        "folders that messages are in",
        "SELECT coalesce(sum(length(boxes) - length(replace(boxes, ' ', '')) + (boxes <> '')), 0) "
        "FROM message",
        "SELECT count(*) FROM placement",
    ),
    ("arrivals", "SELECT coalesce(sum(copies), 0) FROM arrival", "SELECT count(*) FROM envelope"),
    (
        "changes of the directory",
        "SELECT coalesce(max(id) + 1, 0) FROM directory",
        "SELECT count(*) FROM directory",
    ),
)
"""Numbers that two statements must agree on."""

NONE_OF = (
    (
        "folders whose count is not that of their messages",
        "SELECT count(*) FROM box WHERE messages <> "
        "(SELECT count(*) FROM placement WHERE placement.box = box.id)",
    ),
    (
        "messages in a folder that does not exist",
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
        "messages without a copy",
        "SELECT count(*) FROM message WHERE NOT EXISTS (SELECT 1 FROM link WHERE link.message = message.id)",
    ),
    (
        "copies of a profile that does not exist, or without a reason for their folders",
        "SELECT count(*) FROM envelope LEFT JOIN profile ON profile.id = envelope.profile "
        "WHERE profile.id IS NULL OR route NOT BETWEEN 1 AND 15 "
        "OR (route & 8 <> 0) <> EXISTS (SELECT 1 FROM owner WHERE owner.envelope = envelope.id)",
    ),
    (
        "owners of copies that do not exist",
        "SELECT count(*) FROM owner LEFT JOIN envelope ON envelope.id = owner.envelope "
        "LEFT JOIN address ON address.id = owner.address WHERE envelope.id IS NULL OR address.id IS NULL",
    ),
    (
        "folders of users that do not exist",
        "SELECT count(*) FROM box LEFT JOIN user ON user.id = box.user WHERE user.id IS NULL",
    ),
    (
        "displaced messages without their original",
        "SELECT count(*) FROM former LEFT JOIN message ON message.id = former.message "
        "WHERE message.id IS NULL",
    ),
    (
        "links to rows that do not exist",
        "SELECT count(*) FROM link LEFT JOIN message ON message.id = link.message "
        "LEFT JOIN envelope ON envelope.id = link.envelope WHERE message.id IS NULL OR envelope.id IS NULL",
    ),
    (
        "people named on copies that do not exist",
        "SELECT count(*) FROM mention LEFT JOIN envelope ON envelope.id = mention.envelope "
        "LEFT JOIN address ON address.id = mention.address WHERE envelope.id IS NULL OR address.id IS NULL",
    ),
    (
        "keys of copies that do not exist",
        "SELECT count(*) FROM known LEFT JOIN envelope ON envelope.id = known.envelope "
        "LEFT JOIN place ON place.id = known.place "
        "WHERE place.id IS NULL OR (known.envelope IS NOT NULL AND envelope.id IS NULL)",
    ),
    (
        "notes with an unknown name",
        "SELECT count(*) FROM meta WHERE name NOT IN ('configuration', 'damage') "
        "AND substr(name, 1, 5) <> 'mark:' AND substr(name, 1, 8) <> 'failure:'",
    ),
    (
        "records after the state that it has reached",
        "SELECT count(*) FROM (SELECT id FROM audit UNION ALL SELECT id FROM run "
        "UNION ALL SELECT id FROM message UNION ALL SELECT id FROM envelope "
        "UNION ALL SELECT sequence FROM directory) "
        "WHERE id >= (SELECT tree_size FROM state)",
    ),
)
"""Rows that must not exist."""

FOREIGN = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
"""Counts triggers and views, which a catalog does not have."""
COPIES = (
    "SELECT parties, (SELECT group_concat(DISTINCT address) FROM owner WHERE owner.envelope = envelope.id) "
    "FROM envelope"
)
"""Selects the people and the owners of each copy."""


def inconsistencies(catalog: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence for each inconsistency within a catalog.

    Raises:
        sqlite3.Error: The catalog can't be read.
    """
    for (finding,) in catalog.execute("PRAGMA quick_check(1)"):
        if finding != "ok":
            yield f"the catalog's file is damaged ({clean(str(finding))}): {REMEDY}"
            return
    (extra,) = catalog.execute(FOREIGN).fetchone()
    if extra:
        yield f"the catalog has {extra} triggers or views, but must have none: {REMEDY}"
    for what, stated, counted in SUMS:
        (a,), (b,) = catalog.execute(stated).fetchone(), catalog.execute(counted).fetchone()
        if a != b:
            yield f"the catalog is inconsistent in its {what}: it states {a}, but has {b}: {REMEDY}"
    for what, statement in NONE_OF:
        (count,) = catalog.execute(statement).fetchone()
        if count:
            yield f"the catalog is inconsistent: it has {count} {what}: {REMEDY}"
    yield from _unnamed(catalog)
    yield from _unresolved(catalog)


def _unresolved(catalog: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence if the items that count as in quarantine are not those without a copy."""
    wrong = 0
    for number, sha, resolved in catalog.execute("SELECT id, sha, resolved FROM quarantine").fetchall():
        key, rest = split(sha if isinstance(sha, bytes) else b"")
        copies = "SELECT coalesce(max(id), -1) FROM envelope WHERE key = ? AND rest = ?"
        (last,) = catalog.execute(copies, (key, rest)).fetchone()
        wrong += last < 0 if resolved else last > number
    if wrong:
        yield f"the catalog is inconsistent: it has {wrong} items wrongly in or out of quarantine: {REMEDY}"


def _unnamed(catalog: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence if the people on copies are not those in the table of mentions."""
    listed, (named,) = 0, catalog.execute("SELECT count(*) FROM mention").fetchone()
    for parties, owners in catalog.execute(COPIES):
        people = {word for party in str(parties).split(";") for word in party.split()[1:]}
        listed += len(people.union(owners.split(",") if owners else ()))
    if named != listed:
        yield (
            f"the catalog is inconsistent in the people on copies: it lists {listed}, but has {named} "
            f"mentions: {REMEDY}"
        )


def inspect_catalog(
    catalog: Catalog, records: RecordDigests, tree_size: int, progress: Callable[[int, int], None]
) -> list[str]:
    """Check a catalog's file without reading mail.

    Args:
        catalog: The catalog.
        records: The digests of the ledger's records.
        tree_size: Number of leaves that the ledger has at the catalog's head.
        progress: Called regularly. An error that it raises ends the check.

    Returns:
        The problems, a sentence each.
    """
    try:
        with tables_of(catalog) as tables:
            tables.set_progress_handler(lambda: progress(0, 1), STEPS)
            found = [*records.differences(tables, tree_size)] if records.whole else []
            return [*found, *inconsistencies(tables)]
    except sqlite3.Error as error:
        return [f"the catalog can't be read ({clean(str(error))[:200]}): {REMEDY}"]
