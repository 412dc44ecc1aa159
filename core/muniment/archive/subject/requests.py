"""Subject requests: what the records of each one make.

A person asks for the mail about them (GDPR, article 15). A request is opened with everything that the vault
has of that person at that time. Then each message is included or withheld, with a reason, and packages are
made of what is included, until the request is closed.

What is kept in memory of a request is some bytes for each of its messages.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.holds import Actor
from muniment.archive.retention.selection import MailSelection, read_selection
from muniment.archive.subject.records import (
    REACHES,
    AnyRecord,
    ClearRecord,
    CloseRecord,
    CollectRecord,
    DecideRecord,
    OpenRecord,
    PackageRecord,
    Reach,
    Verdict,
    name_key,
    read_record,
)
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError
from muniment.system.sanitise import clean

ROWS = 16
"""Records that are read at a time; one may list thousands of messages."""
_REACH_BITS = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about messages of a request."""

    number: int
    """The sequence of its record."""
    time: int
    """Seconds since 1970 UTC."""
    by: Actor
    verdict: Verdict
    reason: str
    query: str
    """The query that found the messages; "" if they were named."""
    messages: int
    """How many messages it is about."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """A second person's consent to one package."""

    time: int
    by: Actor
    """Who may make the package."""
    record: ClearRecord


@dataclass(frozen=True, slots=True)
class Handover:
    """A package that was made."""

    number: int
    """The sequence of its record."""
    time: int
    by: Actor
    record: PackageRecord


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a request."""

    time: int
    by: Actor
    reason: str


class SubjectRequest:
    """A person's request for the mail about them, open or closed."""

    def __init__(self, row: DecisionRow, opened: OpenRecord) -> None:
        """Begin with the record that opens it."""
        self.number = row.sequence
        """The sequence of the record that opens it."""
        self.seen = row.sequence
        """The sequence of its last record that was read."""
        self.opened = row.time
        """Seconds since 1970 UTC."""
        self.record = opened
        self.by = Actor(opened.who, opened.uid)
        self.selection: MailSelection = read_selection(opened.selection)
        self.collected = 0
        """How many messages it has."""
        self.decisions: list[Decision] = []
        """Decisions, oldest first."""
        self.clearances: list[Clearance] = []
        self.packages: list[Handover] = []
        self.closing: Closing | None = None
        """None while it is open."""
        self._messages = array("q")
        """For each message its number and its reach, sorted once `_sorted` is set."""
        self._sorted = True
        self._last = array("i")
        """For each message the position of its last decision, from 1 on; 0 if it has none."""

    @property
    def id(self) -> str:
        """Its id in the records."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def open(self) -> bool:
        """Whether decisions can be made, and packages."""
        return self.closing is None

    @property
    def decided(self) -> int:
        """The sequence of the last decision's record; -1 if there is none."""
        return self.decisions[-1].number if self.decisions else -1

    def message(self, place: int) -> int:
        """Return the number of a message by its place in the request, from 0 on."""
        self._sort()
        return self._messages[place] >> _REACH_BITS

    def reach(self, place: int) -> Reach:
        """Return why a message is in the request."""
        self._sort()
        return REACHES[self._messages[place] & (1 << _REACH_BITS) - 1]

    def place(self, message: int) -> int | None:
        """Return the place of a message by its number; None if it is not in the request."""
        self._sort()
        found = bisect_left(self._messages, message << _REACH_BITS)
        there = found < len(self._messages) and self._messages[found] >> _REACH_BITS == message
        return found if there else None

    def decision(self, place: int) -> Decision | None:
        """Return the last decision about a message; None if there is none."""
        self._sort()
        last = self._last[place]
        return self.decisions[last - 1] if last else None

    def progress(self) -> dict[str, int]:
        """Return how many messages were decided in which way, with `undecided`."""
        self._sort()
        found = {"undecided": 0, "include": 0, "withhold": 0}
        for last in self._last:
            found[self.decisions[last - 1].verdict if last else "undecided"] += 1
        return found

    def add(self, row: DecisionRow, record: AnyRecord, *, lists: bool = True) -> None:
        """Take in a later record of the request.

        Args:
            row: Where the record is.
            record: The record.
            lists: Whether to keep which messages it lists.
        """
        by = Actor(record.who, record.uid)
        self.seen = row.sequence
        match record:
            case CollectRecord():
                self.collected += len(record.messages)
                if lists:
                    code = REACHES.index(record.reach)
                    self._messages.extend(number << _REACH_BITS | code for number in record.messages)
                    self._sorted = False
            case DecideRecord():
                self._decide(row, record, by, lists)
            case ClearRecord():
                self.clearances.append(Clearance(row.time, by, record))
            case PackageRecord():
                self.packages.append(Handover(row.sequence, row.time, by, record))
            case CloseRecord():
                self.closing = Closing(row.time, by, record.reason)

    def _decide(self, row: DecisionRow, record: DecideRecord, by: Actor, lists: bool) -> None:
        self.decisions.append(
            Decision(
                row.sequence, row.time, by, record.verdict, record.reason, record.query, len(record.messages)
            )
        )
        for message in record.messages if lists else ():
            place = self.place(message)
            if place is not None:
                self._last[place] = len(self.decisions)

    def _sort(self) -> None:
        if not self._sorted:
            self._messages = array("q", sorted(set(self._messages)))
            self._last = array("i", bytes(4 * len(self._messages)))
            self._sorted = True


def rows_of(vault: Vault, after: int = -1) -> Iterator[DecisionRow]:
    """Yield the records of all subject requests after a sequence, oldest first."""
    while rows := vault.catalog.decisions(RecordKind.SUBJECT, after, ROWS):
        yield from rows
        after = rows[-1].sequence


def read_requests(
    rows: Iterable[DecisionRow], wanted: frozenset[str] | None = frozenset()
) -> dict[str, SubjectRequest]:
    """Return the requests that records make, by id, oldest first.

    Args:
        rows: The records.
        wanted: The ids of the requests whose lists of messages are kept; None for all.

    Raises:
        VaultError: A record can't be read.
    """
    found: dict[str, SubjectRequest] = {}
    for row in rows:
        record = read_record(row)
        if isinstance(record, OpenRecord):
            found[record.id] = SubjectRequest(row, record)
        elif record.id in found:
            found[record.id].add(row, record, lists=wanted is None or record.id in wanted)
    return found


def heads_of(vault: Vault) -> list[SubjectRequest]:
    """Return all requests, oldest first, without their lists of messages; raises as `read_requests`."""
    return list(read_requests(rows_of(vault)).values())


def loaded(vault: Vault, heads: Sequence[SubjectRequest]) -> list[SubjectRequest]:
    """Return requests with their lists of messages, in the order given."""
    ids = [one.id for one in heads]
    first = min((one.number for one in heads), default=0)
    found = read_requests(rows_of(vault, first - 1), frozenset(ids))
    return [found[id_] for id_ in ids]


def head_named(heads: Iterable[SubjectRequest], name: str) -> SubjectRequest:
    """Return the open request with a name, in any case; else the last one that was closed.

    Raises:
        NotFound: No request has this name.
    """
    found = [one for one in heads if name_key(one.name) == name_key(name)]
    if not found:
        raise NotFound(
            f"There is no subject request {clean(name)!r}; `muniment subject list --all` lists all of them."
        )
    return next((one for one in found if one.open), found[-1])


def request_named(vault: Vault, name: str) -> SubjectRequest:
    """Return the request with a name and its lists of messages.

    Raises:
        NotFound: No request has this name.
        VaultError: A record can't be read.
    """
    return loaded(vault, [head_named(heads_of(vault), name)])[0]


def require_open(request: SubjectRequest) -> None:
    """Check that a request is open.

    Raises:
        UsageError: It is closed.
    """
    if not request.open:
        raise UsageError(f"The subject request {request.name!r} is closed: open a new one.")
