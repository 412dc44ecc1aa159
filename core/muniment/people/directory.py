"""The directory: who is a user, and whose an address was at what time.

It is the sum of its changes (see `changes`), in the order of the ledger, and nothing else.
Addresses are compared without regard to case. In the organisation's own domains a `+tag` is
dropped, unless the tagged address is somebody's own; and whatever address there is nobody's at
some time belongs to an automatic user then, whose id is `auto:` and the address. An automatic user
is never recorded: as soon as the address is a person's, that person has all its mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from muniment.errors import ConfigError, NotFound
from muniment.mail.headers.addresses import domain as domain_of
from muniment.mail.headers.addresses import normalise, usable, without_tag
from muniment.mail.headers.domains import canonical
from muniment.people import changes
from muniment.people.address_history import BEGINNING, FOREVER, Line, always, at, granted, without
from muniment.people.changes import Change
from muniment.people.logins import Binding

CATCH_ALL = "catch-all"
"""Id and label of the user who has what is nobody's."""
AUTO = "auto:"
_FORMER = " (former)"
_AUTOMATIC = " (automatic)"
_MEMO = 100_000
"""How many answers are remembered."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as people see them."""

    id: str
    name: str
    primary: str
    """The label: no two users share one, and `find` takes it."""
    aliases: tuple[str, ...] = ()
    """Their other addresses, former ones among them."""
    automatic: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """All their addresses, the primary one first."""
        return (self.primary, *self.aliases)


@dataclass(frozen=True, slots=True)
class Tenure:
    """An address is a user's in [start, end), seconds since 1970 UTC; None is without limit."""

    address: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    primary: str
    addresses: tuple[str, ...]


class Directory:
    """The users at one point of the ledger.

    For one thread until it is sealed, then for any: a sealed one is never changed, but copied.
    """

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._people: dict[str, _Person] = {}
        self._logins: dict[str, Binding] = {}
        self._spelt: dict[tuple[str, str], frozenset[str]] = {}
        """How a user's address was written, where not as it is now: a change takes one spelling back."""
        self._read: set[str] = set()
        """Ids of users to whom a login is or was bound."""
        self.id_key = b""
        """The secret that public ids are made with; b"" as long as no login reads mail."""
        self._domains: tuple[str, ...] = ()
        self._own: frozenset[str] = frozenset()
        self._memo: dict[str, str | None] = {}
        self._version = 0
        self._sealed = False

    def sealed(self) -> Directory:
        """This very directory, which can't be changed from now on."""
        self._sealed = True
        return self

    def copy(self) -> Directory:
        """An equal one that can be changed, while others go on reading this one."""
        made = Directory()
        made._lines, made._people = dict(self._lines), dict(self._people)
        made._logins, made._read = dict(self._logins), set(self._read)
        made._spelt = dict(self._spelt)
        made._domains, made._own, made.id_key = self._domains, self._own, self.id_key
        made._version = self._version
        return made

    # --- changing -----------------------------------------------------------------------------

    def apply(self, change: Change, time: int) -> set[str]:
        """Apply a change made at `time`, seconds since 1970 UTC.

        Returns:
            What may resolve to another user now: addresses, and domains (without `@`) that stand
            for all their addresses. A tagged address is affected with the one it belongs to.

        Raises:
            ConfigError, NotFound: the change can't be applied; the directory is as it was.
            RuntimeError: the directory is sealed.
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
        """How many changes have been applied."""
        return self._version

    def _add_user(self, change: Change, time: int) -> set[str]:
        user, name = change["user"], change["name"].strip()
        if not user or user == CATCH_ALL or user.startswith(AUTO):
            raise ConfigError(f"A user can't have the id {user!r}; choose another.")
        if not name:
            raise ConfigError(f"The user {change['primary']} has no name; give one.")
        primary = _checked(change["primary"])
        before = self._people.get(user)
        self._people[user] = _Person(name, primary, before.addresses if before else ())
        self._spell(user, primary, change["primary"])
        return self._grant(user, primary, time, change.get("since"), None, None)

    def _add_address(self, change: Change, time: int) -> set[str]:
        self._person(change["user"])
        valid_from, valid_to = change.get("valid_from"), change.get("valid_to")
        if valid_from is not None and valid_to is not None and valid_from >= valid_to:
            raise ConfigError(f"{change['address']} would end before it begins; correct its validity.")
        address = _checked(change["address"])
        self._spell(change["user"], address, change["address"])
        return self._grant(change["user"], address, time, change.get("since"), valid_from, valid_to)

    def _grant(
        self, user: str, address: str, now: int, since: int | None, start: int | None, end: int | None
    ) -> set[str]:
        before = self._lines.get(address, ())
        if not before:
            self._release(AUTO + address)  # a person's mail may become the automatic user's later
        line = granted(before, user, now, since, start, end)
        person = self._people[user]
        if address not in person.addresses:
            self._people[user] = replace(person, addresses=(*person.addresses, address))
        return self._put(address, line)

    def _remove_address(self, change: Change, time: int) -> set[str]:
        user, address = change["user"], normalise(change["address"])
        person = self._person(user)
        if address not in person.addresses:
            raise NotFound(f"{address} is not an address of {self.label(user)}.")
        spelt, spelling = self._spelt.pop((user, address), frozenset()), _spelling(change["address"])
        if spelling in spelt and len(spelt) > 1:
            self._spelt[user, address] = spelt - {spelling}
            return set()
        left = tuple(one for one in person.addresses if one != address)
        self._people[user] = replace(person, addresses=left)
        return self._put(address, without(self._lines[address], user))

    def _remove_user(self, change: Change, time: int) -> set[str]:
        user = change["user"]
        affected: set[str] = set()
        for address in self._person(user).addresses:
            affected |= self._put(address, without(self._lines[address], user))
            self._spelt.pop((user, address), None)
        del self._people[user]
        self._release(user)  # another person may get this id
        return affected

    def _set_domains(self, change: Change, time: int) -> set[str]:
        domains = [canonical(d.strip()) for d in change["domains"] if isinstance(d, str)]
        if len(domains) != len(change["domains"]) or not all(d and "@" not in d for d in domains):
            raise ConfigError("An own domain must be a name such as example.com, without @.")
        before, self._own = self._own, frozenset(domains)
        self._domains = tuple(sorted(self._own))
        return set(before ^ self._own)

    def _set_login(self, change: Change, time: int) -> set[str]:
        user = change.get("user")
        if user == CATCH_ALL:
            raise ConfigError("The catch-all is nobody's own mail; bind the login to a person.")
        if user is not None and user.startswith(AUTO):
            user = AUTO + normalise(user.removeprefix(AUTO))
        elif user is not None:
            self._person(user)
        login, address = change["login"], normalise(change["address"])
        self._logins[login] = Binding(login, address, user, time)
        self._read |= {user} if user is not None else set()
        return set()

    def _remove_login(self, change: Change, time: int) -> set[str]:
        if self._logins.pop(change["login"], None) is None:
            raise NotFound(f"The login {change['login']} reads nobody's mail.")
        return set()

    def _set_id_key(self, change: Change, time: int) -> set[str]:
        try:
            self.id_key = bytes.fromhex(change["key"])
        except ValueError as error:
            raise ConfigError("The key of public ids is not in hex.") from error
        return set()

    def _spell(self, user: str, address: str, written: str) -> None:
        """Note how an address was written: older versions took two spellings of one for two."""
        known = self._spelt.get((user, address), frozenset())
        if known or _spelling(written) != address:
            held = address in self._people[user].addresses
            known = known or frozenset({address} if held else ())
            self._spelt[user, address] = known | {_spelling(written)}

    def spellings(self, user: str, address: str) -> tuple[str, ...]:
        """All ways in which an address of a user was recorded; to take it away, each is taken away."""
        return tuple(sorted(self._spelt.get((user, address), {address})))

    def _release(self, user: str) -> None:
        """Bind no login to a user any more."""
        if user in self._read:
            self._read.discard(user)
            for login, binding in self._logins.items():
                if binding.user == user:
                    self._logins[login] = binding.released()

    def _put(self, address: str, line: Line) -> set[str]:
        """Set an address's line; returns it if that changes anything."""
        if line == self._lines.get(address, ()):
            return set()
        self._lines[address] = line
        return {address}

    # --- asking -------------------------------------------------------------------------------

    def resolve(self, address: str, time: int) -> str | None:
        """The id of the user whose `address` was at `time`, seconds since 1970 UTC; None: nobody's."""
        try:
            return self._memo[address]
        except KeyError:
            return self._look_up(address, time)

    def _look_up(self, address: str, time: int) -> str | None:
        timeless = True
        for candidate in self._candidates(address):
            line = self._lines.get(candidate)
            if line:
                user = always(line)
                timeless = timeless and user is not None
                user = user or at(line, time)
                if user is not None:
                    return self._remember(address, user) if timeless else user
        user = self._automatic(address)
        return self._remember(address, user) if timeless else user

    def _candidates(self, address: str) -> Iterator[str]:
        """The addresses under which `address` may be somebody's, the closest first."""
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
        """The address without its `+tag`, if it is of an own domain."""
        return without_tag(address) if "+" in address and self._owns(address) else address

    @property
    def domains(self) -> tuple[str, ...]:
        """The organisation's own domains, sorted."""
        return self._domains

    def binding(self, login: str) -> Binding | None:
        """Whose mail a login reads; None for a login that was never set."""
        return self._logins.get(login)

    def bindings(self) -> list[Binding]:
        """All logins that are set, by name."""
        return sorted(self._logins.values(), key=lambda binding: binding.login)

    def holder(self, address: str) -> str | None:
        """The id of the user to whom an address leads: of several over time, the last; None for nobody."""
        return self._find(normalise(address))

    def ever_held(self, address: str) -> set[str]:
        """The ids of all users to whom an address leads or led, as far as the directory knows."""
        lines = (self._lines.get(candidate) for candidate in self._candidates(address))
        line = next(filter(None, lines), ())
        return {hold.user for hold in line} or {holder for holder in (self.holder(address),) if holder}

    def users(self) -> list[User]:
        """The users who are recorded, by label; automatic ones are not."""
        return sorted((self.user(u) for u in self._people), key=lambda u: u.primary)

    def user(self, user: str) -> User:
        """The user with an id.

        Raises:
            NotFound: there is none.
        """
        if user == CATCH_ALL or user.startswith(AUTO):
            return User(user, "", self.label(user), automatic=user != CATCH_ALL)
        person, label = self._person(user), self.label(user)
        return User(user, person.name, label, tuple(a for a in person.addresses if a != label))

    def find(self, address: str) -> User:
        """The user with a label or an address; of several over time, the last.

        Raises:
            NotFound: the address is nobody's.
        """
        user = self._find(normalise(address))
        if user is None:
            raise NotFound(f"There is no user {address}; `muniment users list` names them all.")
        return self.user(user)

    def _find(self, label: str) -> str | None:
        if label == CATCH_ALL:
            return CATCH_ALL
        if label.endswith(_AUTOMATIC):
            return self._automatic(label.removesuffix(_AUTOMATIC))
        if label.endswith(_FORMER):
            former = label.removesuffix(_FORMER)
            return next((u for u in self._people if normalise(u) == former), None)
        holders = (self._holder(candidate) for candidate in self._candidates(label))
        return next((h for h in holders if h), None) or self._automatic(label)

    def label(self, user: str) -> str:
        """How a user is named in lists: by an address that `find` leads back from."""
        if user == CATCH_ALL:
            return user
        if user.startswith(AUTO):
            address = user.removeprefix(AUTO)
            return address + _AUTOMATIC if self._holder(address) else address
        person = self._people.get(user)
        if person is None:
            return user + _FORMER
        own = (a for a in (person.primary, *person.addresses) if self._holder(a) == user)
        return next(own, user + _FORMER)

    def tenures(self, user: str) -> list[Tenure]:
        """When which addresses are the user's, by address; empty for the catch-all."""
        if user.startswith(AUTO):
            return [Tenure(user.removeprefix(AUTO), None, None)]
        person = self._people.get(user)
        found = [
            Tenure(a, None if h.start == BEGINNING else h.start, None if h.end == FOREVER else h.end)
            for a in (person.addresses if person else ())
            for h in self._lines[a]
            if h.user == user
        ]
        return sorted(found, key=lambda t: (t.address, t.start or BEGINNING))

    def _holder(self, address: str) -> str | None:
        """The last user who has the address."""
        line = self._lines.get(address)
        return line[-1].user if line else None

    def _person(self, user: str) -> _Person:
        try:
            return self._people[user]
        except KeyError:
            raise NotFound(f"There is no user {user}; `muniment users list` names them all.") from None


_OPERATIONS = {
    "add-user": Directory._add_user,
    "add-address": Directory._add_address,
    "remove-address": Directory._remove_address,
    "remove-user": Directory._remove_user,
    "set-domains": Directory._set_domains,
    "set-login": Directory._set_login,
    "remove-login": Directory._remove_login,
    "set-id-key": Directory._set_id_key,
}


def touches(affected: Iterable[str], address: str) -> bool:
    """Whether what a change has affected (see `Directory.apply`) takes in an address."""
    folded = normalise(address)
    return not {folded, without_tag(folded), domain_of(folded)}.isdisjoint(affected)


def _spelling(address: str) -> str:
    return address.strip().lower()


def _checked(address: str) -> str:
    folded = normalise(address)
    if "@" not in folded or not folded.isprintable() or not usable(folded):
        raise ConfigError(f"{address!r} is not a mail address; it needs a name, an @ and a domain.")
    return folded
