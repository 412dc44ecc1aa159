"""Finds events of the audit trail: by reader, person concerned, kind, time and words.

The rarest of the wanted keys leads through the catalog, and the other conditions are checked event by event.
A call looks at a bounded number of events, so it is quick in a trail of millions; if it ends before the page
is full, the next call continues there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from muniment.archive.catalog import AuditRow
from muniment.archive.catalog.audit_keys import (
    ADDRESS,
    CHANGE,
    EVERYBODY,
    EXPORT,
    KIND,
    PERSON,
    REFUSED,
    UNKNOWN,
    WHO,
    decoded,
    event_keys,
    ids_in,
    named_in,
)
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.mail.headers.addresses import normalise
from muniment.mail.text.folding import fold
from muniment.people.directory import AUTO, FORMER, User

STEP = 500
"""Events that are read at a time."""
SCANNED = 10_000
"""Most events that one call looks at."""
RARE = frozenset({CHANGE, EXPORT, REFUSED})
"""Kinds of which there are fewer events than of one reader."""
LATE = 86_400
"""Most seconds between an event and its record. Only events that a full disk refuses wait longer than a
minute."""
LOOKED_UP = 5_000
"""Messages whose people are looked up in one call, at least; with the next event, the next call continues."""
AT_ONCE = 200
"""Messages whose people are looked up at a time."""
NAMED = 100
"""Most messages of an event whose people are looked up, if the event does not name them."""


@dataclass(frozen=True, slots=True)
class AuditConditions:
    """What events are searched for. Empty conditions leave nothing out."""

    reader: str = ""
    """Login name of who acted."""
    person: User | None = None
    """The user whose mail was read or whose login was changed."""
    kinds: Collection[str] = ()
    """Kinds, of `catalog.audit_keys.KINDS`."""
    since: int | None = None
    """The first second, since 1970 UTC."""
    until: int | None = None
    """The first second that is too late."""
    words: Sequence[str] = ()
    """Texts that must all be in the event."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of events that were found."""

    rows: tuple[AuditRow, ...]
    last: int = 0
    """The sequence at which the next page continues; 0 if there is nothing more."""


def search_audit(
    vault: Vault,
    wanted: AuditConditions,
    limit: int,
    place: int = 0,
    oldest_first: bool = False,
    *,
    enough: int = LOOKED_UP,
) -> AuditPage:
    """Return a page of the events that fulfil all conditions.

    Args:
        vault: The vault.
        wanted: The conditions.
        limit: Most events of the page.
        place: The sequence at which the previous page ended; 0 to begin.
        oldest_first: Whether the oldest event comes first; otherwise the newest.
        enough: Messages whose people are looked up, by the search and for the page, after which the page
            ends.
    """
    after, before = _bounds(vault, wanted, place, oldest_first)
    search = _AuditSearch(vault, wanted)
    found: list[AuditRow] = []
    for _ in range(SCANNED // STEP):
        rows = vault.catalog.audited(
            STEP, before, after=after, keys=search.leading, oldest_first=oldest_first
        )
        for row in rows:
            if search.fits(row):
                if len(found) == limit:
                    return AuditPage(tuple(found), found[-1].sequence)
                found.append(row)
                search.looked_up += _to_look_up(row)
            if search.looked_up >= enough:
                return AuditPage(tuple(found), row.sequence)
        if len(rows) < STEP:
            return AuditPage(tuple(found))
        after, before = (rows[-1].sequence, before) if oldest_first else (after, rows[-1].sequence)
    return AuditPage(tuple(found), after if oldest_first else before)


def _bounds(vault: Vault, wanted: AuditConditions, place: int, oldest_first: bool) -> tuple[int, int]:
    """Return the sequences between which the events are."""
    after, before = (place or -1, 2**63 - 1) if oldest_first else (-1, place or 2**63 - 1)
    if wanted.since is not None or wanted.until is not None:
        since = -(2**62) if wanted.since is None else wanted.since - LATE
        until = 2**62 if wanted.until is None else wanted.until + LATE
        low, high = vault.catalog.audit_span(since, until)
        after, before = max(after, low - 1), min(before, high + 1)
    return after, before


def _to_look_up(row: AuditRow) -> int:
    """Return how many messages of an event must be looked up to name the people on the page."""
    event = decoded(row.event)
    if ids_in(event) or named_in(event):
        return 0
    return min(len(list(_strings(event.get("messages", ())))), NAMED)


class _AuditSearch:
    """Decides about events. The conditions are prepared once."""

    def __init__(self, vault: Vault, wanted: AuditConditions) -> None:
        self._vault = vault
        self._wanted = wanted
        self._of_person = keys_of(vault, wanted.person) if wanted.person else frozenset[str]()
        self._of_kinds = frozenset(KIND + kind for kind in wanted.kinds)
        self._words = [fold(word) for word in wanted.words]
        self._own: dict[str, bool] = {}
        """Whether the person has a message, by its id."""
        self.looked_up = 0
        """Messages whose people were looked up so far."""

    @property
    def leading(self) -> Collection[str]:
        """The keys by which events are looked up: one of them is needed; none if all may fit."""
        if self._of_person:
            return self._of_person
        reader = {WHO + self._wanted.reader} if self._wanted.reader else frozenset[str]()
        if self._of_kinds and (not reader or RARE.issuperset(self._wanted.kinds)):
            return self._of_kinds
        return reader

    def fits(self, row: AuditRow) -> bool:
        """Whether an event fulfils all conditions."""
        event, wanted = decoded(row.event), self._wanted
        time = event.get("at", row.time)
        if wanted.since is not None and time < wanted.since:
            return False
        if wanted.until is not None and time >= wanted.until:
            return False
        if wanted.reader and event.get("who") != wanted.reader:
            return False
        keys = event_keys(event)
        if self._of_kinds and self._of_kinds.isdisjoint(keys):
            return False
        if wanted.person is not None and not self._concerns(wanted.person, event, keys):
            return False
        return not self._words or self._has_words(event)

    def _concerns(self, person: User, event: dict[str, Any], keys: set[str]) -> bool:
        if UNKNOWN in keys:
            return self._has_mail(person, event)
        return not self._of_person.isdisjoint(keys)

    def _has_mail(self, person: User, event: dict[str, Any]) -> bool:
        """Whether the person has one of an event's messages. Each message is looked up once in a search."""
        messages = list(dict.fromkeys(_strings(event.get("messages", ()))))
        if any(self._own.get(sha) for sha in messages):
            return True
        left = [sha for sha in messages if sha not in self._own]
        for start in range(0, len(left), AT_ONCE):
            numbers = _numbers(self._vault, left[start : start + AT_ONCE])
            placed = self._vault.catalog.placed(
                person.id, [one for one in numbers.values() if one is not None]
            )
            self._own |= {sha: number in placed for sha, number in numbers.items()}
            self.looked_up += len(numbers)
            if placed:
                return True
        return False

    def _has_words(self, event: dict[str, Any]) -> bool:
        people = (self._vault.directory.label(one) for one in ids_in(event))
        text = fold(" ".join((*_strings(event), *people)))
        return all(word in text for word in self._words)


def keys_of(vault: Vault, user: User) -> frozenset[str]:
    """Return the keys of all events that may concern a user.

    Mail at the user's addresses may have been someone's who was removed since. Events name them by their id,
    and these events are the user's as well.
    """
    ids = {user.id, *(AUTO + one for one in user.addresses), *_removed_ids(vault, user.addresses)}
    typed = {*user.addresses, *(normalise(vault.directory.label(one)) for one in ids)}
    return frozenset({EVERYBODY, UNKNOWN} | {PERSON + one for one in ids} | {ADDRESS + one for one in typed})


def removed_person(vault: Vault, name: str) -> User | None:
    """Return someone who was removed, as far as the trail names them; None if it does not.

    Args:
        vault: The vault.
        name: The label under which the trail lists them, or an address that was theirs.
    """
    wanted = normalise(name).removesuffix(FORMER)
    address = _first_address(wanted)
    ids = _removed_ids(vault, [address]) | _removed_by_changes(vault, address)
    if not ids or (wanted != address and wanted not in ids):
        return None
    return User(min(ids), "", vault.directory.label(min(ids)), (address, *map(_first_address, ids)))


def _first_address(id_: str) -> str:
    """Return the primary address that a user got first, from which their id was made."""
    address, _, number = id_.rpartition("#")
    return address if address and number.isdecimal() else id_


def _removed_ids(vault: Vault, addresses: Iterable[str]) -> set[str]:
    """Return the ids in the trail that were made from one of these addresses, of users who were removed."""
    found = {
        key.removeprefix(PERSON)
        for address in addresses
        for key in vault.catalog.audit_keys(PERSON + address)
        if _first_address(key.removeprefix(PERSON)) == address
    }
    return found - {user.id for user in vault.directory.users()}


def _removed_by_changes(vault: Vault, address: str) -> set[str]:
    """Return the ids of users who were removed, and to whom a change gave an address or from whom it took
    it."""
    rows = vault.catalog.audited(STEP, keys={ADDRESS + address})
    events = (decoded(row.event) for row in rows)
    found = {one for event in events if event.get("event") == "changed" for one in ids_in(event)}
    return found - {user.id for user in vault.directory.users()}


def message_numbers(vault: Vault, event: dict[str, Any], limit: int | None = None) -> list[int]:
    """Return the numbers of an event's messages that are in the catalog, of the first `limit` ones."""
    found = _numbers(vault, list(_strings(event.get("messages", ())))[:limit])
    return [number for number in found.values() if number is not None]


def _numbers(vault: Vault, messages: Iterable[str]) -> dict[str, int | None]:
    """Return the number of each message by its id; None for one that is not in the catalog."""
    numbers: dict[str, int | None] = {}
    for sha in messages:
        try:
            numbers[sha] = vault.catalog.message_by_prefix(sha).sequence
        except NotFound:
            numbers[sha] = None  # an item in quarantine
    return numbers


def people_of(vault: Vault, event: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels of the people whose mail an event is about, sorted.

    An event of an older version does not name them; they are then the present holders of its messages.
    """
    ids = set(ids_in(event))
    if not ids and not named_in(event):
        ids = vault.catalog.holders(message_numbers(vault, event, NAMED))
    return tuple(sorted({vault.directory.label(one) for one in ids} or set(named_in(event))))


def concerns_everybody(event: dict[str, Any]) -> bool:
    """Whether an event is about everybody's mail."""
    return EVERYBODY in event_keys(event)


def _strings(value: Any) -> Iterable[str]:
    """Yield all texts in a value from JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)
