"""Searching a vault: the query language, over the index, checked against the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from muniment.archive.binding import bound
from muniment.archive.index import Found, Scope, UserAddress, UserTerms, search
from muniment.archive.naming import person, require_known
from muniment.archive.query import parse
from muniment.archive.vault import Vault
from muniment.mail.addresses import domain
from muniment.people.directory import CATCH_ALL


def terms_of(vault: Vault, name: str) -> UserTerms:
    """A person as the index finds them: by the addresses that are or were theirs.

    Raises:
        NotFound: `name` is nobody's address.
    """
    user = vault.directory.find(name)
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


def scope_of(vault: Vault, name: str) -> Scope:
    """One person's mail: what the index finds by their addresses, as far as the catalog places it there.

    Raises:
        NotFound: `name` is nobody's address.
    """
    user = vault.directory.find(name)

    def verify(sequences: Sequence[int]) -> Collection[int]:
        return vault.catalog.placed(user.id, sequences)

    return Scope(terms_of(vault, name), verify, name)


def find(
    vault: Vault,
    query: str,
    user: str = "",
    limit: int = 50,
    after: str = "",
    by_relevance: bool = False,
    own: bool = False,
    oldest_first: bool = False,
    around: int | None = None,
) -> Found:
    """A page of what `query` finds, in everybody's mail or in one person's; see index.search.

    `own`: it is `user` who asks, so that nothing of others may be learnt: Bcc is matched in what they sent
    alone, and the total is of what stands with them.

    Raises:
        QueryError: the query can't be read.
        NotFound: `user`, or a `user:` in the query, is nobody; or nobody has a folder that `in:` names.
    """
    node = parse(query)
    whose = None if not user else vault.directory.find(user) if own else person(vault, user)
    require_known(vault, node, whose, own)

    def placed(name: str, sequences: Iterable[int], folder: str) -> Collection[int]:
        return vault.catalog.placed(vault.directory.find(name).id, sequences, folder)

    index = vault.index()
    if not bound(vault, index.watermark, index.mark):
        return Found(0, True, (), (), first=0)  # its numbers mean other messages
    return search(
        index,
        node,
        users=lambda name: terms_of(vault, name),
        placed=placed,
        scope=scope_of(vault, user) if user else None,
        limit=limit,
        after=after,
        by_relevance=by_relevance,
        bcc_allowed=not own,
        exact=own,
        oldest_first=oldest_first,
        around=around,
    )
