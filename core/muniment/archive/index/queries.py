"""Makes queries of the index library."""

from __future__ import annotations

from collections.abc import Iterable

from tantivy import FieldType, Occur, Query

from muniment.archive.index.document import MAX_DATE, order_of, schema

MAX_U64 = (1 << 64) - 1
SCHEMA = schema()


def has_tag(tag: str) -> Query:
    """Messages with a tag."""
    return Query.const_score_query(Query.term_query(SCHEMA, "tags", tag, "basic"), 0.0)


def has_tag_like(pattern: str) -> Query:
    """Messages with a tag that a regular expression matches completely."""
    return Query.const_score_query(Query.regex_query(SCHEMA, "tags", pattern), 0.0)


def in_range(field: str, least: int, most: int) -> Query:
    """Messages whose `field` is from `least` to `most`, both included."""
    if least > most:
        return Query.empty_query()
    found = Query.range_query(SCHEMA, field, FieldType.Unsigned, least, most)
    return Query.const_score_query(found, 0.0)


def dated(since: int | None, until: int | None) -> Query:
    """Messages dated from `since` to just before `until`, in seconds since 1970 UTC; None is no bound."""
    least = 0 if since is None or since <= 0 else order_of(since, 0)
    most = MAX_U64 if until is None or until > MAX_DATE else order_of(until, 0) - 1
    return in_range("order", least, most)


def with_ids(found: Query, ids: Iterable[int]) -> Query:
    """Messages that `found` finds and that have one of these ids."""
    return all_of([found, Query.const_score_query(Query.term_set_query(SCHEMA, "id", list(ids)), 0.0)])


def past_order(found: Query, order: int | None, oldest: bool = False) -> Query:
    """Messages that `found` finds and that are older than a sort key; with `oldest`, those that are newer."""
    if order is None:
        return found
    past = in_range("order", order + 1, MAX_U64) if oldest else in_range("order", 0, order - 1)
    return all_of([found, past])


def any_of(queries: Iterable[Query]) -> Query:
    """Messages that at least one query finds."""
    items = list(queries)
    return items[0] if len(items) == 1 else Query.boolean_query([(Occur.Should, item) for item in items])


def all_of(queries: Iterable[Query], without: Iterable[Query] = ()) -> Query:
    """Messages that all `queries` find and none of `without` finds."""
    items = [(Occur.Must, item) for item in queries] or [(Occur.Must, everything())]
    items += [(Occur.MustNot, item) for item in without]
    return items[0][1] if len(items) == 1 else Query.boolean_query(items)


def none_of(found: Query) -> Query:
    """Messages that `found` does not find."""
    return all_of([], [found])


def everything() -> Query:
    """Every message."""
    return Query.const_score_query(Query.all_query(), 0.0)
