"""The words about users and their addresses."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from muniment import api
from muniment.errors import ConfigError, NotFound
from muniment.people.directory import CATCH_ALL, User
from muniment.people.importer import import_csv
from muniment.people.planning import add_changes, remove_changes
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
        since = _since(request.since)
        wanted = add_changes(vault.directory, request.name, request.addresses, since)
        moved = vault.change_directory(wanted, int(time.time()))
    return api.Done(message=f"{request.name}: {_count(len(wanted), moved)}.")


def remove_user(session: Session, request: api.RemoveUser) -> api.Done:
    """Forget a user or one of their addresses; the mail is filed anew, none is lost."""
    with session.writing() as vault:
        wanted = remove_changes(vault.directory, request.user, request.alias)
        moved = vault.change_directory(wanted, int(time.time()))
    return api.Done(message=f"{request.alias or request.user} removed: {_count(len(wanted), moved)}.")


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
