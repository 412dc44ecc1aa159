"""Searching a vault: the query language, over the index, checked against the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, tzinfo

from muniment.archive.index import Found, Scope, UserAddress, UserTerms, search
from muniment.archive.operations.check_names import person, require_known
from muniment.archive.operations.index_binding import bound
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.query import And, Id, Node, Not, Number, Or, parse
from muniment.archive.vault.vault import Vault
from muniment.mail.headers.addresses import domain
from muniment.people.directory import CATCH_ALL, User


def terms_of(vault: Vault, name: str | User) -> UserTerms:
    """A person as the index finds them: by the addresses that are or were theirs.

    Raises:
        NotFound: `name` is nobody's address.
    """
    user = _user(vault, name)
    if user.id == CATCH_ALL:
        return UserTerms((), everything=True)
    return UserTerms(
        tuple(
            UserAddress(
                tenure.address,
                tenure.start,
                tenure.end,
                tagged=domain(tenure.address) in vault.directory.domains,
            )
            for tenure in vault.directory.tenures(user.id)
        )
    )


def _user(vault: Vault, name: str | User) -> User:
    return name if isinstance(name, User) else vault.directory.find(name)


def scope_of(vault: Vault, name: str | User) -> Scope:
    """One person's mail: what the index finds by their addresses, as far as the catalog places it there.

    Raises:
        NotFound: `name` is nobody's address.
    """
    user = _user(vault, name)

    def verify(sequences: Sequence[int]) -> Collection[int]:
        return vault.catalog.placed(user.id, sequences)

    return Scope(terms_of(vault, user), verify, user.primary)


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
) -> Found:
    """A page of what `query` finds, in everybody's mail or in one person's; see index.search.

    `own`: it is `user` who asks, so that nothing of others may be learnt: Bcc is matched in what they sent
    alone, the total is of what stands with them, all words weigh alike, `id:` takes public ids, and sizes are
    those of public forms.

    `zone`: whose days the query means.

    Raises:
        QueryError: the query can't be read.
        NotFound: `user`, or a `user:` in the query, is nobody; or nobody has a folder that `in:` names.
    """
    node = parse(query, zone=zone)
    whose = None if not user else _user(vault, user) if own or isinstance(user, User) else person(vault, user)
    require_known(vault, node, whose, own)
    if own:
        node = _with_public_ids(vault, node)
    scope = scope_of(vault, whose) if whose else None

    def placed(name: str, sequences: Iterable[int], folder: str) -> Collection[int]:
        # The person who searches is known by their id: their address may move meanwhile.
        searching = isinstance(user, User) and scope is not None and name == scope.name
        who = user.id if searching and isinstance(user, User) else vault.directory.find(name).id
        return vault.catalog.placed(who, sequences, folder)

    index = vault.index()
    if not bound(vault, index.watermark, index.mark):
        return Found(0, True, (), (), first=0)  # its numbers mean other messages
    return search(
        index,
        node,
        users=lambda name: terms_of(vault, name),
        placed=placed,
        scope=scope,
        limit=limit,
        after=after,
        by_relevance=by_relevance,
        bcc_allowed=not own,
        exact=own,
        oldest_first=oldest_first,
        around=around,
    )


def _with_public_ids(vault: Vault, node: Node) -> Node:
    """A query whose ids are public ones, as one that names the messages' records."""
    match node:
        case And(items):
            return And(tuple(_with_public_ids(vault, item) for item in items))
        case Or(items):
            return Or(tuple(_with_public_ids(vault, item) for item in items))
        case Not(item):
            return Not(_with_public_ids(vault, item))
        case Id(prefix):
            row = PublicIds(vault.directory.id_key).find(vault.catalog, prefix)
            return Number(row.sequence if row else -1)
        case _:
            return node
