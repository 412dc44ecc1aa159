"""Seeing that what the index found by people's addresses stands in their folders.

The index knows addresses, not users, so what it finds of a person by them is too much where an address
changed hands, and everything for the catch-all. A query that names people is run so that nothing is
missed (see Compiler, `loose`), and each candidate is then held against the catalog's placements.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from tantivy import Query

from muniment.archive import query as q
from muniment.archive.index.queries import with_ids
from muniment.archive.index.shards import View
from muniment.archive.index.terms import Compiler, named_users, vague

Placed = Callable[[str, Iterable[int], str], Collection[int]]
"""Which messages stand with the person of that name; with a folder's name, in that folder of theirs."""


class Placing:
    """The last word on the candidates of one query."""

    def __init__(
        self, node: q.Node, compiler: Compiler, views: list[View], placed: Placed, scope: str
    ) -> None:
        """`scope`: the name of the person whose mail is searched; "" for everybody's."""
        self._node = node
        self._compiler = compiler
        self._views = views
        self._placed = placed
        self._about = (scope,) if scope else ()

    def verify(self, ids: Sequence[int]) -> set[int]:
        """Those of the candidates that match."""
        return self._true(self._node, set(ids), self._about, found=True)

    def _true(self, node: q.Node, ids: set[int], about: tuple[str, ...], *, found: bool = False) -> set[int]:
        """Those of `ids` that match `node`; `found`: the index found them all by this very node.

        `about`: the persons whose folders `in:` means here; none for anybody's.
        """
        if not ids or not vague(node, bool(about)):
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
            case q.User(name):
                return set(self._placed(name, self._known(node, ids), ""))
            case q.In(folder):
                return set().union(*(self._placed(name, ids, folder) for name in about))
            case _:
                raise TypeError(f"no such query: {node!r}")

    def _known(self, node: q.User, ids: set[int]) -> set[int]:
        """What of `ids` the reader may know to concern a person."""
        return ids if self._compiler.bcc_allowed else self._matched(self._compiler.compile_part(node), ids)

    def _matched(self, query: Query, ids: set[int]) -> set[int]:
        among = with_ids(query, ids)
        return {number for view in self._views for _, number in view.newest(among, len(ids), False)[1]}
