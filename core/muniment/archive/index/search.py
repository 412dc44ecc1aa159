"""Searches shards: by date in pages, or by relevance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from tantivy import Query

from muniment.archive.index.base import MAX_LIMIT
from muniment.archive.index.document import date_of, order_of
from muniment.archive.index.model import Placed, SearchPage, SearchScope, UserAddresses, Users, Verify
from muniment.archive.index.placing import CandidateCheck
from muniment.archive.index.queries import past_order, with_ids
from muniment.archive.index.shards import ShardView, guarded
from muniment.archive.index.terms import QueryCompiler, needs_catalog
from muniment.archive.query import Node
from muniment.errors import NotFound, QueryError

MAX_RANKED = 20_000
"""Most results of a search by relevance."""
VERIFY_ALL = 1_000
"""A scoped search with at most this many candidates verifies all of them at once: its total is then exact."""
BATCH = 200
"""Candidates that are verified at a time at first."""
MAX_BATCH = 2_000
"""Most candidates that are verified at a time."""
MAX_EXAMINED = 100_000
"""Most candidates that a scoped search verifies for one page; after that it returns a short page."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How many candidates a scoped search verifies."""

    verify_all: int = VERIFY_ALL
    """With at most this many candidates, all of them are verified at once: the total is then exact."""
    batch: int = BATCH
    """Candidates that are verified at a time at first."""
    max_examined: int = MAX_EXAMINED
    """Most candidates that are verified for one page; after that the page is short."""


LIMITS = SearchLimits()


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The position after a page: a sort key (by date) or a rank, and the first page's total."""

    at: int
    total: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.at:x}.{self.total:x}.{int(self.exact)}"

    @classmethod
    def read(cls, text: str) -> _Cursor | None:
        if not text:
            return None
        try:
            at, total, exact = text.split(".")
            return cls(min(int(at, 16), (1 << 64) - 1), int(total, 16), exact == "1")
        except ValueError:
            raise QueryError("This page can't be found; search again from the first page.") from None


def search_shards(
    open_views: Callable[[], list[ShardView]],
    node: Node,
    *,
    users: Users | None,
    placed: Placed | None,
    scope: SearchScope | None,
    limit: int,
    after: str,
    by_relevance: bool,
    bcc_allowed: bool,
    count: bool,
    exact: bool,
    oldest_first: bool,
    around: int | None,
    only: Verify | None,
    limits: SearchLimits,
) -> SearchPage:
    """Search shards as `SearchIndex.search` says. `open_views` returns them; it is called last."""
    limit = min(max(limit, 1), MAX_LIMIT)
    compared = (
        placed is not None and (scope is None or scope.name != "") and needs_catalog(node, scope is not None)
    )
    compiler = QueryCompiler(users or _no_user, scope.user if scope else None, bcc_allowed, compared, exact)
    with guarded("Searching the index"):
        query, views = compiler.compile(node), open_views()
        checks: list[Verify] = [scope.verify] if scope else []
        if placed is not None and compared:
            checks.append(CandidateCheck(node, compiler, views, placed, scope.name if scope else "").verify)
        checks += [only] if only else []
        run = _Run(views, query, _together(checks), count, exact, oldest_first and not by_relevance, limits)
        cursor = _Cursor.read(after)
        if by_relevance:
            return run.ranked(limit, cursor)
        return run.dated(limit, cursor) if cursor or around is None else run.around(limit, around)


def _together(checks: list[Verify]) -> Verify | None:
    """Combine checks into one that passes what all of them pass; None if there are no checks."""

    def verify(ids: Sequence[int]) -> Collection[int]:
        for check in checks:
            passed = set(check(ids))
            ids = [number for number in ids if number in passed]
        return ids

    return verify if checks else None


def _no_user(name: str) -> UserAddresses:
    raise NotFound(f"There is no user {name}.")


Row = tuple[int, int]
"""Sort key and id."""


class _Run:
    def __init__(
        self,
        views: list[ShardView],
        query: Query,
        verify: Verify | None,
        count: bool,
        exact: bool,
        oldest: bool,
        limits: SearchLimits,
    ) -> None:
        self._views = sorted(views, key=lambda view: view.low) if oldest else views
        self._query = query
        self._verify = verify
        self._count = count
        self._exact = exact
        self._oldest = oldest
        self._limits = limits

    # --- by date

    def dated(self, limit: int, cursor: _Cursor | None) -> SearchPage:
        """Return the page after the cursor, newest or oldest first."""
        past = cursor.at if cursor else None
        if self._verify is not None:
            found = self._dated_verified(self._verify, limit, cursor)
        else:
            counted, rows = self._top(past, limit + 1, self._count and cursor is None)
            total, exact = (cursor.total, cursor.exact) if cursor else (counted, self._count)
            found = _page(rows, limit, total, exact, rows[limit - 1][0] if len(rows) > limit else None)
        return found if cursor else replace(found, first=0)

    def around(self, limit: int, date: int) -> SearchPage:
        """Return the page that begins at a date."""
        whole = self.dated(1, None)
        at = max(order_of(date, 0) - 1, 0) if self._oldest else order_of(date + 1, 0)
        found = self.dated(limit, _Cursor(at, whole.total, whole.exact))
        first, counted = self._preceding(at, whole.total)
        return replace(found, first=first, exact=whole.exact and counted)

    def _preceding(self, at: int, total: int) -> tuple[int, bool]:
        """Return how many matches come before a sort key, and whether that is exact."""
        if self._verify is None:
            return total - self._counted(at), True
        passed = examined = 0
        for batch, ended in self._batches(None, 1, total):
            rows = [number for order, number in batch if not self._follows(order, at)]
            passed += len(set(self._verify(rows)))
            examined += len(batch)
            if ended or len(rows) < len(batch):
                return passed, True
            if examined >= self._limits.max_examined and not self._exact:
                break
        return min(self._counted() - self._counted(at), total), False

    def _follows(self, order: int, other: int) -> bool:
        """Return whether a sort key comes after another in this order, or is equal."""
        return order >= other if self._oldest else order <= other

    def _dated_verified(self, verify: Verify, limit: int, cursor: _Cursor | None) -> SearchPage:
        total, exact = (cursor.total, cursor.exact) if cursor else (self._counted(), False)
        kept: list[Row] = []
        examined, counted, last, ended = 0, 0, None, False
        to_the_end = self._exact and cursor is None
        for batch, ended in self._batches(cursor.at if cursor else None, limit, total):
            allowed = set(verify([number for _, number in batch]))
            passed = [row for row in batch if row[1] in allowed]
            counted += len(passed)
            kept = [*kept, *passed][: limit + 1]
            examined += len(batch)
            total -= 0 if exact else len(batch) - len(passed)
            last = batch[-1][0] if batch else last
            enough = len(kept) > limit or (examined >= self._limits.max_examined and not self._exact)
            if ended or (enough and not to_the_end):
                break
        if ended and cursor is None:
            total, exact = counted, True
        more = kept[limit - 1][0] if len(kept) > limit else None if ended else last
        return _page(kept, limit, max(total, len(kept[:limit])), exact, more)

    def _batches(self, past: int | None, limit: int, total: int) -> Iterator[tuple[list[Row], bool]]:
        """Yield rows in order, in growing batches, each with whether it is the last."""
        at_once = past is None and total <= self._limits.verify_all
        size = total + 1 if at_once else max(self._limits.batch, limit + 1)
        while True:
            _, rows = self._top(past, size, False)
            yield rows, len(rows) < size
            if not rows:
                return
            past, size = rows[-1][0], min(size * 2, max(MAX_BATCH, limit + 1))

    def _top(self, past: int | None, limit: int, count: bool) -> tuple[int, list[Row]]:
        """Return the number of matches (0 without `count`), and the first rows after a sort key."""
        query, total = past_order(self._query, past, self._oldest), 0
        rows: list[Row] = []
        for view in self._views:
            nearest, farthest = (view.low, view.high) if self._oldest else (view.high, view.low)
            certain = len(rows) >= limit and self._follows(nearest, rows[limit - 1][0])
            if (past is not None and not self._follows(farthest, past)) or (certain and not count):
                continue
            counted, found = view.newest(query, 1 if certain else limit, count, self._oldest)
            total += counted
            rows = rows if certain else sorted(rows + found, reverse=not self._oldest)[:limit]
        return total, rows

    def _counted(self, past: int | None = None) -> int:
        query = past_order(self._query, past, self._oldest)
        return sum(view.newest(query, 1, True)[0] for view in self._views)

    # --- by relevance

    def ranked(self, limit: int, cursor: _Cursor | None) -> SearchPage:
        start = cursor.at if cursor else 0
        if self._exact:
            return self._ranked_exactly(start, limit, first=cursor is None)
        need = min(start + limit + 1, MAX_RANKED)
        total = self._counted()
        reach = need if self._verify is None else max(self._limits.batch, need * 2)
        reach, rows = min(reach, MAX_RANKED), list[Row]()
        while True:
            rows = self._verified(self._best(reach))
            if len(rows) >= need or reach >= min(total, MAX_RANKED):
                break
            reach = min(reach * 4, MAX_RANKED)
        exact = self._verify is None or reach >= total
        total = len(rows) if self._verify and (exact or self._exact) else total
        more = start + limit if len(rows) > start + limit else None
        return replace(_page(rows[start:], limit, total, exact, more), before="", first=-1 if cursor else 0)

    def _ranked_exactly(self, start: int, limit: int, first: bool) -> SearchPage:
        """Rank only messages that pass the checks: the newest MAX_RANKED, by score, then newest first.

        Other messages have no influence on which messages are ranked, or on their order.
        """
        newest = self.dated(MAX_RANKED, None)
        among = with_ids(self._query, newest.ids)
        scored = [row for view in self._views for row in view.best(among, max(len(newest.ids), 1), False)[1]]
        scored.sort(key=lambda row: (-row[0], -row[1], -row[2]))
        rows = [(order, number) for _, order, number in scored[start : start + limit + 1]]
        more = start + limit if len(rows) > limit else None
        return replace(
            _page(rows, limit, newest.total, newest.exact, more), before="", first=0 if first else -1
        )

    def _best(self, limit: int) -> list[Row]:
        rows = [row for view in self._views for row in view.best(self._query, limit, False)[1]]
        rows.sort(key=lambda row: (-row[0], -row[1], -row[2]))
        return [(order, number) for _, order, number in rows[:limit]]

    def _verified(self, rows: list[Row]) -> list[Row]:
        if self._verify is None:
            return rows
        allowed = set(self._verify([number for _, number in rows]))
        return [row for row in rows if row[1] in allowed]


def _page(rows: list[Row], limit: int, total: int, exact: bool, more: int | None) -> SearchPage:
    shown = rows[:limit]
    return SearchPage(
        total=total,
        exact=exact,
        ids=tuple(number for _, number in shown),
        dates=tuple(date_of(order) for order, _ in shown),
        after="" if more is None else str(_Cursor(more, total, exact)),
        before=str(_Cursor(shown[0][0], total, exact)) if shown else "",
    )
