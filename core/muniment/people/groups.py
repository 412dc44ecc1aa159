"""Groups: named sets of people and addresses, with the times in which each was a member.

A group exists as soon as someone joins it, and for ever. Its name can be typed in any case. A member is a
user, by the id that never moves, or an address that was no user's.

Three questions have different answers. Who is a member **now** decides who may read. Who was a member **when
a message came** decides about legal holds and retention. Who was **once** recorded as a member at that time,
and is not any more, since an administrator set an earlier end, leaves a doubt: such mail stays held and kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from muniment.errors import ConfigError, NotFound
from muniment.people.address_history import BEGINNING, FOREVER
from muniment.people.changes import Change, checked_address

LONGEST_NAME = 80
"""Most characters of a group's name."""


class Span(NamedTuple):
    """A period of time: the first second, and the first second after it, since 1970 UTC."""

    start: int = BEGINNING
    end: int = FOREVER

    def has(self, time: int) -> bool:
        """Return whether a time is in the period."""
        return self.start <= time < self.end


class GroupMember(NamedTuple):
    """A user, or an address that is no user's: one of the two is ""."""

    user: str = ""
    """The user's id."""
    address: str = ""
    """Normalised."""

    @property
    def value(self) -> dict[str, str]:
        """The member in a change of the directory."""
        return {"user": self.user} if self.user else {"address": self.address}


@dataclass(frozen=True, slots=True)
class Membership:
    """When someone is a member of a group."""

    spans: tuple[Span, ...] = ()
    """The times, in order, without overlaps."""
    once: tuple[Span, ...] = ()
    """Times that were recorded, and were taken back after they had begun."""
    origin: str = ""
    """Where it comes from, as that of an address; "" if that was not recorded."""

    def at(self, time: int) -> bool:
        """Return whether they are a member at a time."""
        return any(span.has(time) for span in self.spans)

    def within(self, start: int, end: int) -> bool:
        """Return whether they are a member at some time from `start` to just before `end`."""
        return any(span.start < end and start < span.end for span in self.spans)

    def once_at(self, time: int) -> bool:
        """Return whether they are or ever were recorded as a member at a time."""
        return any(span.has(time) for span in (*self.spans, *self.once))

    def joined(self, span: Span, origin: str = "") -> Membership:
        """Return the membership with one more period."""
        return Membership(united((*self.spans, span)), self.once, origin or self.origin)

    def left(self, at: int, now: int) -> Membership:
        """Return the membership that ends at a time; `now` is when that is recorded.

        What is taken back is not forgotten up to the end of this second, in which mail may have come.
        """
        kept = (Span(one.start, min(one.end, at)) for one in self.spans)
        lost = (Span(max(one.start, at), min(one.end, now + 1)) for one in self.spans)
        return Membership(united(kept), united((*self.once, *lost)), self.origin)


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return periods in order, joined where they touch; empty ones are left out."""
    found: list[Span] = []
    for span in sorted(one for one in spans if one.start < one.end):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


@dataclass(slots=True)
class Group:
    """A group, with everybody who is or was a member."""

    name: str
    """As it was typed first."""
    members: dict[GroupMember, Membership] = field(default_factory=dict)

    def at(self, time: int) -> Iterator[GroupMember]:
        """Yield the members at a time."""
        return (member for member, membership in self.members.items() if membership.at(time))


def name_key(name: str) -> str:
    """Return what the spellings of one group's name have in common."""
    return " ".join(name.split()).casefold()


def check_name(name: str) -> str:
    """Return the name of a group without needless blanks.

    Raises:
        ConfigError: It is empty, too long, or has characters that can't be shown.
    """
    made = " ".join(name.split())
    if not made or len(made) > LONGEST_NAME or not made.isprintable():
        raise ConfigError(
            f"A group's name has 1 to {LONGEST_NAME} characters that can be shown; choose another name."
        )
    return made


class GroupBook:
    """All groups of a directory. Only the directory changes it."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def copy(self) -> GroupBook:
        """Return an equal book that can be changed."""
        made = GroupBook()
        made._groups = {key: Group(one.name, dict(one.members)) for key, one in self._groups.items()}
        return made

    def join(self, change: Change) -> None:
        """Apply a change `join-group`.

        Raises:
            ConfigError: The name, the address or the times can't be used.
        """
        name, member = check_name(change["group"]), _member(change)
        span = Span(_time(change, "valid_from", BEGINNING), _time(change, "valid_to", FOREVER))
        if span.start >= span.end:
            raise ConfigError(
                f"A membership of the group {name} would end before it begins; correct its days."
            )
        group = self._groups.setdefault(name_key(name), Group(name))
        known = group.members.get(member, Membership())
        group.members[member] = known.joined(span, change.get("origin", ""))

    def leave(self, change: Change, time: int) -> None:
        """Apply a change `leave-group`, made at a time.

        Raises:
            NotFound: There is no such group or member.
        """
        group, member = self.named(change["group"]), _member(change)
        if member not in group.members:
            raise NotFound(f"{member.user or member.address} is no member of the group {group.name}.")
        group.members[member] = group.members[member].left(_time(change, "valid_to", time), time)

    def remove_user(self, user: str, time: int) -> None:
        """End the memberships of a user who is removed, since another person may get this id."""
        member = GroupMember(user)
        for group in self._groups.values():
            if member in group.members:
                group.members[member] = group.members[member].left(time, time)

    def named(self, name: str) -> Group:
        """Return the group with a name, in any case.

        Raises:
            NotFound: There is no such group.
        """
        group = self._groups.get(name_key(name))
        if group is None:
            raise NotFound(f"There is no group {name!r}; `muniment group list` lists all groups.")
        return group

    def has(self, name: str) -> bool:
        """Return whether there is a group with a name, in any case."""
        return name_key(name) in self._groups

    def all(self) -> list[Group]:
        """Return all groups, by name."""
        return sorted(self._groups.values(), key=lambda group: name_key(group.name))

    def of(self, user: str, time: int) -> frozenset[str]:
        """Return the names of the groups that a user is a member of at a time."""
        member = GroupMember(user)
        return frozenset(
            group.name
            for group in self._groups.values()
            if member in group.members and group.members[member].at(time)
        )

    def users(self, name: str, time: int, end: int | None = None) -> frozenset[str]:
        """Return the ids of the users who are in a group at a time; none for an unknown group.

        With `end`, they are in it at some time before it.
        """
        group = self._groups.get(name_key(name))
        members = group.members.items() if group else ()
        until = time + 1 if end is None else end
        return frozenset(one.user for one, known in members if one.user and known.within(time, until))


def _member(change: Change) -> GroupMember:
    return GroupMember(
        change.get("user", ""), checked_address(change["address"]) if "address" in change else ""
    )


def _time(change: Change, name: str, default: int) -> int:
    given: int | None = change.get(name)
    return default if given is None else given
