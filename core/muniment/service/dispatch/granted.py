"""Whose mail a plain user's request is about: their own, or that of a person by a grant."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from muniment import api
from muniment.api import Request
from muniment.archive.catalog.id_prefixes import is_prefix
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.query import And, Node, Not, Or, UserTerm, parse
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, QueryError
from muniment.people.directory import User
from muniment.people.grants import AccessGrant

EVERYBODY = (api.GetTree, api.ListUsers)
"""Requests that list what a reader may read of all these people, one after the other."""


@dataclass(frozen=True, slots=True)
class ReadablePerson:
    """A person whose mail a plain user may read."""

    user: User
    grant: AccessGrant | None = None
    """None for their own mail."""


def readable_people(
    vault: Vault, own: User | None, grants: Sequence[AccessGrant], closed: Collection[str]
) -> tuple[ReadablePerson, ...]:
    """The people whose mail a login may read, the login's own first.

    Args:
        vault: the vault.
        own: whose login it is; None for no one's.
        grants: the login's grants that are in force.
        closed: ids of the people whose mail is sealed against the login.
    """
    found = {own.id: ReadablePerson(own)} if own is not None else {}
    directory, now = vault.directory, int(time.time())
    for grant in grants:
        for user in sorted(grant.people(directory, now) - found.keys() - set(closed)):
            found[user] = ReadablePerson(directory.user(user), grant)
    return tuple(found.values())


def person_of(vault: Vault, request: Request, people: Sequence[ReadablePerson]) -> ReadablePerson:
    """The one whose mail a request is about, of the people whose mail the caller may read.

    A request that names a person is about that person, and one that names messages is about the first who has
    them. If that is none of the people, the request is about the caller's own mail, where it finds nothing:
    so the answer is the same whether such a person or message exists or not.

    Raises:
        AccessRefused: the request names none of several people, and the caller has no own mail here.
    """
    chosen = chosen_of(vault, request, people)
    if chosen is not None:
        return chosen
    if people[0].grant is None or len(people) == 1 or _names_messages(request) or _names(request):
        return people[0]
    raise AccessRefused(
        "say whose mail it is about, since you may read that of several people: name one with --user, or "
        "open a folder of theirs"
    )


def chosen_of(vault: Vault, request: Request, people: Sequence[ReadablePerson]) -> ReadablePerson | None:
    """The one of these people whom a request names, or who has the messages that it names; None for none."""
    return next(iter((*_named(vault, request, people), *_holding(vault, request, people))), None)


def _named(vault: Vault, request: Request, people: Sequence[ReadablePerson]) -> Iterator[ReadablePerson]:
    for name in _names(request):
        try:
            user = vault.directory.find(name)
        except NotFound:
            continue
        yield from (one for one in people if one.user.id == user.id)


def _names(request: Request) -> list[str]:
    """The people that a request names."""
    named = getattr(request, "user", "")
    if named:
        return [named]
    try:
        return list(_in_query(parse(getattr(request, "query", ""))))
    except QueryError:  # the handler reports it
        return []


def _in_query(node: Node) -> Iterator[str]:
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from _in_query(item)
        case Not(item):
            yield from _in_query(item)
        case UserTerm(name):
            yield name
        case _:
            pass


def _names_messages(request: Request) -> bool:
    return bool(_ids(request))


def _ids(request: Request) -> tuple[str, ...]:
    if isinstance(request, api.Export | api.Restore):
        return request.ids
    return (request.id,) if isinstance(request, api.Show | api.ReadRaw | api.ReadAttachment) else ()


def _holding(vault: Vault, request: Request, people: Sequence[ReadablePerson]) -> Iterator[ReadablePerson]:
    """The people who have all messages that a request names."""
    numbers = messages_of(vault, request)
    if numbers:
        yield from (one for one in people if vault.catalog.placed(one.user.id, numbers) >= numbers)


def messages_of(vault: Vault, request: Request) -> set[int]:
    """The numbers of the messages that a request names by public ids; empty if one of them is unknown."""
    ids = PublicIds(vault.directory.id_key)
    rows = [ids.find(vault.catalog, id_) if is_prefix(id_) else None for id_ in _ids(request)]
    known = {row.sequence for row in rows if row is not None}
    return set() if None in rows else known
