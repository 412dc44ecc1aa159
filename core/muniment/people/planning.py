"""Plans the changes of the directory that make it what an administrator wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from muniment.errors import ConfigError, NotFound
from muniment.mail.headers.addresses import normalise, usable
from muniment.people import changes
from muniment.people.changes import Change
from muniment.people.directory import Directory, User


@dataclass(frozen=True, slots=True)
class PlannedPerson:
    """A person as an administrator wants them: name and normalised addresses, the primary one first."""

    name: str
    addresses: tuple[str, ...]


@dataclass(slots=True)
class _Known:
    """The users in the directory, including those that planned changes will add."""

    primaries: dict[str, User]
    holders: dict[str, User]
    ids: set[str]
    claimed: set[str] = field(default_factory=set)
    """Ids of users that are matched to a wanted person already."""


def check_person(name: str, addresses: Sequence[str]) -> PlannedPerson:
    """Check and normalise a person's name and addresses.

    Raises:
        ConfigError: The name is empty, there is no address, or an address is not valid.
    """
    name = name.strip()
    if not name:
        raise ConfigError("the name is empty.")
    given = [address.strip() for address in addresses]
    if not given or not given[0]:
        raise ConfigError(f"{name} has no address.")
    for address in filter(None, given):
        if "@" not in address:
            raise ConfigError(f"{address!r} has no @, so it is not an address.")
        if not address.isprintable() or not usable(normalise(address)):
            raise ConfigError(f"{address!r} is not a mail address.")
    return PlannedPerson(name, tuple(dict.fromkeys(normalise(a) for a in given if a)))


def changes_for(
    people: Sequence[PlannedPerson], directory: Directory, since: int | None = None
) -> list[Change]:
    """Return the changes that give these people their names and addresses.

    A person is an existing user if that user has the person's primary address as their own, or else has one
    of the addresses and the same name. Other people are new users. No user loses an address, except to
    another of these people. What the directory has already needs no change.

    Args:
        people: The people.
        directory: The current directory.
        since: When a transfer of an address takes effect, in seconds since 1970 UTC; None for the time of
            the change.
    """
    known = _known(directory)
    primaries = {person.addresses[0] for person in people}
    known.claimed = {user.id for label, user in known.primaries.items() if label in primaries}
    return [change for person in people for change in _changes(person, known, since)]


def add_changes(
    directory: Directory, name: str, addresses: Sequence[str], since: int | None = None
) -> list[Change]:
    """Return the changes that add a person, or give an existing one more addresses; see `changes_for`.

    Raises:
        ConfigError: The name or an address is not valid.
    """
    return changes_for([check_person(name, addresses)], directory, since)


def edit_changes(
    directory: Directory, user: str, name: str, addresses: Sequence[str], since: int | None = None
) -> list[Change]:
    """Return the changes that give one user a name, a primary address and further addresses.

    Args:
        directory: The current directory.
        user: The user's id. They stay this user, also with another name and primary address.
        name: The name.
        addresses: The primary address, and any others. The user keeps addresses that are left out.
        since: As in `changes_for`.

    Raises:
        NotFound: There is no such user.
        ConfigError: The name or an address is not valid.
    """
    person = check_person(name, addresses)
    known = _known(directory)
    meant = next((one for one in directory.users() if one.id == user), None)
    if meant is None:
        raise NotFound("the user was removed meanwhile: `muniment users list` lists all users")
    return list(_changes_of(meant, person, known, since))


def remove_changes(directory: Directory, user: str, alias: str = "") -> list[Change]:
    """Return the changes that remove a user, or with `alias` one of the user's addresses.

    Args:
        directory: The current directory.
        user: A label or an address of the user.
        alias: The address to remove; "" removes the user.

    Raises:
        NotFound: There is no such user, or `alias` is not the user's address.
        ConfigError: The user is an automatic one.
    """
    found = directory.find(user)
    if found.automatic or found.id not in {one.id for one in directory.users()}:
        raise ConfigError(f"{found.primary} was made automatically and can't be removed.")
    if alias:
        if normalise(alias) not in found.addresses:
            raise NotFound(f"{alias} is not an address of {found.primary}.")
        spellings = directory.spellings(found.id, normalise(alias))
        return [changes.remove_address(found.id, spelling) for spelling in spellings]
    return [changes.remove_user(found.id)]


def _known(directory: Directory) -> _Known:
    users = directory.users()
    holders = {a: user for user in users for a in user.addresses if _holds(user, a, directory)}
    return _Known({user.primary: user for user in users}, holders, {user.id for user in users})


def _holds(user: User, address: str, directory: Directory) -> bool:
    return "@" in address and directory.find(address).id == user.id


def _changes(person: PlannedPerson, known: _Known, since: int | None) -> Iterator[Change]:
    primary = person.addresses[0]
    user = _meant(person, known) or User(_new_id(primary, known), "", "")
    yield from _changes_of(user, person, known, since)


def _changes_of(user: User, person: PlannedPerson, known: _Known, since: int | None) -> Iterator[Change]:
    """Yield the changes that make a user the wanted person."""
    primary = person.addresses[0]
    if (user.name, user.primary) != (person.name, primary):
        yield changes.add_user(user.id, person.name, primary, since=since)
    for address in person.addresses[1:]:
        holder = known.holders.get(address)
        if holder is None or holder.id != user.id:
            yield changes.add_address(user.id, address, since=since)


def _meant(person: PlannedPerson, known: _Known) -> User | None:
    user = known.primaries.get(person.addresses[0])
    if user is not None:
        return user
    for holder in filter(None, (known.holders.get(address) for address in person.addresses)):
        if holder.name.casefold() == person.name.casefold() and holder.id not in known.claimed:
            known.claimed.add(holder.id)
            return holder
    return None


def _new_id(primary: str, known: _Known) -> str:
    """Return a new id: the primary address, with a number if that id exists."""
    user, number = primary, 1
    while user in known.ids:
        number += 1
        user = f"{primary}#{number}"
    known.ids.add(user)
    return user
