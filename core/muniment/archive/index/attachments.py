"""What the index knows of attachments: how far they were read, and which of them have the a query's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tantivy import Query

from muniment.archive import query as q
from muniment.archive.index.document import FILES_FIELD, WITHIN_FIELD, contents_of, within_term
from muniment.archive.index.model import AttachmentState, ContentsState
from muniment.archive.index.queries import SCHEMA, all_of, any_of, everything, has_tag, with_ids
from muniment.archive.index.shards import ShardView
from muniment.archive.index.wording import find_words
from muniment.mail.text.folding import halfway
from muniment.mail.text.words import ANY, SoughtWord, pattern_of, sought_words

MOST_FILES = 50
"""Most files of one message that are kept apart."""


def in_state(
    views: Sequence[ShardView], state: ContentsState, limit: int, among: Sequence[int] | None
) -> tuple[int, tuple[int, ...]]:
    """Answer SearchIndex.with_contents."""
    wanted = has_tag(f"contents:{state}")
    if among is not None:
        wanted = with_ids(wanted, among)
    total, rows = 0, list[tuple[int, int]]()
    for view in views:
        count, found = view.newest(wanted, max(limit, 1), True)
        total += count
        rows += found
    rows.sort(reverse=True)
    return total, tuple(number for _, number in rows[:limit])


def attachments_of(views: Sequence[ShardView], ids: Iterable[int]) -> dict[int, tuple[AttachmentState, ...]]:
    """Answer SearchIndex.attachments."""
    wanted = list(ids)
    if not wanted:
        return {}
    found = with_ids(everything(), wanted)
    return {
        number: contents_of(stored)
        for view in views
        for number, stored in view.stored(found, len(wanted), FILES_FIELD)
    }


def files_with(views: Sequence[ShardView], text: q.Text, ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Answer SearchIndex.files_with."""
    typed = text.text + ANY if isinstance(text, q.PrefixTerm) else text.text
    words = sought_words(typed)
    known = {number: files for number, files in attachments_of(views, ids).items() if files}
    if not words or not known:
        return {}
    matched: dict[int, set[int]] = {
        number: {place for place, file in enumerate(files) if _named(words, file.name)}
        for number, files in known.items()
    }
    single = {
        number: next(place for place, file in enumerate(files) if file.has_text)
        for number, files in known.items()
        if sum(file.has_text for file in files) == 1
    }
    for number in _found(views, find_words(words, ("attachment",)), single):
        matched[number].add(single[number])
    several = [number for number in known if number not in single]
    for place in range(min(max((len(known[number]) for number in several), default=0), MOST_FILES)):
        having = [number for number in several if place < len(known[number])]
        for number in _found(views, all_of(_within(place, word) for word in words), having):
            matched[number].add(place)
    return {number: tuple(sorted(places)) for number, places in matched.items() if places}


def _named(words: Sequence[SoughtWord], name: str) -> bool:
    """Return whether a file's name has all these words."""
    parts = halfway(name).split()
    return all(any(word.matches(part) for part in parts) for word in words)


def _found(views: Sequence[ShardView], query: Query, ids: Iterable[int]) -> set[int]:
    among = list(ids)
    if not among:
        return set()
    wanted = with_ids(query, among)
    return {number for view in views for _, number in view.newest(wanted, len(among), False)[1]}


def _within(place: int, word: SoughtWord) -> Query:
    forms = dict.fromkeys((word.plain, word.spelled))
    if word.wild:
        return any_of(
            Query.regex_query(SCHEMA, WITHIN_FIELD, within_term(place, pattern_of(form))) for form in forms
        )
    return any_of(Query.term_query(SCHEMA, WITHIN_FIELD, within_term(place, form), "basic") for form in forms)
