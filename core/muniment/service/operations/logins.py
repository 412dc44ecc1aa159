"""Logins: recording whose mail each one reads, binding one again, and what a change of users does to them."""

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
    State,
    login_differences,
    login_of,
    logins_of,
    rebind,
)
from muniment.service.access.roles import Role
from muniment.service.host.login_records import binding_event
from muniment.service.operations.operation import Operation

if TYPE_CHECKING:
    from muniment.service.host.session import Session

NAMED = 10
"""Logins that a sentence names one by one."""


def list_logins(session: Session, request: api.ListLogins) -> api.Logins:
    """All logins of vault.toml, and whose mail each one reads."""
    users = session.settings().access.users
    with session.reading() as vault:
        directory = vault.directory
        found = logins_of(directory, users)
        return api.Logins(logins=tuple(login_word(directory, one) for one in found))


def bind_logins(session: Session, request: api.BindLogins) -> api.Done:
    """Bind logins to the users whose their addresses are now, all or none."""
    users = session.settings().access.users
    with session.writing() as vault:
        names = tuple(dict.fromkeys(request.logins))
        caller, word = session.caller, type(request).__name__
        changed = vault.change_directory(
            lambda directory: [_bound(directory, name, users) for name in names],
            int(time.time()),
            lambda made: (binding_event(change, caller.name, caller.uid, word) for change in made),
        )
        directory = changed.after
        words = tuple(login_word(directory, login_of(directory, name, users[name])) for name in names)
    said = "; ".join(f"{one.login} reads the mail of {one.user}" for one in words[:NAMED])
    more = f"; and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return api.Done(message=f"{said}{more}." if words else "No login was named.", logins=words)


def _bound(directory: Directory, name: str, users: Logins) -> Change:
    if name not in users:
        raise NotFound(
            f"vault.toml names no login {name!r} in [access.users]: write it there as "
            f'{name} = "name@example.org" first'
        )
    if directory.holder(users[name]) is None:
        raise NotFound(
            f"{users[name]} is nobody's address, so {name} can't be bound to a person: "
            "add the user first, or correct [access.users] in vault.toml"
        )
    return rebind(directory, name, users[name])


def login_word(directory: Directory, login: Login) -> api.LoginWord:
    """A login as words have it."""
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
    """The logins of vault.toml that read nothing, since an address moved or was never anybody's."""
    found = (one for one in logins_of(directory, users) if one.state is not State.BOUND)
    return tuple(login_word(directory, one) for one in found)


def refusal(login: Login, administrators: str) -> str:
    """Why a login reads nothing, as its holder is told; names nobody else."""
    if login.state is State.NOBODY:
        return (
            f"{login.name} is to read the mail of {login.address}, which is nobody's address here: "
            f"ask {administrators} to correct [access.users] in vault.toml"
        )
    return (
        f"{login.name} is not bound to the person whose address {login.address} is now, and reads nothing: "
        f"ask {administrators} to run `muniment users bind {login.name}` if they are the same person, "
        "or to correct [access.users] in vault.toml"
    )


# --- what a change of users does ---------------------------------------------------------------------


def preview(directory: Directory, wanted: Iterable[Change], now: int) -> Directory:
    """The directory as the changes would make it.

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
    """The addresses of a person, or of an automatic user with mail, that lead to another user than before.

    That an automatic user gets a name moves nothing: the address stays the user's primary one.
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
    """The addresses that changes speak of, once each."""
    seen: dict[str, None] = {}
    for change in wanted:
        seen |= {change[key]: None for key in ("address", "primary") if key in change}
        if change["op"] == "remove-user":
            seen |= dict.fromkeys(before.user(change["user"]).addresses)
    yield from seen


def changed_logins(before: Directory, after: Directory, users: Logins) -> tuple[api.LoginWord, ...]:
    """The logins that read other mail, or none, by a change of the directory; as they are after it."""
    return tuple(login_word(after, now) for _, now in login_differences(before, after, users))


def sentences(moves: tuple[api.MovedAddress, ...], logins: tuple[api.LoginWord, ...]) -> tuple[str, ...]:
    """The effects in words: who loses what."""
    said = [_moved(move) for move in moves[:NAMED]]
    if len(moves) > NAMED:
        said.append(f"{len(moves) - NAMED} more addresses move; --json names all")
    refused = [one for one in logins if one.state != State.BOUND]
    if refused:
        names = " ".join(one.login for one in refused[:NAMED])
        more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        said.append(
            f"these logins read nothing until an administrator binds them again: {names}{more}; where the "
            f"login belongs to the person who has the address now, run `muniment users bind {names}`"
        )
    said += [f"login {one.login} reads the mail of {one.user} again" for one in logins if one not in refused]
    return tuple(said)


def _moved(move: api.MovedAddress) -> str:
    now = f"{move.after}'s" if move.after else "nobody's"
    return f"{move.address} was {move.before}'s and is {now} now"


OPERATIONS = (
    Operation(api.ListLogins, (api.Logins,), Role.AUDITOR, list_logins),
    Operation(api.BindLogins, (api.Done,), Role.ADMINISTRATOR, bind_logins),
)
