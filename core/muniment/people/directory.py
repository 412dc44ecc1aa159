"""The directory: the users, and whose an address was at what time.

It is made of its changes (see `changes`) in the order of the ledger, and of nothing else. Addresses are
compared without regard to case. In the organisation's own domains a `+tag` is ignored, unless a user has the
tagged address. An address in an own domain that no user has at some time belongs to an automatic user then,
whose id is `auto:` and the address. Automatic users are not recorded: as soon as a person has the address,
that person gets all its mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from muniment.errors import ConfigError, NotFound
from muniment.mail.headers.addresses import domain as domain_of
from muniment.mail.headers.addresses import normalise, without_tag
from muniment.mail.headers.domains import canonical
from muniment.people import changes
from muniment.people.address_history import (
    BEGINNING,
    FOREVER,
    Line,
    free_periods,
    grant,
    permanent_user,
    user_at,
    without_user,
)
from muniment.people.changes import Change, checked_address, spelling
from muniment.people.ever_held import EverHeld
from muniment.people.groups import GroupBook
from muniment.people.logins import LoginBinding

CATCH_ALL = "catch-all"
"""Id and label of the user who has the mail of no known person."""
AUTO = "auto:"
FORMER = " (former)"
"""The end of the label of a user who has no address, or was removed."""
_AUTOMATIC = " (automatic)"
_MEMO = 100_000
"""Most addresses whose user is cached."""


def is_mere_label(label: str) -> bool:
    """Return whether a label is not an address, as of a user who has none."""
    return label == CATCH_ALL or label.endswith((FORMER, _AUTOMATIC))


@dataclass(frozen=True, slots=True)
class User:
    """A user, with the names that are shown."""

    id: str
    name: str
    primary: str
    """The label: it is unique, and `find` accepts it."""
    aliases: tuple[str, ...] = ()
    """The other addresses, including former ones."""
    automatic: bool = False
    """Whether it is an automatic user, of an address that no person has."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses, the primary one first. A label that is not an address is left out."""
        if self.automatic:
            return (self.id.removeprefix(AUTO),)
        return tuple(one for one in (self.primary, *self.aliases) if not is_mere_label(one))


@dataclass(frozen=True, slots=True)
class AddressTenure:
    """A period in which a user has an address."""

    address: str
    start: int | None
    """The first second of the period, since 1970 UTC; None if it has no start."""
    end: int | None
    """The first second after the period, since 1970 UTC; None if it has no end."""
    origin: str = ""
    """Where the address comes from: "hand", "csv", or "" if that was not recorded."""


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    primary: str
    addresses: tuple[str, ...]


class Directory:
    """The users after the changes up to some point of the ledger.

    Until it is sealed, only one thread may use it. A sealed directory is thread-safe and never changes:
    change a copy instead.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._people: dict[str, _Person] = {}
        self._added: dict[str, int] = {}
        """When each person was added, in seconds since 1970 UTC."""
        self._logins: dict[str, LoginBinding] = {}
        self._spelt: dict[tuple[str, str], frozenset[str]] = {}
        """Recorded spellings of a user's address, where they differ from the current form."""
        self._origins: dict[tuple[str, str], str] = {}
        """Where a user's address comes from, by user and address."""
        self._given: dict[str, frozenset[str]] = {}
        self._read: set[str] = set()
        """Ids of users whose mail a login reads or has read."""
        self.id_key = b""
        """The secret key of public ids; b"" as long as no login reads mail."""
        self.groups = GroupBook()
        self._domains: tuple[str, ...] = ()
        self._own: frozenset[str] = frozenset()
        self._once_own: frozenset[str] = frozenset()
        self._memo: dict[str, str | None] = {}
        self._version = 0
        self._sealed = False

    def sealed(self) -> Directory:
        """Seal this directory, so that it can't be changed, and return it."""
        self._sealed = True
        return self

    def copy(self) -> Directory:
        """Return an equal directory that can be changed."""
        made = Directory()
        made._lines, made._people = dict(self._lines), dict(self._people)
        made._added = dict(self._added)
        made._logins, made._read = dict(self._logins), set(self._read)
        made._spelt, made._origins = dict(self._spelt), dict(self._origins)
        made._given, made._once_own = dict(self._given), self._once_own
        made._domains, made._own, made.id_key = self._domains, self._own, self.id_key
        made._version, made.groups = self._version, self.groups.copy()
        return made

    # --- changing -----------------------------------------------------------------------------

    def apply(self, change: Change, time: int) -> set[str]:
        """Apply a change.

        Args:
            change: The change (see `changes`).
            time: When it was made, in seconds since 1970 UTC.

        Returns:
            The addresses that may belong to another user now, and the domains (without `@`) all of whose
            addresses may. `touches` compares an address with them.

        Raises:
            ConfigError: The change is not valid; the directory is as it was.
            NotFound: The change names an unknown user, address or login; the directory is as it was.
            RuntimeError: The directory is sealed.
        """
        if self._sealed:
            raise RuntimeError("a sealed directory can't be changed: change a copy")
        changes.check(change)
        affected = _OPERATIONS[change["op"]](self, change, time)
        self._version += 1
        self._memo = {}
        return affected

    @property
    def version(self) -> int:
        """Number of applied changes."""
        return self._version

    def _add_user(self, change: Change, time: int) -> set[str]:
        user, name = change["user"], change["name"].strip()
        if not user or user == CATCH_ALL or user.startswith(AUTO):
            raise ConfigError(f"A user can't have the id {user!r}; choose another.")
        if not name:
            raise ConfigError(f"The user {change['primary']} has no name; give one.")
        primary = checked_address(change["primary"])
        before = self._people.get(user)
        self._added.setdefault(user, time)
        self._people[user] = _Person(name, primary, before.addresses if before else ())
        self._spell(user, primary, change["primary"])
        self._note_origin(user, primary, change)
        return self._grant(user, primary, time, change.get("since"), None, None)

    def _add_address(self, change: Change, time: int) -> set[str]:
        self._person(change["user"])
        valid_from, valid_to = change.get("valid_from"), change.get("valid_to")
        if valid_from is not None and valid_to is not None and valid_from >= valid_to:
            raise ConfigError(f"{change['address']} would end before it begins; correct its validity.")
        address = checked_address(change["address"])
        self._spell(change["user"], address, change["address"])
        self._note_origin(change["user"], address, change)
        return self._grant(change["user"], address, time, change.get("since"), valid_from, valid_to)

    def _grant(
        self, user: str, address: str, now: int, since: int | None, start: int | None, end: int | None
    ) -> set[str]:
        before = self._lines.get(address, ())
        if not before:
            self._release(AUTO + address)  # the automatic user may get this person's mail later
        line = grant(before, user, now, since, start, end)
        self._given[user] = self._given.get(user, frozenset()) | {address}
        person = self._people[user]
        if address not in person.addresses:
            self._people[user] = replace(person, addresses=(*person.addresses, address))
        return self._put(address, line)

    def _remove_address(self, change: Change, time: int) -> set[str]:
        user, address = change["user"], normalise(change["address"])
        person = self._person(user)
        if address not in person.addresses:
            raise NotFound(f"{address} is not an address of {self.label(user)}.")
        spelt, written = self._spelt.pop((user, address), frozenset()), spelling(change["address"])
        if written in spelt and len(spelt) > 1:
            self._spelt[user, address] = spelt - {written}
            return set()
        self._origins.pop((user, address), None)
        left = tuple(one for one in person.addresses if one != address)
        self._people[user] = replace(person, addresses=left)
        return self._put(address, without_user(self._lines[address], user))

    def _remove_user(self, change: Change, time: int) -> set[str]:
        user = change["user"]
        affected: set[str] = set()
        for address in self._person(user).addresses:
            affected |= self._put(address, without_user(self._lines[address], user))
            self._spelt.pop((user, address), None)
            self._origins.pop((user, address), None)
        del self._people[user]
        del self._added[user]
        self._release(user)  # another person may get this id later
        self.groups.remove_user(user, time)
        return affected

    def _set_domains(self, change: Change, time: int) -> set[str]:
        domains = [canonical(d.strip()) for d in change["domains"] if isinstance(d, str)]
        if len(domains) != len(change["domains"]) or not all(d and "@" not in d for d in domains):
            raise ConfigError("An own domain must be a name such as example.com, without @.")
        before, self._own = self._own, frozenset(domains)
        self._once_own |= self._own
        self._domains = tuple(sorted(self._own))
        return set(before ^ self._own)

    def _set_login(self, change: Change, time: int) -> set[str]:
        user = change.get("user")
        if user == CATCH_ALL:
            raise ConfigError("The catch-all is no person's own mail; bind the login to a person.")
        if user is not None and user.startswith(AUTO):
            user = AUTO + normalise(user.removeprefix(AUTO))
        elif user is not None:
            self._person(user)
        login, address = change["login"], normalise(change["address"])
        self._logins[login] = LoginBinding(login, address, user, time)
        self._read |= {user} if user is not None else set()
        return set()

    def _remove_login(self, change: Change, time: int) -> set[str]:
        if self._logins.pop(change["login"], None) is None:
            raise NotFound(f"The login {change['login']} is not set to read any mail.")
        return set()

    def _join_group(self, change: Change, time: int) -> set[str]:
        if "user" in change:
            self._person(change["user"])
        self.groups.join(change)
        return set()

    def _leave_group(self, change: Change, time: int) -> set[str]:
        self.groups.leave(change, time)
        return set()

    def _set_id_key(self, change: Change, time: int) -> set[str]:
        try:
            self.id_key = bytes.fromhex(change["key"])
        except ValueError as error:
            raise ConfigError("The key of public ids is not in hex.") from error
        return set()

    def _spell(self, user: str, address: str, written: str) -> None:
        """Note the recorded spelling of an address: older versions took two spellings for two addresses."""
        known = self._spelt.get((user, address), frozenset())
        if known or spelling(written) != address:
            held = address in self._people[user].addresses
            known = known or frozenset({address} if held else ())
            self._spelt[user, address] = known | {spelling(written)}

    def _note_origin(self, user: str, address: str, change: Change) -> None:
        """Note where an address comes from, when the user gets it first."""
        if address not in self._people[user].addresses and change.get("origin"):
            self._origins[user, address] = change["origin"]

    def spellings(self, user: str, address: str) -> tuple[str, ...]:
        """Return all recorded spellings of a user's address. To remove the address, remove each of them."""
        return tuple(sorted(self._spelt.get((user, address), {address})))

    def _release(self, user: str) -> None:
        """Release all logins that are bound to a user."""
        if user in self._read:
            self._read.discard(user)
            for login, binding in self._logins.items():
                if binding.user == user:
                    self._logins[login] = binding.released()

    def _put(self, address: str, line: Line) -> set[str]:
        """Set the history of an address; returns the address if this changes anything."""
        if line == self._lines.get(address, ()):
            return set()
        self._lines[address] = line
        return {address}

    # --- look-ups -----------------------------------------------------------------------------

    def resolve(self, address: str, time: int) -> str | None:
        """Return the id of the user who has an address at `time`, in seconds since 1970 UTC; None if none."""
        try:
            return self._memo[address]
        except KeyError:
            return self._look_up(address, time)

    def _look_up(self, address: str, time: int) -> str | None:
        timeless = True
        for candidate in self._candidates(address):
            line = self._lines.get(candidate)
            if line:
                user = permanent_user(line)
                timeless = timeless and user is not None
                user = user or user_at(line, time)
                if user is not None:
                    return self._remember(address, user) if timeless else user
        user = self._automatic(address)
        return self._remember(address, user) if timeless else user

    def _candidates(self, address: str) -> Iterator[str]:
        """Yield the forms of an address that a user may have, the closest first."""
        folded = normalise(address)
        yield folded
        base = self.canonical(folded)
        if base != folded:
            yield base

    def _automatic(self, address: str) -> str | None:
        base = self.canonical(normalise(address))
        return AUTO + base if self._owns(base) else None

    def _remember(self, address: str, user: str | None) -> str | None:
        if len(self._memo) >= _MEMO:
            self._memo = {}
        self._memo[address] = user
        return user

    def _owns(self, address: str) -> bool:
        local, at_sign, domain = address.rpartition("@")
        return bool(local and at_sign) and domain in self._own

    def canonical(self, address: str) -> str:
        """Return an address without its `+tag`, if it is in an own domain."""
        return without_tag(address) if "+" in address and self._owns(address) else address

    @property
    def domains(self) -> tuple[str, ...]:
        """The organisation's own domains, sorted."""
        return self._domains

    def binding(self, login: str) -> LoginBinding | None:
        """Return the binding of a login; None if the login was never set."""
        return self._logins.get(login)

    @property
    def ever(self) -> EverHeld:
        """All addresses and own domains that there ever were, also those that were removed."""
        return EverHeld(self._given, self._once_own, frozenset(self._lines))

    def bindings(self) -> list[LoginBinding]:
        """Return the bindings of all logins, by name."""
        return sorted(self._logins.values(), key=lambda binding: binding.login)

    def holder(self, address: str) -> str | None:
        """Return the id of the last user who has an address; None if no user has it."""
        return self._find(normalise(address))

    def ever_held(self, address: str) -> set[str]:
        """Return the ids of all users who have or had an address."""
        lines = (self._lines.get(candidate) for candidate in self._candidates(address))
        line = next(filter(None, lines), ())
        return {hold.user for hold in line} or {holder for holder in (self.holder(address),) if holder}

    def users(self) -> list[User]:
        """Return all users by label, without automatic ones."""
        return sorted((self.user(u) for u in self._people), key=lambda u: u.primary)

    def user(self, user: str) -> User:
        """Return the user with an id.

        Raises:
            NotFound: There is no such user.
        """
        if user == CATCH_ALL or user.startswith(AUTO):
            return User(user, "", self.label(user), automatic=user != CATCH_ALL)
        person, label = self._person(user), self.label(user)
        return User(user, person.name, label, tuple(a for a in person.addresses if a != label))

    def added(self, user: str) -> int:
        """Return when a user was added, in seconds since 1970 UTC; 0 for one that no one has added."""
        return self._added.get(user, 0)

    def find(self, address: str) -> User:
        """Return the user with a label, or the last user who has an address.

        Raises:
            NotFound: No user has this label or address.
        """
        user = self._find(normalise(address))
        if user is None:
            raise NotFound(f"There is no user {address}; `muniment users list` lists all users.")
        return self.user(user)

    def _find(self, label: str) -> str | None:
        if label == CATCH_ALL:
            return CATCH_ALL
        if label.endswith(_AUTOMATIC):
            return self._automatic(label.removesuffix(_AUTOMATIC))
        if label.endswith(FORMER):
            former = label.removesuffix(FORMER)
            return next((u for u in self._people if normalise(u) == former), None)
        holders = (self._holder(candidate) for candidate in self._candidates(label))
        return next((h for h in holders if h), None) or self._automatic(label)

    def label(self, user: str) -> str:
        """Return the name of a user in lists: an address from which `find` leads back to the user."""
        if user == CATCH_ALL:
            return user
        if user.startswith(AUTO):
            address = user.removeprefix(AUTO)
            return address + _AUTOMATIC if self._holder(address) else address
        person = self._people.get(user)
        if person is None:
            return user + FORMER
        own = (a for a in (person.primary, *person.addresses) if self._holder(a) == user)
        return next(own, user + FORMER)

    def address_periods(self, user: str) -> list[AddressTenure]:
        """Return the periods in which a user has addresses, by address; none for the catch-all."""
        if user.startswith(AUTO):
            return [AddressTenure(user.removeprefix(AUTO), None, None)]
        person = self._people.get(user)
        found = [
            AddressTenure(
                a,
                None if h.start == BEGINNING else h.start,
                None if h.end == FOREVER else h.end,
                self._origins.get((user, a), ""),
            )
            for a in (person.addresses if person else ())
            for h in self._lines[a]
            if h.user == user
        ]
        return sorted(found, key=lambda t: (t.address, t.start or BEGINNING))

    def automatic_periods(self, label: str) -> list[AddressTenure]:
        """Return the periods in which the address of an automatic user is no person's.

        Args:
            label: The automatic user's label.
        """
        address = label.removesuffix(_AUTOMATIC)
        return [
            AddressTenure(address, None if start == BEGINNING else start, None if end == FOREVER else end)
            for start, end in free_periods(self._lines.get(address, ()))
        ]

    def _holder(self, address: str) -> str | None:
        """Return the last user who has an address."""
        line = self._lines.get(address)
        return line[-1].user if line else None

    def _person(self, user: str) -> _Person:
        try:
            return self._people[user]
        except KeyError:
            raise NotFound(f"There is no user {user}; `muniment users list` lists all users.") from None


_OPERATIONS = {
    "add-user": Directory._add_user,
    "add-address": Directory._add_address,
    "remove-address": Directory._remove_address,
    "remove-user": Directory._remove_user,
    "set-domains": Directory._set_domains,
    "set-login": Directory._set_login,
    "remove-login": Directory._remove_login,
    "join-group": Directory._join_group,
    "leave-group": Directory._leave_group,
    "set-id-key": Directory._set_id_key,
}


def touches(affected: Iterable[str], address: str) -> bool:
    """Return whether an address is among those that a change affects (see `Directory.apply`)."""
    folded = normalise(address)
    return not {folded, without_tag(folded), domain_of(folded)}.isdisjoint(affected)
