"""Finds the words of a query in a text, to highlight them.

Text and query are folded and cut into words in the same way as for the index (muniment.mail.text.words). So a
word that the search finds is highlighted in every spelling: `straße` for `strasse`, `Mueller` for `Müller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from muniment.api import Mark
from muniment.mail.text.words import PlacedWords, SoughtWord, placed_words, sought_words

MOST = 5_000
"""Maximum number of highlights in a text."""
EXAMINED = 100_000
"""Maximum number of places that are examined for one mark, since a text may consist of its first word."""

Span = tuple[int, int]


def find(text: str, regions: Iterable[tuple[str, int, int]], marks: Iterable[Mark]) -> list[Span]:
    """The highlights, in order, without overlaps, up to MOST.

    `regions` are the parts of the text that come from mail, as (field, start, end). A mark with a field is
    searched for only in regions of that field.
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


def _within(text: str, start: int, end: int, sought: Sequence[Sequence[SoughtWord]]) -> Iterator[Span]:
    """Where any of the words or phrases occurs in [start, end)."""
    there = placed_words(text, start, end)
    for words in sought:
        yield from islice(_matches(there, words), MOST)


def _matches(there: PlacedWords, words: Sequence[SoughtWord]) -> Iterator[Span]:
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
