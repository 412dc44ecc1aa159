"""The full-text index: a projection of the ledger that can be rebuilt and that states what it lacks.

`base` is the contract. All other modules but `model` are the implementation, with Tantivy.
"""

from muniment.archive.index.base import MAX_LIMIT, SearchIndex
from muniment.archive.index.model import (
    AttachmentState,
    ContentsState,
    IndexDocument,
    IndexMention,
    IndexState,
    Placed,
    SearchPage,
    SearchScope,
    StoredSpan,
    UserAddress,
    UserAddresses,
    Users,
)

__all__ = [
    "MAX_LIMIT",
    "AttachmentState",
    "ContentsState",
    "IndexDocument",
    "IndexMention",
    "IndexState",
    "Placed",
    "SearchIndex",
    "SearchPage",
    "SearchScope",
    "StoredSpan",
    "UserAddress",
    "UserAddresses",
    "Users",
]
