"""Whose mail a login of the operating system may read.

vault.toml names a login and an address, since an address is what an administrator knows. An address can
move to another person, and a login must not move with it. So the directory keeps a binding: the id of the
user who held the address when an administrator set the login. A login whose address leads to anyone else
reads nothing until an administrator binds it again.
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
"""Addresses by login, as vault.toml has them in [access.users]."""


@dataclass(frozen=True, slots=True)
class Binding:
    """An administrator has let a login read one user's mail."""

    login: str
    address: str
    """The address that vault.toml named then; folded."""
    user: str | None
    """The user's id; None where the address was nobody's, or the user has been removed since."""
    time: int
    """When that was recorded, seconds since 1970 UTC."""

    def released(self) -> Binding:
        """The same without its user."""
        return replace(self, user=None)


class State(StrEnum):
    """Whether a login may read mail."""

    BOUND = "bound"
    """It reads the mail of the user that it is bound to."""
    MOVED = "moved"
    """Its address leads to another user than the one that it is bound to."""
    NOBODY = "nobody"
    """Its address is nobody's."""
    UNBOUND = "unbound"
    """Its address is somebody's, and no administrator has bound the login to them."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login of vault.toml, and what the directory says of it."""

    name: str
    address: str
    state: State
    user: str | None
    """The id of the user that it is bound to."""
    holder: str | None
    """The id of the user whose the address is now."""


def login_of(directory: Directory, name: str, address: str) -> Login:
    """What a login that vault.toml lets read the mail of `address` may do."""
    binding, holder = directory.binding(name), directory.holder(address)
    known = binding is not None and binding.address == normalise(address)
    user = binding.user if binding is not None and known else None
    if holder is None:
        state = State.NOBODY
    elif user is None:
        state = State.UNBOUND
    else:
        state = State.BOUND if user == holder else State.MOVED
    return Login(name, address, state, user, holder)


def logins_of(directory: Directory, logins: Logins) -> list[Login]:
    """All logins of vault.toml, by name."""
    return [login_of(directory, name, address) for name, address in sorted(logins.items())]


def pending(directory: Directory, logins: Logins) -> bool:
    """Whether vault.toml says anything of logins that the directory has not recorded."""
    recorded = {binding.login: binding.address for binding in directory.bindings()}
    if logins and not directory.id_key:
        return True
    return recorded != {name: normalise(address) for name, address in logins.items()}


def unrecorded(directory: Directory, name: str, address: str) -> bool:
    """Whether the directory has not recorded yet that vault.toml gives a login this address."""
    binding = directory.binding(name)
    return binding is None or binding.address != normalise(address)


def recorded(directory: Directory, logins: Logins) -> Iterator[Change]:
    """The changes that record what an administrator has written into vault.toml.

    A login that is new there, or has another address than before, is bound to the user whose address it is.
    Where the address has had several holders, nobody can tell from vault.toml which of them is meant; the
    login is then recorded without a user, and an administrator has to name it (`rebound`).
    """
    for binding in directory.bindings():
        if binding.login not in logins:
            yield changes.remove_login(binding.login)
    for name, address in sorted(logins.items()):
        if unrecorded(directory, name, address):
            holders = directory.ever_held(address)
            only = next(iter(holders)) if len(holders) == 1 else None
            yield changes.set_login(name, normalise(address), only)


def rebound(directory: Directory, name: str, address: str) -> Change:
    """The change that binds a login to the user whose its address is now."""
    return changes.set_login(name, normalise(address), directory.holder(address))


def changed(before: Directory, after: Directory, logins: Logins) -> list[tuple[Login, Login]]:
    """The logins that a change of the directory lets read other mail, or none; each before and after it."""
    pairs = zip(logins_of(before, logins), logins_of(after, logins), strict=True)
    return [(was, now) for was, now in pairs if (was.state, was.user) != (now.state, now.user)]
