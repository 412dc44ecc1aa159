"""Logins: record whose mail each reads, bind them again, and what a change of users does to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from muniment import api
from muniment.errors import NotFound
from muniment.people.changes import Change
from muniment.people.directory import AUTO, Directory
from muniment.people.logins import (
    Login,
    Logins,
    LoginState,
    login_differences,
    login_of,
    logins_of,
    rebind,
)
from muniment.service.access.roles import AccessRole
from muniment.service.host.login_records import binding_event
from muniment.service.operations.operation import AuditRule, Operation

if TYPE_CHECKING:
    from muniment.service.host.session import ClientSession

NAMED = 10
"""How many logins or addresses a sentence names."""


def list_logins(session: ClientSession, request: api.ListLogins) -> api.Logins:
    """Answer ListLogins: the logins of vault.toml and their state."""
    users = session.settings().access.users
    with session.reading() as vault:
        directory = vault.directory
        found = logins_of(directory, users)
        return api.Logins(logins=tuple(login_word(directory, one) for one in found))


def bind_logins(session: ClientSession, request: api.BindLogins) -> api.Done:
    """Answer BindLogins: bind logins to the users who have their addresses now, all or none."""
    users = session.settings().access.users
    with session.writing() as vault:
        names = tuple(dict.fromkeys(request.logins))
        caller, name_of_request = session.caller, type(request).__name__
        changed = vault.change_directory(
            lambda directory: [_bound(directory, name, users) for name in names],
            int(time.time()),
            lambda made: (binding_event(change, caller.name, caller.uid, name_of_request) for change in made),
        )
        directory = changed.after
        bound = tuple(login_word(directory, login_of(directory, name, users[name])) for name in names)
    effects = "; ".join(f"{one.login} reads the mail of {one.user}" for one in bound[:NAMED])
    more = f"; and {len(bound) - NAMED} more" if len(bound) > NAMED else ""
    return api.Done(message=f"{effects}{more}." if bound else "No login was named.", logins=bound)


def _bound(directory: Directory, name: str, users: Logins) -> Change:
    if name not in users:
        raise NotFound(
            f"[access.users] in vault.toml has no login {name!r}: first add it there as "
            f'{name} = "name@example.org"'
        )
    if directory.holder(users[name]) is None:
        raise NotFound(
            f"no user has the address {users[name]}, so {name} can't be bound: "
            "add the user first, or correct [access.users] in vault.toml"
        )
    return rebind(directory, name, users[name])


def login_word(directory: Directory, login: Login) -> api.LoginWord:
    """A login as an API reply."""
    return api.LoginWord(
        login=login.name,
        address=login.address,
        state=login.state.value,
        user=_label(directory, login.user),
        holder=_label(directory, login.holder),
    )


def _label(directory: Directory, user: str | None) -> str:
    return "" if user is None else directory.label(user)


def refused_logins(directory: Directory, users: Logins) -> tuple[api.LoginWord, ...]:
    """The logins of vault.toml that can't read mail: they are not bound, or their address moved."""
    found = (one for one in logins_of(directory, users) if one.state is not LoginState.BOUND)
    return tuple(login_word(directory, one) for one in found)


def refusal(login: Login, administrators: str) -> str:
    """Why a login can't read mail, for the caller with that login. It names no other user."""
    if login.state is LoginState.NOBODY:
        return (
            f"{login.name} can't read mail, since no user has its address {login.address}: "
            f"ask {administrators} to correct [access.users] in vault.toml"
        )
    return (
        f"{login.name} can't read mail, since it is not bound to the user who has the address "
        f"{login.address} now: ask {administrators} to run `muniment users bind {login.name}` if they are "
        "the same person, or to correct [access.users] in vault.toml"
    )


# --- effects of a change of users ---------------------------------------------------------------------


def preview(directory: Directory, wanted: Iterable[Change], now: int) -> Directory:
    """A copy of the directory with changes applied; `now` is seconds since 1970 UTC.

    Raises:
        ConfigError, NotFound: a change can't be applied.
    """
    made = directory.copy()
    for change in wanted:
        made.apply(change, now)
    return made


def moved_addresses(
    before: Directory, after: Directory, wanted: Iterable[Change], has_mail: Callable[[str], bool]
) -> tuple[api.MovedAddress, ...]:
    """The addresses that lead to another user than before.

    An address of an automatic user counts only if that user has mail (`has_mail`, by user id). It does not
    move if it becomes the primary address of a new named user.
    """
    found = []
    for address in _concerned(before, wanted):
        was, now = before.holder(address), after.holder(address)
        if was is None or was == now:
            continue
        if was.startswith(AUTO) and (_label(after, now) == address or not has_mail(was)):
            continue
        found.append(api.MovedAddress(address=address, before=_label(before, was), after=_label(after, now)))
    return tuple(found)


def _concerned(before: Directory, wanted: Iterable[Change]) -> Iterator[str]:
    """The addresses that changes affect, once each."""
    seen: dict[str, None] = {}
    for change in wanted:
        seen |= {change[key]: None for key in ("address", "primary") if key in change}
        if change["op"] == "remove-user":
            seen |= dict.fromkeys(before.user(change["user"]).addresses)
    yield from seen


def changed_logins(before: Directory, after: Directory, users: Logins) -> tuple[api.LoginWord, ...]:
    """The logins that read other mail, or none, after a change of the directory, in their new state."""
    return tuple(login_word(after, now) for _, now in login_differences(before, after, users))


def sentences(moves: tuple[api.MovedAddress, ...], logins: tuple[api.LoginWord, ...]) -> tuple[str, ...]:
    """A sentence for each effect of a change: which addresses move, which logins lose or regain mail."""
    effects = [_moved(move) for move in moves[:NAMED]]
    if len(moves) > NAMED:
        effects.append(f"{len(moves) - NAMED} more addresses move; --json names all")
    refused = [one for one in logins if one.state != LoginState.BOUND]
    if refused:
        names = " ".join(one.login for one in refused[:NAMED])
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        effects.append(
            f"these logins can't read mail until an administrator binds them again: {names}{more}; if a "
            f"login belongs to the person who has its address now, run `muniment users bind {names}`"
        )
    regained = (one for one in logins if one not in refused)
    return (*effects, *(f"login {one.login} reads the mail of {one.user} again" for one in regained))


def _moved(move: api.MovedAddress) -> str:
    if not move.after:
        return f"{move.address} belonged to {move.before} and belongs to no user now"
    return f"{move.address} belonged to {move.before} and belongs to {move.after} now"


OPERATIONS = (
    Operation(api.ListLogins, (api.Logins,), AccessRole.AUDITOR, list_logins),
    Operation(api.BindLogins, (api.Done,), AccessRole.ADMINISTRATOR, bind_logins, audit=AuditRule.WITHIN),
)
