"""Indexes of each implementation, for the tests that all of them must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from muniment.archive.index import SearchIndex
from muniment.archive.index.index import TantivyIndex
from muniment.archive.query import parse

HEAP = 16_000_000
"""Memory for the writer of a small index in Tantivy, in bytes."""
WHOLE = 2_000_000
"""More documents than any test adds."""


class IndexMaker(Protocol):
    """Opens indexes of one implementation."""

    def open(self, folder: Path, *, readonly: bool = False, part: int = WHOLE) -> SearchIndex:
        """Open an index, or make a new one.

        Args:
            folder: The folder of the index alone.
            readonly: Whether to open it only for searching.
            part: Number of documents after which another part begins, if it has parts.
        """


class TantivyMaker:
    """Opens indexes in shards of Tantivy."""

    def open(self, folder: Path, *, readonly: bool = False, part: int = WHOLE) -> TantivyIndex:
        return TantivyIndex.open(folder, heap=HEAP, docs_per_shard=part, read_only=readonly)


MAKERS: dict[str, IndexMaker] = {"tantivy": TantivyMaker()}
"""Every implementation of `SearchIndex`, by the name that its tests have."""


def find(index: SearchIndex, query: str = "") -> list[int]:
    """Return the ids of all documents that a query finds, in ascending order."""
    return sorted(index.search(parse(query), limit=10_000).ids)
