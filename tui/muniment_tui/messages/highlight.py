"""Where in a text the words of a query stand, so that they can be marked.

Text and query are folded and cut into words as the index does it (muniment.mail.text.words), so what a search
finds by its words is marked, in whichever spelling: `straße` for `strasse`, `Mueller` for `Müller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from muniment.api import Mark
from muniment.mail.text.words import Placed, Sought, placed_words, sought_words

MOST = 5_000
"""Marks in one text."""
EXAMINED = 100_000
"""Places that are looked at for one mark, at most: a text may be made of nothing but its beginning."""

Span = tuple[int, int]


def find(text: str, regions: Iterable[tuple[str, int, int]], marks: Iterable[Mark]) -> list[Span]:
    """Where the marks stand, in order, without overlaps, MOST at most.

    `regions` are the parts of the text that are mail, as (field, start, end); a mark with a field is sought
    in those of that field alone.
    """
    wanted = [(mark.field, words) for mark in marks if (words := sought_words(_typed(mark)))]
    found: set[Span] = set()
    for name, start, end in regions:
        sought = [words for field, words in wanted if field in ("", name)]
        if sought:
            found.update(_within(text, start, end, sought))
    return _apart(sorted(found))[:MOST]


def _typed(mark: Mark) -> str:
    return f"{mark.text}*" if mark.prefix else mark.text


def _within(text: str, start: int, end: int, sought: Sequence[Sequence[Sought]]) -> Iterator[Span]:
    """Where in [start, end) any of the words or phrases stands."""
    there = placed_words(text, start, end)
    for words in sought:
        yield from islice(_matches(there, words), MOST)


def _matches(there: Placed, words: Sequence[Sought]) -> Iterator[Span]:
    first, *others = words
    for at in islice(there.places(first), EXAMINED):
        if all(there.holds(at + ahead, word) for ahead, word in enumerate(others, start=1)):
            yield there.span(at, at + len(words) - 1)


def _apart(spans: list[Span]) -> list[Span]:
    apart: list[Span] = []
    for span in spans:
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart
