"""Messages and copies as a batch finds and leaves them: their places, and why they stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog import sql
from muniment.archive.catalog.encoding import (
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
from muniment.mail.model import Party
from muniment.people.routing import OWNED, TRUSTED, Placement, RoutedEnvelope


@dataclass(slots=True)
class Filed:
    """A message and the places where it stands."""

    id: int
    date: int
    touched: int
    """The last sequence that the index must know of."""
    stored: int = -1
    """`touched` as the database has it; -1 for a message that is new in this batch."""
    boxes: set[int] = field(default_factory=set)
    """Where it stands in the database."""
    places: set[Placement] = field(default_factory=set)
    """Where it is to stand."""
    fact: MessageFact | None = None
    """What is known of a message that is new in this batch."""


class Messages:
    """The messages that a batch concerns."""

    def __init__(self) -> None:
        self.by_id: dict[int, Filed] = {}
        self.by_sha: dict[bytes, Filed] = {}

    def add(self, sha: bytes, message: Filed) -> None:
        """One more; of several with one hash the first counts."""
        if sha not in self.by_sha:
            self.by_sha[sha] = message
            self.by_id[message.id] = message


@dataclass(slots=True)
class Copy:
    """An envelope, and what the batch's receipts say of it."""

    id: int
    sha: bytes
    time: int
    parties: tuple[Party, ...]
    route: int = 0
    size: int = 0
    profile: str = ""
    flags: dict[str, None] = field(default_factory=dict)
    owners: set[tuple[str, str]] = field(default_factory=set)
    messages: list[Filed] = field(default_factory=list)
    fact: EnvelopeFact | None = None
    """What is known of a copy that is new in this batch."""
    gained: list[RoutedEnvelope] = field(default_factory=list)
    """The reasons that this batch adds, as routing takes them."""
    new_owners: list[tuple[str, str]] = field(default_factory=list)
    new_parties: tuple[Party, ...] = ()
    """Recipients whom this batch's receipts name, and the copy's own header does not."""
    received: bool = False
    """Whether this batch changes the copy's own row."""

    def receive(self, receipt: ReceiptFact) -> None:
        """Take in that the copy was fetched, perhaps once more."""
        route = int(receipt.route)
        gained = route & ~self.route
        owner = (clean(receipt.owner), clean(receipt.owner_folder))
        owned = bool(route & OWNED) and owner not in self.owners
        more = enveloped(self.parties, map(clean, receipt.people))
        self.parties += more
        self.new_parties += more
        if more and not gained & TRUSTED:  # the same bytes once more, to others
            self.gained.append(RoutedEnvelope(route & TRUSTED, self.time, more))
        if gained & TRUSTED:
            self.gained.append(RoutedEnvelope(gained & TRUSTED, self.time, self.parties))
        if owned:
            self.gained.append(RoutedEnvelope(OWNED, self.time, (), *owner))
            self.owners.add(owner)
            self.new_owners.append(owner)
        if gained or owned or more:
            for message in self.messages:
                message.touched = max(message.touched, receipt.sequence)
        if not self.route:
            self.size, self.profile = receipt.size, receipt.profile
        self.received = self.received or bool(gained or more) or not self.flags.keys() >= {*receipt.flags}
        self.flags |= dict.fromkeys(receipt.flags)
        self.route |= route


def load_messages(connection: Connection, shas: Iterable[bytes]) -> Messages:
    """The messages with these hashes, as far as the database has them."""
    wanted = set(shas)
    ids = {
        row.id: join(row.key, row.rest)
        for row in fetch_many(connection, sql.MESSAGE_IDS, [split(sha)[0] for sha in wanted])
    }
    found = Messages()
    for number, message in sorted(load_filed(connection, ids).items()):
        if ids[number] in wanted:
            found.add(ids[number], message)
    return found


def load_filed(connection: Connection, ids: Iterable[int]) -> dict[int, Filed]:
    """Messages as the database has them; `places` is left empty."""
    return {
        row.id: Filed(row.id, row.date, row.touched, row.touched, read_numbers(row.boxes))
        for row in fetch_many(connection, sql.FILED, ids)
    }


def identity(sha: bytes, report: bool) -> bytes:
    """What tells envelopes apart: the same bytes may be fetched once as a report and once as plain mail."""
    return sha + b"R" if report else sha


def load_copies(connection: Connection, shas: Sequence[bytes]) -> dict[bytes, Copy]:
    """The envelopes with these hashes, as the database has them, by identity; `messages` is left empty."""
    keys = [split(sha)[0] for sha in shas]
    wanted = set(shas)
    rows = [
        row for row in fetch_many(connection, sql.ENVELOPES_BY_KEY, keys) if join(row.key, row.rest) in wanted
    ]
    names = load_addresses(connection, (row.parties for row in rows))
    copies: dict[bytes, Copy] = {}
    for row in sorted(rows, key=lambda row: row.id, reverse=True):
        copies[identity(join(row.key, row.rest), row.report)] = _copy(row, names)
    by_id = {copy.id: copy for copy in copies.values()}
    for owner in fetch_many(connection, sql.OWNERS_OF, by_id):
        by_id[owner.envelope].owners.add((owner.address, owner.folder))
    return copies


def _copy(row: Any, names: dict[int, str]) -> Copy:
    return Copy(
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
    """The addresses that rows' parties name, by number."""
    ids: set[int] = set()
    for value in parties:
        for _, address, via in party_ids(value):
            ids.add(address)
            if via is not None:
                ids.add(via)
    return {row.id: row.address for row in fetch_many(connection, sql.ADDRESSES_BY_ID, ids)}


def read_parties(value: str, names: dict[int, str]) -> tuple[Party, ...]:
    """A row's parties."""
    return tuple(
        Party(role, names[address], "" if via is None else names[via])
        for role, address, via in party_ids(value)
    )


@dataclass(slots=True)
class Moves:
    """What is to change in the table of placements, and in the counts of boxes."""

    inserted: list[tuple[int, int, int]] = field(default_factory=list)
    deleted: list[tuple[int, int, int]] = field(default_factory=list)
    filed: list[tuple[int, str, int]] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)

    def move(self, message: Filed, boxes: set[int]) -> None:
        """Note that a message is to stand in `boxes` alone."""
        for box in boxes - message.boxes:
            self.inserted.append((box, message.date, message.id))
            self.counts[box] += 1
        for box in message.boxes - boxes:
            self.deleted.append((box, message.date, message.id))
            self.counts[box] -= 1

    def refile(self, message: Filed, boxes: set[int]) -> None:
        """As `move`, for a message that has a row already."""
        self.move(message, boxes)
        if boxes != message.boxes or message.touched != message.stored:
            self.filed.append((message.touched, numbers(boxes), message.id))

    def write(self, connection: Connection) -> None:
        """Bring the database to it."""
        counts = [(count, box) for box, count in self.counts.items() if count]
        for statement, rows in (
            (sql.DELETE_PLACEMENT, self.deleted),
            (sql.INSERT_PLACEMENT, sorted(self.inserted)),
            (sql.FILE_MESSAGE, self.filed),
            (sql.ADD_TO_BOX, counts),
        ):
            if rows:
                connection.exec_driver_sql(statement, rows)
