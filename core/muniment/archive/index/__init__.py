"""The full-text index: a projection of the ledger that can be rebuilt and that states what it lacks."""

from muniment.archive.index.document import IndexDocument, IndexMention
from muniment.archive.index.index import ASIDE, Index, IndexState, peek, put_aside
from muniment.archive.index.search import SearchPage, SearchScope, search
from muniment.archive.index.terms import UserAddress, UserAddresses, Users

__all__ = [
    "ASIDE",
    "Index",
    "IndexDocument",
    "IndexMention",
    "IndexState",
    "SearchPage",
    "SearchScope",
    "UserAddress",
    "UserAddresses",
    "Users",
    "peek",
    "put_aside",
    "search",
]
