"""Messages and copies while a batch is written: where they are filed, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.sqlite import sql, sql_writes
from muniment.archive.catalog.sqlite.encoding import (
    clean,
    fetch_many,
    join,
    numbers,
    party_ids,
    read_numbers,
    read_words,
    split,
)
from muniment.archive.facts import EnvelopeFact, MessageFact, ReceiptFact
from muniment.mail.headers.routing import enveloped
from muniment.mail.model import EnvelopeParty
from muniment.people.routing import OWNED, TRUSTED, Placement, RoutedEnvelope


@dataclass(slots=True)
class FiledMessage:
    """A message and where it is filed."""

    id: int
    date: int
    touched: int
    """Sequence of the last record that the message's document in the index depends on."""
    stored: int = -1
    """`touched` in the database; -1 if the message is new in this batch."""
    boxes: set[int] = field(default_factory=set)
    """Where it is filed in the database."""
    places: set[Placement] = field(default_factory=set)
    """Where it must be filed."""
    fact: MessageFact | None = None
    """The message's fact, if the message is new in this batch."""


class BatchMessages:
    """The messages that a batch concerns."""

    def __init__(self) -> None:
        self.by_id: dict[int, FiledMessage] = {}
        self.by_sha: dict[bytes, FiledMessage] = {}

    def add(self, sha: bytes, message: FiledMessage) -> None:
        """Add a message, unless one with the same hash is there."""
        if sha not in self.by_sha:
            self.by_sha[sha] = message
            self.by_id[message.id] = message


@dataclass(slots=True)
class FiledCopy:
    """A copy, and what the batch's receipts add to it."""

    id: int
    sha: bytes
    time: int
    parties: tuple[EnvelopeParty, ...]
    route: int = 0
    size: int = 0
    profile: str = ""
    flags: dict[str, None] = field(default_factory=dict)
    owners: set[tuple[str, str]] = field(default_factory=set)
    messages: list[FiledMessage] = field(default_factory=list)
    fact: EnvelopeFact | None = None
    """The copy's fact, if the copy is new in this batch."""
    gained: list[RoutedEnvelope] = field(default_factory=list)
    """The reasons for filing that this batch adds, in the form that routing takes."""
    new_owners: list[tuple[str, str, str]] = field(default_factory=list)
    """Owners that this batch adds: address, folder and flags each."""
    new_parties: tuple[EnvelopeParty, ...] = ()
    """Recipients that this batch's receipts name and the copy's own header does not."""
    received: bool = False
    """Whether this batch changes the copy's own row."""

    def receive(self, receipt: ReceiptFact) -> None:
        """Add a receipt: the copy was fetched, for the first time or again."""
        route = int(receipt.route)
        gained = route & ~self.route
        owner = (clean(receipt.owner), clean(receipt.owner_folder))
        owned = bool(route & OWNED) and owner not in self.owners
        more = enveloped(self.parties, map(clean, receipt.people))
        self.parties += more
        self.new_parties += more
        if more and not gained & TRUSTED:  # the same bytes were delivered again, to other recipients
            self.gained.append(RoutedEnvelope(route & TRUSTED, self.time, more))
        if gained & TRUSTED:
            self.gained.append(RoutedEnvelope(gained & TRUSTED, self.time, self.parties))
        if owned:
            self.gained.append(RoutedEnvelope(OWNED, self.time, (), *owner))
            self.owners.add(owner)
            self.new_owners.append((*owner, clean(" ".join(receipt.marks))))
        if gained or owned or more:
            for message in self.messages:
                message.touched = max(message.touched, receipt.sequence)
        if not self.route:
            self.size, self.profile = receipt.size, receipt.profile
        self.received = self.received or bool(gained or more) or not self.flags.keys() >= {*receipt.flags}
        self.flags |= dict.fromkeys(receipt.flags)
        self.route |= route


def load_messages(connection: Connection, shas: Iterable[bytes]) -> BatchMessages:
    """Load the messages with these hashes; hashes without a message are left out."""
    wanted = set(shas)
    ids = {
        row.id: join(row.key, row.rest)
        for row in fetch_many(connection, sql.MESSAGE_IDS, [split(sha)[0] for sha in wanted])
    }
    found = BatchMessages()
    for number, message in sorted(load_filed(connection, ids).items()):
        if ids[number] in wanted:
            found.add(ids[number], message)
    return found


def load_filed(connection: Connection, ids: Iterable[int]) -> dict[int, FiledMessage]:
    """Load messages by number; `places` is left empty."""
    return {
        row.id: FiledMessage(row.id, row.date, row.touched, row.touched, read_numbers(row.boxes))
        for row in fetch_many(connection, sql.FILED, ids)
    }


def identity(sha: bytes, report: bool) -> bytes:
    """Return the key of a copy: the same bytes may be fetched once as a report and once as plain mail."""
    return sha + b"R" if report else sha


def load_copies(connection: Connection, shas: Sequence[bytes]) -> dict[bytes, FiledCopy]:
    """Load the copies with these hashes, by identity; `messages` is left empty."""
    keys = [split(sha)[0] for sha in shas]
    wanted = set(shas)
    rows = [
        row for row in fetch_many(connection, sql.ENVELOPES_BY_KEY, keys) if join(row.key, row.rest) in wanted
    ]
    names = load_addresses(connection, (row.parties for row in rows))
    copies: dict[bytes, FiledCopy] = {}
    for row in sorted(rows, key=lambda row: row.id, reverse=True):
        copies[identity(join(row.key, row.rest), row.report)] = _copy(row, names)
    by_id = {copy.id: copy for copy in copies.values()}
    for owner in fetch_many(connection, sql.OWNERS_OF, by_id):
        by_id[owner.envelope].owners.add((owner.address, owner.folder))
    return copies


def _copy(row: Any, names: dict[int, str]) -> FiledCopy:
    return FiledCopy(
        id=row.id,
        sha=join(row.key, row.rest),
        time=row.time,
        parties=read_parties(row.parties, names),
        route=row.route,
        size=row.size,
        profile=row.name,
        flags=dict.fromkeys(read_words(row.flags)),
    )


def load_addresses(connection: Connection, parties: Iterable[str]) -> dict[int, str]:
    """Load the addresses in the `parties` of rows, by number."""
    ids: set[int] = set()
    for value in parties:
        for _, address, via in party_ids(value):
            ids.add(address)
            if via is not None:
                ids.add(via)
    return {row.id: row.address for row in fetch_many(connection, sql.ADDRESSES_BY_ID, ids)}


def read_parties(value: str, names: dict[int, str]) -> tuple[EnvelopeParty, ...]:
    """Decode the `parties` of a row, given the addresses by number."""
    return tuple(
        EnvelopeParty(role, names[address], "" if via is None else names[via])
        for role, address, via in party_ids(value)
    )


@dataclass(slots=True)
class PlacementMoves:
    """Changes to the table of placements and to the counts of boxes."""

    inserted: list[tuple[int, int, int]] = field(default_factory=list)
    deleted: list[tuple[int, int, int]] = field(default_factory=list)
    filed: list[tuple[int, str, int]] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)

    def move(self, message: FiledMessage, boxes: set[int]) -> None:
        """Add the changes that file a message in exactly these boxes."""
        for box in boxes - message.boxes:
            self.inserted.append((box, message.date, message.id))
            self.counts[box] += 1
        for box in message.boxes - boxes:
            self.deleted.append((box, message.date, message.id))
            self.counts[box] -= 1

    def refile(self, message: FiledMessage, boxes: set[int]) -> None:
        """Like `move`, for a message that has a row already."""
        self.move(message, boxes)
        if boxes != message.boxes or message.touched != message.stored:
            self.filed.append((message.touched, numbers(boxes), message.id))

    def write(self, connection: Connection) -> None:
        """Write the changes to the database."""
        counts = [(count, box) for box, count in self.counts.items() if count]
        for statement, rows in (
            (sql_writes.DELETE_PLACEMENT, self.deleted),
            (sql_writes.INSERT_PLACEMENT, sorted(self.inserted)),
            (sql_writes.FILE_MESSAGE, self.filed),
            (sql_writes.ADD_TO_BOX, counts),
        ):
            if rows:
                connection.exec_driver_sql(statement, rows)
