"""Logins: whose mail a login of the operating system may read.

vault.toml names a login and an address, since administrators know addresses. An address can move to another
person, but a login must not move with it. So the directory keeps a binding: the id of the user who had the
address when an administrator set the login. A login whose address belongs to another user now reads nothing
until an administrator binds it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from muniment.mail.headers.addresses import normalise
from muniment.people import changes
from muniment.people.changes import Change

if TYPE_CHECKING:
    from muniment.people.directory import Directory

Logins = Mapping[str, str]
"""Addresses by login, from [access.users] in vault.toml."""


@dataclass(frozen=True, slots=True)
class LoginBinding:
    """The record that an administrator lets a login read a user's mail."""

    login: str
    address: str
    """The normalised address that vault.toml named then."""
    user: str | None
    """The user's id; None if no user had the address, or the user was removed since."""
    time: int
    """When it was recorded, in seconds since 1970 UTC."""

    def released(self) -> LoginBinding:
        """Return the same binding without its user."""
        return replace(self, user=None)


class LoginState(StrEnum):
    """Whether a login may read mail."""

    BOUND = "bound"
    """It reads the mail of the user that it is bound to."""
    MOVED = "moved"
    """Its address belongs to another user than the one that it is bound to."""
    NOBODY = "nobody"
    """No user has its address."""
    UNBOUND = "unbound"
    """A user has its address, but no administrator has bound the login to that user."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login in vault.toml, and its state by the directory."""

    name: str
    address: str
    state: LoginState
    user: str | None
    """The id of the user that it is bound to."""
    holder: str | None
    """The id of the user who has the address now."""


def login_of(directory: Directory, name: str, address: str) -> Login:
    """Return the state of a login to which vault.toml gives an address."""
    binding, holder = directory.binding(name), directory.holder(address)
    known = binding is not None and binding.address == normalise(address)
    user = binding.user if binding is not None and known else None
    if holder is None:
        state = LoginState.NOBODY
    elif user is None:
        state = LoginState.UNBOUND
    else:
        state = LoginState.BOUND if user == holder else LoginState.MOVED
    return Login(name, address, state, user, holder)


def logins_of(directory: Directory, logins: Logins) -> list[Login]:
    """Return the state of all logins in vault.toml, by name."""
    return [login_of(directory, name, address) for name, address in sorted(logins.items())]


def has_unrecorded(directory: Directory, logins: Logins) -> bool:
    """Return whether vault.toml has anything about logins that is not recorded in the directory."""
    recorded = {binding.login: binding.address for binding in directory.bindings()}
    if logins and not directory.id_key:
        return True
    return recorded != {name: normalise(address) for name, address in logins.items()}


def is_unrecorded(directory: Directory, name: str, address: str) -> bool:
    """Return whether it is not recorded in the directory that vault.toml gives a login this address."""
    binding = directory.binding(name)
    return binding is None or binding.address != normalise(address)


def login_changes(directory: Directory, logins: Logins) -> Iterator[Change]:
    """Yield the changes that record the logins in vault.toml.

    A login that is new or has another address than before is bound to the user who has the address. If
    several users have had the address, vault.toml does not say which of them is meant. The login is then
    recorded without a user, and an administrator must bind it (`rebind`).
    """
    for binding in directory.bindings():
        if binding.login not in logins:
            yield changes.remove_login(binding.login)
    for name, address in sorted(logins.items()):
        if is_unrecorded(directory, name, address):
            holders = directory.ever_held(address)
            only = next(iter(holders)) if len(holders) == 1 else None
            yield changes.set_login(name, normalise(address), only)


def rebind(directory: Directory, name: str, address: str) -> Change:
    """Return the change that binds a login to the user who has its address now."""
    return changes.set_login(name, normalise(address), directory.holder(address))


def login_differences(before: Directory, after: Directory, logins: Logins) -> list[tuple[Login, Login]]:
    """Return the logins whose state or user differs between two directories; each before and after."""
    pairs = zip(logins_of(before, logins), logins_of(after, logins), strict=True)
    return [(was, now) for was, now in pairs if (was.state, was.user) != (now.state, now.user)]
