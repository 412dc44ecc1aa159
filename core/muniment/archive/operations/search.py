"""Searches a vault: a query runs on the index, and the catalog decides about people and folders.

Days such as `today` and `7d` are counted from the time of the first page. The positions of its further pages
have that time, so that all pages agree, also over midnight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from muniment.archive.catalog import MessageRow
from muniment.archive.catalog.id_prefixes import is_prefix
from muniment.archive.index import SearchPage, SearchScope, UserAddress, UserAddresses
from muniment.archive.operations.check_names import person, require_known
from muniment.archive.operations.conversations import Known, with_conversations
from muniment.archive.operations.group_search import with_groups
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.query import (
    And,
    IdPrefix,
    Node,
    Not,
    Or,
    RecordNumber,
    RecordNumbers,
    UserTerm,
    parse,
)
from muniment.archive.query.nodes import both
from muniment.archive.vault.vault import Vault
from muniment.errors import QueryError
from muniment.mail.headers.addresses import domain
from muniment.people.directory import CATCH_ALL, User

TIMED = "@"
"""Separates the position in the index from the time of the first page, in hex."""
SHIFT = 2 * 86_400
"""Seconds by which each day changes that is counted from now."""


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What an auditor with limits may find."""

    only: Callable[[Sequence[int]], Collection[int]]
    """Takes numbers of messages, and returns the subset within the limits."""
    knows: Callable[[str], bool]
    """Tells whether the reader may search the mail of a person with this name or address."""
    look: Callable[[str], MessageRow | None]
    """Returns the message within the limits that has an id; None if there is none, or several."""


def terms_of(vault: Vault, name: str | User) -> UserAddresses:
    """Return a person in the terms of the index: the addresses that are or were theirs.

    Raises:
        NotFound: No user has the address `name`.
    """
    user = _user(vault, name)
    if user.id == CATCH_ALL:
        return UserAddresses((), everything=True)
    return UserAddresses(
        tuple(
            UserAddress(
                period.address,
                period.start,
                period.end,
                tagged=domain(period.address) in vault.directory.domains,
            )
            for period in vault.directory.address_periods(user.id)
        )
    )


def _user(vault: Vault, name: str | User) -> User:
    return name if isinstance(name, User) else vault.directory.find(name)


def scope_of(vault: Vault, name: str | User) -> SearchScope:
    """Return the scope of one person's mail: found by their addresses, and decided by the catalog.

    Raises:
        NotFound: No user has the address `name`.
    """
    user = _user(vault, name)

    def verify(sequences: Sequence[int]) -> Collection[int]:
        return vault.catalog.placed(user.id, sequences)

    return SearchScope(terms_of(vault, user), verify, user.primary)


def find(
    vault: Vault,
    query: str,
    user: str | User = "",
    limit: int = 50,
    after: str = "",
    by_relevance: bool = False,
    own: bool = False,
    oldest_first: bool = False,
    around: int | None = None,
    zone: tzinfo = UTC,
    conversations: Known | None = None,
    now: float | None = None,
    without: Collection[str] = (),
    among: Collection[int] | None = None,
    limits: ReaderLimits | None = None,
) -> SearchPage:
    """Search a vault, and return one page of results. An index of another ledger finds nothing.

    Args:
        vault: The vault.
        query: The query as it was typed.
        user: The person whose mail is searched, by name, address or as a user; "" for all mail.
        limit: Most results of the page.
        after: The position that the previous page returned.
        by_relevance: Whether the most relevant messages come first; otherwise they are sorted by date.
        own: Whether `user` is the one who searches. Then results reveal nothing about other people's mail:
            Bcc matches only in mail that they sent, totals count only their mail, rare words weigh no more
            than others, `id:` takes public ids, and sizes are those of public forms.
        oldest_first: Whether the oldest message comes first.
        around: The date to begin at, in seconds since 1970 UTC.
        zone: The time zone of the days in the query.
        conversations: What one searcher's query has found out about conversations. Pass the same dict for
            each page, so that they are looked up once.
        now: The time of this call, in seconds since 1970 UTC; by default the current time.
        without: Ids of people whose mail is left out.
        among: Numbers of the only messages that are searched; None for all.
        limits: What an auditor with limits may find. Then results reveal nothing about other mail, and who is
            not known to this reader has none.

    Raises:
        QueryError: The query is not valid, or `after` is not a position from a page.
        NotFound: `user` or a name after `user:` or `group:` is unknown, or no user has a folder that `in:`
            names.
        VaultError: The index or the catalog can't be read.
    """
    after, begun = _timed(after, int(time.time() if now is None else now))
    node = parse(query, now=begun, zone=zone)
    counted = node != parse(query, now=begun + SHIFT, zone=zone)
    whose = None if not user else _user(vault, user) if own or isinstance(user, User) else person(vault, user)
    node = with_groups(vault, node, begun)
    if limits is None:
        require_known(vault, node, whose, own)
    else:
        node = _with_known_people(node, limits)
    node = _with_public_ids(vault, node) if own else node
    scope = scope_of(vault, whose) if whose else None
    index, known = vault.index(), {} if conversations is None else conversations
    if not is_bound(vault, index.watermark, index.binding):
        return SearchPage(0, True, (), (), first=0)  # its numbers are those of other messages

    only, exact = limits.only if limits else None, own or limits is not None

    def found(part: Node, most: int) -> Sequence[int]:
        return index.search(
            part, scope=scope, limit=most, bcc_allowed=not own, exact=exact, count=False, only=only
        ).ids

    reader = whose if own else None

    def look(id_: str) -> MessageRow | None:
        return limits.look(id_) if limits else _message(vault, id_, reader)

    node = with_conversations(vault, node, look, found, known)
    if among is not None:
        node = both((node, RecordNumbers(tuple(among))))
    page = index.search(
        _leaving_out(vault, node, without),
        users=lambda name: terms_of(vault, name),
        placed=_placing(vault, user, scope),
        scope=scope,
        limit=limit,
        after=after,
        by_relevance=by_relevance,
        bcc_allowed=not own,
        exact=exact,
        oldest_first=oldest_first,
        around=around,
        only=only,
    )
    page = _kept(vault, page, without)
    return _with_times(page, begun) if counted else page


def _with_known_people(node: Node, limits: ReaderLimits) -> Node:
    """Replace people in a query whom the reader does not know by no message."""
    match node:
        case And(items):
            return And(tuple(_with_known_people(item, limits) for item in items))
        case Or(items):
            return Or(tuple(_with_known_people(item, limits) for item in items))
        case Not(item):
            return Not(_with_known_people(item, limits))
        case UserTerm(name) if not limits.knows(name):
            return RecordNumbers(())
        case _:
            return node


def _leaving_out(vault: Vault, node: Node, people: Collection[str]) -> Node:
    """Return a query without the mail of people, as far as their addresses say whose it is."""
    names = sorted(vault.directory.label(user) for user in people)
    return both((node, *(Not(UserTerm(name)) for name in names)))


def _kept(vault: Vault, page: SearchPage, people: Collection[str]) -> SearchPage:
    """Return a page without messages in folders of people, which the catalog decides."""
    left_out = set().union(*(vault.catalog.placed(user, page.ids) for user in people))
    if not left_out:
        return page
    ids = tuple(one for one in page.ids if one not in left_out)
    return replace(page, ids=ids, total=max(len(ids), page.total - len(left_out)), exact=False)


def _placing(
    vault: Vault, user: str | User, scope: SearchScope | None
) -> Callable[[str, Iterable[int], str], Collection[int]]:
    """Return what finds out which messages are in a folder of a person, for a search by or of `user`."""

    def placed(name: str, sequences: Iterable[int], folder: str) -> Collection[int]:
        # The person in the scope is looked up by id, since the address may be moved meanwhile.
        searching = isinstance(user, User) and scope is not None and name == scope.name
        who = user.id if searching and isinstance(user, User) else vault.directory.find(name).id
        return vault.catalog.placed(who, sequences, folder)

    return placed


def _timed(position: str, now: int) -> tuple[str, int]:
    """Return a position in the index, and the time from which days are counted: `now`, if it has none.

    Raises:
        QueryError: It has no valid time.
    """
    at, timed, begun = position.partition(TIMED)
    try:
        return at, min(max(int(begun, 16), 0), now) if timed else now
    except ValueError:
        raise QueryError("This page can't be found; search again from the first page.") from None


def _with_times(page: SearchPage, begun: int) -> SearchPage:
    """Return a page whose positions carry the time from which days are counted."""
    return replace(page, after=_with_time(page.after, begun), before=_with_time(page.before, begun))


def _with_time(position: str, begun: int) -> str:
    """Return a position in the index with the time from which days are counted; "" stays ""."""
    return f"{position}{TIMED}{begun:x}" if position else ""


def _message(vault: Vault, id_: str, reader: User | None) -> MessageRow | None:
    """Return the message with an id; None if there is none, or several.

    `reader` is the plain user who searches: then the id is a public one, of a message of theirs.
    """
    if reader is None:
        rows = vault.catalog.messages_by_prefix(id_)
        if len(rows) == 1:
            return rows[0]
    key = vault.directory.id_key
    row = PublicIds(key).find(vault.catalog, id_) if (key or reader) and is_prefix(id_) else None
    if row is None or reader is None:
        return row
    return row if row.sequence in vault.catalog.placed(reader.id, [row.sequence]) else None


def _with_public_ids(vault: Vault, node: Node) -> Node:
    """Replace public ids in a query by the numbers of their messages."""
    match node:
        case And(items):
            return And(tuple(_with_public_ids(vault, item) for item in items))
        case Or(items):
            return Or(tuple(_with_public_ids(vault, item) for item in items))
        case Not(item):
            return Not(_with_public_ids(vault, item))
        case IdPrefix(prefix):
            row = PublicIds(vault.directory.id_key).find(vault.catalog, prefix)
            return RecordNumber(row.sequence if row else -1)
        case _:
            return node
