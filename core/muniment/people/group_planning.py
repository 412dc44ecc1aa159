"""Plans the changes of the directory that give groups the members that an administrator wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from muniment.errors import ConfigError, NotFound
from muniment.mail.headers.addresses import normalise
from muniment.people import changes
from muniment.people.address_history import BEGINNING, FOREVER
from muniment.people.changes import Change, checked_address
from muniment.people.directory import CATCH_ALL, Directory
from muniment.people.groups import GroupMember, Membership, Span, check_name, name_key


@dataclass(frozen=True, slots=True)
class WantedMember:
    """A member as an administrator wants them."""

    name: str
    """A name or address of a user, or any other address."""
    since: int | None = None
    """The first second, since 1970 UTC; None if no beginning is given."""
    until: int | None = None
    """The first second after it, since 1970 UTC; None if no end is given."""


def member_named(directory: Directory, name: str) -> GroupMember:
    """Return the member that a name or an address means.

    Raises:
        NotFound: It is neither a user nor an address.
        ConfigError: It is the catch-all, or an address that can't be used.
    """
    try:
        user = directory.find(name)
    except NotFound:
        if "@" not in name.strip().strip("@"):
            raise
        return GroupMember(address=checked_address(name))
    if user.id == CATCH_ALL:
        raise ConfigError("The catch-all is no person; name a user or an address.")
    return GroupMember(address=user.addresses[0]) if user.automatic else GroupMember(user.id)


def join_changes(
    directory: Directory, group: str, wanted: Iterable[WantedMember], now: int
) -> Iterator[Change]:
    """Yield the changes that make people members of a group, but for what the directory has already.

    Without a beginning, someone who was never in the group was always in it, and someone who left is in it
    again from `now` on.

    Raises:
        NotFound: Someone is neither a user nor an address.
        ConfigError: The group's name or a time can't be used.
    """
    name = check_name(group)
    known = _members(directory, name)
    for one in wanted:
        member = member_named(directory, one.name)
        membership = known.get(member, Membership())
        span = Span(_beginning(membership, one, now), FOREVER if one.until is None else one.until)
        if span.start >= span.end:
            raise ConfigError(
                f"{one.name} would leave the group {name} before they join it; correct the days."
            )
        if membership.joined(span).spans != membership.spans:
            known[member] = membership.joined(span)
            yield changes.join_group(
                name, member.value,
                valid_from=None if span.start == BEGINNING else span.start,
                valid_to=None if span.end == FOREVER else span.end,
            )  # fmt: skip


def _beginning(known: Membership, wanted: WantedMember, now: int) -> int:
    if wanted.since is not None:
        return wanted.since
    if not known.spans:
        return now if known.once else BEGINNING
    running = next((span for span in known.spans if span.has(now)), None)
    return running.start if running else now


def leave_changes(
    directory: Directory, group: str, names: Iterable[str], at: int | None, now: int
) -> Iterator[Change]:
    """Yield the changes by which members leave a group; `at` is None for now.

    Raises:
        NotFound: There is no such group, or someone is no member of it.
    """
    found = directory.groups.named(group)
    for name in names:
        meant = _meant(directory, name)
        members = [one for one in meant if _ends_later(found.members.get(one), now if at is None else at)]
        if not members:
            raise NotFound(f"{name} is no member of the group {found.name} at that time.")
        yield from (changes.leave_group(found.name, one.value, valid_to=at) for one in members)


def _meant(directory: Directory, name: str) -> list[GroupMember]:
    """Return who may be meant: an address may have been a member before it was a user's."""
    address = GroupMember(address=normalise(name))
    try:
        return list(dict.fromkeys((member_named(directory, name), address)))
    except (NotFound, ConfigError):
        return [address]


def _ends_later(membership: Membership | None, at: int) -> bool:
    return membership is not None and any(span.end > at for span in membership.spans)


def all_changes(
    directory: Directory, wanted: Mapping[str, Sequence[WantedMember]], now: int, complete: bool = False
) -> Iterator[Change]:
    """Yield the changes that give groups these members.

    Args:
        directory: The current directory.
        wanted: The members by the name of the group.
        now: The time now, in seconds since 1970 UTC.
        complete: Whether these are all members: others who are in one of these groups leave it now.

    Raises:
        NotFound, ConfigError: As `join_changes`.
    """
    for group, members in wanted.items():
        yield from join_changes(directory, group, members, now)
        if complete:
            kept = {member_named(directory, one.name) for one in members}
            for member, known in _members(directory, group).items():
                if member not in kept and known.at(now):
                    yield changes.leave_group(group, member.value)


def _members(directory: Directory, group: str) -> dict[GroupMember, Membership]:
    found = next((one for one in directory.groups.all() if name_key(one.name) == name_key(group)), None)
    return dict(found.members) if found else {}
