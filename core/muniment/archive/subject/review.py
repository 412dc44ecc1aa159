"""Looks at the messages of a subject request as they are now: decided, sealed, or erased since.

A message is named by the number that it had when the request was opened. If the record of another version has
taken its place since, that version is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from muniment.archive.catalog import MessageRow
from muniment.archive.catalog.model import Erasure
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.search import find
from muniment.archive.retention.coverage import MessagePage
from muniment.archive.retention.selected_people import Fit, PersonMatch
from muniment.archive.subject.collect import SealedOf
from muniment.archive.subject.records import Reach
from muniment.archive.subject.requests import Decision, SubjectRequest
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.mail.model import AddressRole
from muniment.system.time_zones import zone_of

BLOCK = 500
"""Messages that are looked at together."""
State = Literal["undecided", "included", "withheld", "sealed", "erased"]
STATES: tuple[State, ...] = ("undecided", "included", "withheld", "sealed", "erased")
"""What a message of a request can be, for one reader."""
_VERDICTS: dict[str, State] = {"include": "included", "withhold": "withheld"}
PARTS = {
    AddressRole.SENDER: "sender",
    AddressRole.ON_BEHALF_OF: "sender",
    AddressRole.TO: "to",
    AddressRole.CC: "cc",
    AddressRole.BCC: "bcc",
    AddressRole.RECIPIENT: "recipient",
    AddressRole.EXPANDED: "list",
    AddressRole.FORWARDED: "forwarded",
}
"""What the person is to a message, by the role of their address."""
OWNER = "mailbox"
"""The message is from the person's own mailbox."""


@dataclass(frozen=True, slots=True)
class ReviewedMessage:
    """A message of a request, as it is now."""

    place: int
    """Its place in the request, from 0 on."""
    number: int
    """Its number when the request was opened."""
    state: State
    reach: Reach
    row: MessageRow | None
    """None if it is erased."""
    decision: Decision | None
    """The last decision; None if there is none."""


@dataclass(slots=True)
class StateCounts:
    """How many messages of a request are what."""

    states: dict[State, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    reaches: dict[Reach, int] = field(default_factory=lambda: {"party": 0, "unsure": 0, "named": 0})


@dataclass(frozen=True, slots=True)
class SearchedQuery:
    """A query by which messages of a request are chosen."""

    text: str
    now: int
    """The time that `7d` and the like refer to, in seconds since 1970 UTC."""
    zone: str = ""
    without: tuple[str, ...] = ()
    """Ids of people whose mail is sealed from the reader."""


class Review:
    """The messages of a request for one reader."""

    def __init__(self, vault: Vault, request: SubjectRequest, sealed_of: SealedOf) -> None:
        """Look at a request; `sealed_of` is as in `collect`."""
        self._vault = vault
        self._sealed_of = sealed_of
        self.request = request
        self.unsearched = 0
        """Messages in which a query could not be looked for, since the index lacks them."""

    def all(self, start: int = 0) -> Iterator[list[ReviewedMessage]]:
        """Yield all messages in blocks, from a place on."""
        for first in range(start, self.request.collected, BLOCK):
            yield self.at(range(first, min(first + BLOCK, self.request.collected)))

    def at(self, places: Sequence[int]) -> list[ReviewedMessage]:
        """Return the messages at these places."""
        request = self.request
        rows = current_rows(self._vault, [request.message(place) for place in places])
        sealed = self._sealed_of({row.sequence for row in rows.values()}) if rows else set()
        return [self._one(place, rows.get(request.message(place)), sealed) for place in places]

    def _one(self, place: int, row: MessageRow | None, sealed: Collection[int]) -> ReviewedMessage:
        request = self.request
        decision = request.decision(place)
        state: State = _VERDICTS[decision.verdict] if decision is not None else "undecided"
        if row is None:
            state = "erased"
        elif row.sequence in sealed:
            state = "sealed"
        return ReviewedMessage(place, request.message(place), state, request.reach(place), row, decision)

    def counts(self) -> StateCounts:
        """Count all messages by what they are."""
        found = StateCounts()
        for block in self.all():
            for one in block:
                found.states[one.state] += 1
                found.reaches[one.reach] += 1
        return found

    def found(self, block: Sequence[ReviewedMessage], query: SearchedQuery) -> list[ReviewedMessage]:
        """Return those of some messages that a query finds. Sealed and erased ones are never found.

        Raises:
            QueryError, NotFound, VaultError: As `operations.search.find`.
        """
        open_ = {one.row.sequence: one for one in block if one.row is not None and one.state != "sealed"}
        if not open_:
            return []
        vault = self._vault
        watermark = vault.index().watermark
        bound = is_bound(vault, watermark, vault.index().binding)
        page = find(
            vault, query.text, limit=len(open_), zone=zone_of(query.zone), now=query.now,
            without=query.without, among=tuple(open_),
        )  # fmt: skip
        lacking = vault.catalog.unindexed(open_, watermark) if bound else set(open_)
        self.unsearched += len(lacking)
        return sorted((open_[number] for number in page.ids), key=lambda one: one.place)


def current_rows(vault: Vault, numbers: Sequence[int]) -> dict[int, MessageRow]:
    """Return the messages that have these numbers, or had them; those of erased messages are left out."""
    found = {row.sequence: row for row in vault.catalog.rows(numbers)}
    for number in numbers:
        if number not in found:
            row = vault.catalog.message_of_record(number)[1] or _row_of_hash(vault, number)
            if row is not None:
                found[number] = row
    return found


def _row_of_hash(vault: Vault, number: int) -> MessageRow | None:
    """Return the message with the hash that a record's leaf has: its record may be written again."""
    sha = hash_of(vault, number)
    return vault.catalog.message_by_sha(sha) if sha else None


def hash_of(vault: Vault, number: int) -> bytes:
    """Return the SHA-256 that the leaf of a record has, also of an erased one; b"" if it can't be read."""
    head = vault.head
    try:
        for _ in vault.tree.grow(head.tree_size):
            pass
        return vault.tree.inclusion(number, Checkpoint(head.tree_size, head.root)).header.sha
    except (VaultError, ValueError, OSError):
        return b""


def erasure_of(vault: Vault, number: int) -> Erasure | None:
    """Return the decision by which a message was erased; None if that can't be said."""
    sha = hash_of(vault, number)
    return vault.catalog.erasure_of(sha) if sha else None


class OwnPart:
    """What the person of a request is to messages: sender, recipient, or only named."""

    def __init__(self, vault: Vault, request: SubjectRequest) -> None:
        self._vault = vault
        directory, ever = vault.directory, vault.directory.ever
        self._people = [PersonMatch(person, directory, ever) for person in request.selection.people]

    def of(self, rows: Iterable[MessageRow]) -> dict[int, tuple[str, ...]]:
        """Return the person's roles by the number of each message; none where only its text names them."""
        page = MessagePage(self._vault, list(rows))
        return {
            number: tuple(
                dict.fromkeys(
                    OWNER if one.owner_folder else PARTS[one.role]
                    for one in mentions
                    if any(person.fit(one) is not Fit.NO for person in self._people)
                )
            )
            for number, mentions in page.mentions.items()
        }
