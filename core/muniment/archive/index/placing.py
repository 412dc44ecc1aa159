"""Compares results of the index with the catalog, for queries about people.

The index knows addresses, not users. So it finds too much for a person whose address was moved between
people, and everything for the catch-all. A query about people is compiled so that it misses nothing (see
`loose` of QueryCompiler), and the catalog's placements then decide about each candidate.
"""

from __future__ import annotations

from collections.abc import Sequence

from tantivy import Query

from muniment.archive import query as q
from muniment.archive.index.model import Placed
from muniment.archive.index.queries import with_ids
from muniment.archive.index.shards import ShardView
from muniment.archive.index.terms import QueryCompiler, named_users, needs_catalog


class CandidateCheck:
    """Decides which candidates of one query match it."""

    def __init__(
        self, node: q.Node, compiler: QueryCompiler, views: list[ShardView], placed: Placed, scope: str
    ) -> None:
        """Keep what is needed to check candidates.

        Args:
            node: The query.
            compiler: The compiler that compiled it, with `loose`.
            views: The shards to search.
            placed: Looks up placements in the catalog.
            scope: Name of the person whose mail is searched; "" for all mail.
        """
        self._node = node
        self._compiler = compiler
        self._views = views
        self._placed = placed
        self._about = (scope,) if scope else ()

    def verify(self, ids: Sequence[int]) -> set[int]:
        """Return the subset of candidates that match the query."""
        return self._true(self._node, set(ids), self._about, found=True)

    def _true(self, node: q.Node, ids: set[int], about: tuple[str, ...], *, found: bool = False) -> set[int]:
        """Return the subset of `ids` that matches `node`.

        Args:
            node: A part of the query.
            ids: Numbers of messages.
            about: Names of the people whose folders `in:` means in this part; none means any person's.
            found: Whether the index found all `ids` by this same node, so that exact parts need no check.
        """
        if not ids or not needs_catalog(node, bool(about)):
            return ids if found or not ids else self._matched(self._compiler.compile_part(node), ids)
        match node:
            case q.And(items):
                named = tuple(name for item in items for name in named_users(item))
                inner = self._about or named or about
                for item in items:
                    ids = self._true(item, ids, inner, found=found)
                return ids
            case q.Or(items):
                return set().union(*(self._true(item, ids, about) for item in items))
            case q.Not(item):
                return ids - self._true(item, ids, about)
            case q.UserTerm(name):
                return set(self._placed(name, self._known(node, ids), ""))
            case q.InFolder(folder):
                return set().union(*(self._placed(name, ids, folder) for name in about))
            case _:
                raise TypeError(f"no such query: {node!r}")

    def _known(self, node: q.UserTerm, ids: set[int]) -> set[int]:
        """Return the subset of `ids` that the reader is allowed to know to be a person's."""
        return ids if self._compiler.bcc_allowed else self._matched(self._compiler.compile_part(node), ids)

    def _matched(self, query: Query, ids: set[int]) -> set[int]:
        among = with_ids(query, ids)
        return {number for view in self._views for _, number in view.newest(among, len(ids), False)[1]}
