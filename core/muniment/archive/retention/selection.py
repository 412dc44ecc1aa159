"""A selection: which mail a legal hold or a retention rule is about, as a record in the ledger keeps it.

All criteria that are given must hold. Of a criterion with several values, one is enough. A selection without
criteria is about all mail.

A record never changes, but the directory does. So a selection keeps the addresses of its people, and the
organisation's own names, as they were when it was recorded. `coverage` compares mail with these and with the
directory of today.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from muniment.archive.query import And, GroupTerm, InFolder, Node, Not, Or, UserTerm, parse
from muniment.errors import NotFound, UsageError, VaultError
from muniment.mail.headers.addresses import domain, normalise
from muniment.mail.headers.domains import canonical
from muniment.people.directory import CATCH_ALL, Directory
from muniment.system.formatting import size as shown_size
from muniment.system.time_zones import zone_of

LONGEST_END = 16
"""Most characters of the end of a file's name; the index knows no longer ones."""
DIRECTIONS = {"in": "incoming", "out": "outgoing", "internal": "internal"}
"""Directions of mail, with the word for each."""


class AddressSpan(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An address of a person, with the time in which it was theirs."""

    address: str
    """Normalised."""
    start: int | None = None
    """The first second, since 1970 UTC; None from the beginning."""
    end: int | None = None
    """The first second after it, since 1970 UTC; None if it has not ended."""


class SelectedPerson(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person, or an address that is no user's."""

    name: str
    """The person's address or label when this was recorded."""
    user: str = ""
    """The user's id; "" for an address that was no user's."""
    addresses: tuple[AddressSpan, ...] = ()


class OwnNames(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The organisation's own names when a selection by direction was recorded."""

    domains: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """The addresses of users outside these domains."""


class MailSelection(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which mail a hold or a rule is about. `selection_of` makes it from what was typed."""

    people: tuple[SelectedPerson, ...] = ()
    """The mail is from, to, or in the mailbox of one of them."""
    groups: tuple[str, ...] = ()
    """The same of someone who was in one of these groups when it was received."""
    domains: tuple[str, ...] = ()
    """One of its addresses is in one of these domains."""
    direction: str = ""
    """One of DIRECTIONS; "" for any."""
    own: OwnNames | None = None
    """What the direction is judged by; only with a direction."""
    folders: tuple[str, ...] = ()
    """It is in a folder with one of these names; with people, in one of theirs."""
    profiles: tuple[str, ...] = ()
    """One of these profiles was the first to fetch a copy of it."""
    least: int | None = None
    """It has at least this many bytes."""
    most: int | None = None
    """It has at most this many bytes."""
    attachments: bool | None = None
    """Whether it has attachments."""
    kinds: tuple[str, ...] = ()
    """The name of one of its files ends like this, such as `pdf`."""
    since: int | None = None
    """It was received at this time or later, in seconds since 1970 UTC."""
    until: int | None = None
    """It was received before this time, in seconds since 1970 UTC."""
    query: str = ""
    """A search finds it."""
    asked: int = 0
    """The time that `7d` and the like in the query refer to, in seconds since 1970 UTC."""
    zone: str = ""
    """The time zone in which the days of the query begin; "" for UTC."""

    @property
    def everything(self) -> bool:
        """Whether it is about all mail."""
        return self == MailSelection(asked=self.asked, zone=self.zone)


def selection_of(
    directory: Directory,
    *,
    now: int,
    zone: str = "",
    people: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    domains: tuple[str, ...] = (),
    direction: str = "",
    folders: tuple[str, ...] = (),
    profiles: tuple[str, ...] = (),
    least: int | None = None,
    most: int | None = None,
    attachments: bool | None = None,
    kinds: tuple[str, ...] = (),
    since: int | None = None,
    until: int | None = None,
    query: str = "",
) -> MailSelection:
    """Make a selection of what was typed; the arguments mean what the fields of `MailSelection` mean.

    `now` is the time now, in seconds since 1970 UTC, and `zone` the name of a time zone. `people` are names
    or addresses of users in `directory`, or any other addresses.

    Raises:
        UsageError: A criterion can't be used.
        QueryError: The query is not valid.
        NotFound: A person is neither a user nor an address, or there is no such group.
    """
    made = MailSelection(
        people=tuple(dict.fromkeys(_person(directory, name) for name in people)),
        groups=tuple(dict.fromkeys(directory.groups.named(name).name for name in groups)),
        domains=tuple(dict.fromkeys(map(_domain, domains))),
        direction=direction,
        own=_own_names(directory) if direction else None,
        folders=tuple(dict.fromkeys(folders)),
        profiles=tuple(dict.fromkeys(profiles)),
        least=least,
        most=most,
        attachments=attachments,
        kinds=tuple(dict.fromkeys(map(_kind, kinds))),
        since=since,
        until=until,
        query=query.strip(),
        asked=now if query.strip() else 0,
        zone=zone if query.strip() else "",
    )
    _check(made)
    return made


def _person(directory: Directory, name: str) -> SelectedPerson:
    try:
        user = directory.find(name)
    except NotFound:
        if "@" not in name.strip().strip("@"):
            raise
        address = normalise(name)
        return SelectedPerson(address, "", (AddressSpan(address),))
    if user.id == CATCH_ALL:
        raise UsageError("The catch-all is no person; name addresses or a domain instead.")
    if user.automatic:
        return SelectedPerson(user.primary, "", tuple(map(AddressSpan, user.addresses)))
    periods = directory.address_periods(user.id)
    spans = tuple(AddressSpan(one.address, one.start, one.end) for one in periods)
    return SelectedPerson(user.primary, user.id, spans)


def _domain(name: str) -> str:
    made = canonical(name.strip().removeprefix("@"))
    if not made or "@" in made or " " in made:
        raise UsageError(f"{name!r} is not a domain; write it as example.com.")
    return made


def _kind(name: str) -> str:
    made = name.strip().lstrip("*.").casefold()
    if not made.isalnum() or len(made) > LONGEST_END:
        raise UsageError(f"{name!r} is not the end of a file's name; write it as pdf or docx.")
    return made


def _own_names(directory: Directory) -> OwnNames:
    """Return the organisation's own names today."""
    own = frozenset(directory.domains)
    held = {one for user in directory.users() for one in user.addresses}
    return OwnNames(tuple(sorted(own)), tuple(sorted(one for one in held if domain(one) not in own)))


def _check(selection: MailSelection) -> None:
    """Refuse what can't be used.

    Raises:
        UsageError: A criterion contradicts itself, or has no meaning in a selection.
        QueryError: The query is not valid.
    """
    if selection.direction and selection.direction not in DIRECTIONS:
        raise UsageError(f"A direction is {', '.join(DIRECTIONS)}; {selection.direction!r} is none of these.")
    least, most = selection.least, selection.most
    if (least is not None and least < 0) or (most is not None and most < (least or 0)):
        raise UsageError("No mail has such a size; give a lower bound that is not above the upper one.")
    since, until = selection.since, selection.until
    if since is not None and until is not None and since >= until:
        raise UsageError("No mail was received in such a time; let it begin before it ends.")
    if selection.attachments is False and selection.kinds:
        raise UsageError("Mail without attachments has no files; leave out one of the two.")
    if not all(name.strip() for name in (*selection.folders, *selection.profiles)):
        raise UsageError("A folder or profile has no name; leave it out.")
    for part in _parts(query_of(selection)):
        if isinstance(part, (UserTerm, GroupTerm, InFolder)):
            raise UsageError(
                "A query of a hold or a rule can't have user:, group: or in:, since people and folders "
                "change; give them as people, groups and folders of their own."
            )


def query_of(selection: MailSelection) -> Node:
    """Return the parsed query; one that finds every message if there is none.

    Raises:
        QueryError: The query is not valid.
        ValueError: This machine does not know the time zone.
    """
    return parse(selection.query, now=selection.asked, zone=zone_of(selection.zone))


def _parts(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _parts(item)
        case Not(item):
            yield from _parts(item)


def negates(node: Node) -> bool:
    """Return whether a query excludes anything, so that a message may stop fitting when more is known."""
    return any(isinstance(part, Not) for part in _parts(node))


# --- as JSON ----------------------------------------------------------------------------------------------


def selection_value(selection: MailSelection) -> dict[str, Any]:
    """Return a selection as plain values for a record; fields without a value are left out."""
    value: dict[str, Any] = msgspec.to_builtins(selection)
    return value


def read_selection(value: Any) -> MailSelection:
    """Read a selection from a record.

    Raises:
        VaultError: It has an unknown field, or a wrong value. A selection that is only read in part would
            select too much or too little.
    """
    try:
        return msgspec.convert(value, MailSelection)
    except msgspec.ValidationError as error:
        raise VaultError(
            f"A selection of mail in the ledger can't be read ({error}); use the release that recorded it, "
            "or a newer one."
        ) from error


# --- in words ---------------------------------------------------------------------------------------------


def describe(selection: MailSelection, zone: tzinfo = UTC) -> str:
    """Say in words what a selection is about. Names are as they were typed: sanitise them before showing.

    Args:
        selection: The selection.
        zone: The reader's time zone, for dates of receipt.
    """
    words = [
        *_one_of("of", [person.name for person in selection.people]),
        *_one_of("of the group", list(selection.groups)),
        *_one_of("with an address in", list(selection.domains)),
        *([DIRECTIONS[selection.direction]] if selection.direction else []),
        *_one_of("in the folder", list(selection.folders)),
        *_one_of("fetched by", list(selection.profiles)),
        *_sizes(selection),
        *_files(selection),
        *_received(selection, zone),
        *([f"found by {selection.query!r}"] if selection.query else []),
    ]
    return "mail " + ", ".join(words) if words else "all mail"


def _one_of(before: str, names: list[str]) -> list[str]:
    return [f"{before} {' or '.join(names)}"] if names else []


def _sizes(selection: MailSelection) -> list[str]:
    bounds = ((selection.least, "at least"), (selection.most, "at most"))
    return [f"of {words} {shown_size(bound)}" for bound, words in bounds if bound is not None]


def _files(selection: MailSelection) -> list[str]:
    if selection.kinds:
        return _one_of("with a file that ends in", [f".{kind}" for kind in selection.kinds])
    if selection.attachments is None:
        return []
    return ["with attachments" if selection.attachments else "without attachments"]


def _received(selection: MailSelection, zone: tzinfo) -> list[str]:
    bounds = ((selection.since, "from"), (selection.until, "before"))
    found = [f"{words} {_moment(bound, zone)}" for bound, words in bounds if bound is not None]
    return [f"received {' and '.join(found)}"] if found else []


def _moment(time: int, zone: tzinfo) -> str:
    """Return a time as a day, or with its minute if it is not the beginning of a day."""
    moment = datetime.fromtimestamp(time, zone)
    return f"{moment:%Y-%m-%d}" if moment.strftime("%H%M%S") == "000000" else f"{moment:%Y-%m-%d %H:%M}"
