"""The tables of the catalog.

Rows of large tables are small. Hashes are looked up by the integer of their first 8 bytes (`key`), and the
other 24 bytes (`rest`) are in the row. Addresses are numbers, and so are folders of users, called boxes.
Short lists are text: `boxes` is like "1 5 9", `parties` is "role address [via]" separated by ";", `notes`
and `flags` are JSON.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

SCHEMA = 18
"""Version of the tables; a catalog of an older version is rebuilt."""

metadata = MetaData()


def _table(name: str, *items: Any, rowid: bool = True) -> Table:
    return Table(name, metadata, *items, sqlite_with_rowid=rowid)


def _int(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, **options)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=False)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _bytes(name: str, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False, **options)


state = _table(
    "state",
    _id(),
    _int("schema"),
    _bytes("vault"),
    _int("tree_size"),
    _bytes("root"),
    _int("segment"),
    _int("offset"),
    _int("messages"),
    _int("envelopes"),
    _int("moved_messages"),
    _int("moved_envelopes"),
    _int("message_bytes"),
    _int("copy_bytes"),
    _int("regenerated"),
    Column("affected", Text),
    _int("cursor_address"),
    _int("cursor_envelope"),
)
"""One row. `moved_messages` and `moved_envelopes` count records that add no message or copy (see
`model.VaultTotals`). `regenerated` counts the receipts of copies whose bytes a service wrote. `affected` is
what must still be filed again (JSON); the cursor is how far that has come (see refiling.py)."""

CONFIGURATION = "configuration"
"""The name in `meta` of the hash of the latest configuration record."""
meta = _table("meta", Column("name", Text, primary_key=True), _text("value"))

message = _table(
    "message",
    _id(),
    _int("key"),
    _bytes("rest"),
    Column("content_key", Integer),
    Column("content_rest", LargeBinary),
    Column("name", Integer),
    _int("segment"),
    _int("offset"),
    _int("date"),
    _int("size"),
    _int("hidden"),
    _int("attachments"),
    _int("touched"),
    _int("received"),
    _text("sender"),
    _text("recipients"),
    _text("subject"),
    Column("notes", Text),
    _text("boxes"),
)
Index("message_key", message.c.key)
Index("message_content", message.c.content_key)
Index("message_name", message.c.name)
Index("message_touched", message.c.touched)

former = _table("former", _id(), _int("key"), _bytes("rest"), _int("message"))
"""Displaced messages; `message` is the original that displaced each of them."""
Index("former_key", former.c.key)
Index("former_message", former.c.message)

envelope = _table(
    "envelope",
    _id(),
    _int("key"),
    _bytes("rest"),
    _int("segment"),
    _int("offset"),
    _int("time"),
    _int("report"),
    _int("route"),
    _int("size"),
    _int("profile"),
    _text("parties"),
    Column("flags", Text),
)
Index("envelope_key", envelope.c.key)
Index("envelope_flagged", envelope.c.id, sqlite_where=envelope.c.flags.isnot(None))

QUARTER = 900
"""Seconds of the periods in which arrivals are counted. Every time zone in use differs from UTC by whole
quarters of an hour, so days and hours of each are sums of these."""
arrival = _table(
    "arrival",
    _int("report", primary_key=True),
    _int("quarter", primary_key=True),
    _int("copies"),
    _int("newest"),
    rowid=False,
)
"""Copies by the time when they were journaled or received: `quarter` is the number of the period since 1970,
`report` 1 for journal reports and 0 for other copies, `newest` the latest time in it."""

link = _table("link", _int("message", primary_key=True), _int("envelope", primary_key=True), rowid=False)
Index("link_envelope", link.c.envelope)

mention = _table(
    "mention", _int("address", primary_key=True), _int("envelope", primary_key=True), rowid=False
)
owner = _table(
    "owner",
    _int("envelope", primary_key=True),
    _int("address", primary_key=True),
    _text("folder", primary_key=True),
    Column("flags", Text),
    rowid=False,
)
"""The owners of copies from ordinary mailboxes; `flags` are those of the copy there, parted by blanks."""
address = _table("address", _id(), _text("address", unique=True))
profile = _table("profile", _id(), _text("name", unique=True))
user = _table("user", _id(), _text("key", unique=True), _text("label"))
box = _table(
    "box", _id(), _int("user"), _text("folder"), _int("messages"), UniqueConstraint("user", "folder")
)
placement = _table(
    "placement",
    _int("box", primary_key=True),
    _int("date", primary_key=True),
    _int("message", primary_key=True),
    rowid=False,
)
place = _table(
    "place",
    _id(),
    _bytes("host"),
    _bytes("mailbox"),
    _bytes("folder"),
    UniqueConstraint("host", "mailbox", "folder"),
)
known = _table(
    "known",
    _int("place", primary_key=True),
    _bytes("key", primary_key=True),
    _int("size"),
    Column("envelope", Integer),
    Column("sha", LargeBinary),
    rowid=False,
)
"""Fetched keys; `sha` is set if the item is not in an envelope but in quarantine, or is erased."""
Index("known_envelope", known.c.envelope)
part = _table("part", _bytes("sha", primary_key=True), _int("segment"), _int("offset"), rowid=False)
quarantine = _table(
    "quarantine",
    _id(),
    _bytes("sha"),
    _int("segment"),
    _int("offset"),
    _int("size"),
    _int("time"),
    _text("reason"),
    _text("profile"),
    Column("place", Integer),
    Column("key", LargeBinary),
    _int("resolved"),
)
Index("quarantine_sha", quarantine.c.sha)
run = _table("run", _id(), _text("profile"), _int("time"), _text("summary"))
Index("run_profile", run.c.profile, run.c.id)
audit = _table("audit", _id(), _int("segment"), _int("offset"), _int("time"), _text("event"))
Index("audit_time", audit.c.time)
audit_key = _table("audit_key", _text("key", primary_key=True), _int("audit", primary_key=True), rowid=False)
"""The keys of audit events (see catalog.audit_keys)."""
redaction = _table(
    "redaction", _id(), _int("time"), _bytes("record"), _int("size"), _int("at"), _text("basis")
)
"""Decisions by which content was erased; `record` and `size` are those of the record's content."""
tombstone = _table(
    "tombstone",
    _bytes("sha", primary_key=True),
    _int("copy", primary_key=True),
    _int("redaction"),
    Column("content", LargeBinary),
    rowid=False,
)
"""What was erased: messages (`copy` 0, with their content hash if it is known), and copies as they were
fetched (`copy` 1)."""
Index("tombstone_content", tombstone.c.content, sqlite_where=tombstone.c.content.isnot(None))
directory = _table("directory", _id(), _int("sequence"), _int("time"), _text("change"))
"""Changes of the directory, numbered from 0 without gaps."""
decision = _table("decision", _id(), _int("kind"), _int("time"), _text("content"))
"""Holds, retention rules, grants, approvals and subject requests, as they were recorded."""
Index("decision_kind", decision.c.kind, decision.c.id)
evidence = _table(
    "evidence",
    _id(),
    _int("segment"),
    _int("offset"),
    _int("time"),
    _bytes("record"),
    _int("size"),
    _int("first"),
    _int("through"),
)
"""Records of what signatures gave, for the messages with numbers from `first` to `through`; `record` and
`size` are those of the record's content."""
Index("evidence_through", evidence.c.through)
