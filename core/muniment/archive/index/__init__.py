"""The full-text index: a projection of the ledger that can be rebuilt and that states what it lacks."""

from muniment.archive.index.document import IndexDocument, Mention
from muniment.archive.index.index import ASIDE, Index, State, peek, put_aside
from muniment.archive.index.search import Found, Scope, search
from muniment.archive.index.terms import UserAddress, Users, UserTerms

__all__ = [
    "ASIDE",
    "Found",
    "Index",
    "IndexDocument",
    "Mention",
    "Scope",
    "State",
    "UserAddress",
    "UserTerms",
    "Users",
    "peek",
    "put_aside",
    "search",
]
