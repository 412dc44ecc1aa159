"""The words about users and their addresses."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from muniment import api
from muniment.errors import ConfigError, NotFound
from muniment.people import changes
from muniment.people.changes import Change
from muniment.people.directory import CATCH_ALL, Directory, User
from muniment.people.importer import import_csv
from muniment.service.session import Session


def list_users(session: Session, request: api.ListUsers) -> api.Users:
    """All users: those that were named, and those made automatically as their mail came."""
    with session.reading() as vault:
        counts = {user: sum(n for _, n in folders) for user, folders in vault.catalog.tree()}
        named = [_word(user, counts.pop(user.primary, 0)) for user in vault.directory.users()]
        automatic = [
            api.UserWord(user=user, name="", automatic=True, messages=count)
            for user, count in counts.items()
            if user != CATCH_ALL
        ]
    return api.Users(users=tuple(sorted(named + automatic, key=lambda word: word.user)))


def _word(user: User, messages: int) -> api.UserWord:
    return api.UserWord(
        user=user.primary,
        name=user.name,
        aliases=user.aliases,
        messages=messages,
    )


def show_user(session: Session, request: api.ShowUser) -> api.UserWord:
    """One user, by any address of theirs."""
    for word in list_users(session, api.ListUsers()).users:
        if request.user.lower() in (word.user, *word.aliases):
            return word
    raise NotFound(f"nobody has the address {request.user!r}: `muniment users list` shows who there is")


def add_user(session: Session, request: api.AddUser) -> api.Done:
    """A new user, or more addresses for one."""
    with session.writing() as vault:
        wanted = _additions(vault.directory, request, _since(request.since))
        moved = vault.change_directory(wanted, int(time.time()))
    return api.Done(message=f"{request.name}: {_count(len(wanted), moved)}.")


def _additions(directory: Directory, request: api.AddUser, since: int | None) -> list[Change]:
    """What makes all the addresses one person's, whom the first address tells."""
    if not request.addresses:
        raise ConfigError(f"{request.name or 'a user'} needs an address: name at least one")
    primary, *aliases = request.addresses
    known = {user.primary: user for user in directory.users()}.get(primary.lower())
    if known is not None and not request.name:
        user, wanted = known.id, []
    else:
        user = known.id if known is not None else primary.lower()
        wanted = [changes.add_user(user, request.name, primary, since=since)]
    return wanted + [changes.add_address(user, alias, since=since) for alias in aliases]


def remove_user(session: Session, request: api.RemoveUser) -> api.Done:
    """Forget a user or one of their addresses; the mail is filed anew, none is lost."""
    with session.writing() as vault:
        user = vault.directory.find(request.user)
        if user.automatic or user.id == CATCH_ALL:
            raise NotFound(f"{user.primary} was made automatically for its mail and can't be removed")
        change = (
            changes.remove_address(user.id, request.alias) if request.alias else changes.remove_user(user.id)
        )
        moved = vault.change_directory([change], int(time.time()))
    return api.Done(message=f"{request.alias or request.user} removed: {_count(1, moved)}.")


def import_users(session: Session, request: api.ImportUsers) -> api.Done:
    """Users from CSV, all or none."""
    with session.writing() as vault:
        wanted = import_csv(request.text, vault.directory, request.filename or "the file")
        moved = vault.change_directory(wanted, int(time.time()))
    return api.Done(message=f"Users imported: {_count(len(wanted), moved)}.")


def _count(changes: int, moved: int) -> str:
    return f"{changes} changes to the directory, {moved} messages filed anew"


def _since(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date: write it as 2026-01-31") from error
