"""Where in a text the words of a query stand, so that they can be marked.

The index folds words before it compares them (case, accents); here text is folded character by
character, so that what is found has its place in the text as it is shown. Words that only folding to
several letters would join (`straße`, `strasse`) are found by the index and not marked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from muniment.api import Mark

MOST = 5_000
"""Marks in one text."""
EXAMINED = 100_000
"""Places that are looked at for one mark, at most: a text may be made of nothing but its beginning."""
_UNSPACED = "\u0e00"
"""From here on scripts may be written without spaces, so that words have no borders."""
_RUN = re.compile(r"[^\W_]+")
_PLAIN = {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h"}

Span = tuple[int, int]


def fold(text: str) -> str:
    """Text without case and accents, each character in its place."""
    if text.isascii():
        return text.lower()
    return text.translate({ord(char): _base(char) for char in set(text) if not char.isascii()}).lower()


def _base(char: str) -> str:
    lower = char.lower()
    if lower in _PLAIN:
        return _PLAIN[lower]
    first, *rest = list(unicodedata.normalize("NFKD", char))
    if all(unicodedata.combining(mark) for mark in rest):
        return first
    return lower if len(lower) == 1 else char


def find(text: str, regions: Iterable[tuple[str, int, int]], marks: Iterable[Mark]) -> list[Span]:
    """Where the marks stand, in order, without overlaps, MOST at most.

    `regions` are the parts of the text that are mail, as (field, start, end); a mark with a field is sought
    in those of that field alone.
    """
    folded = fold(text)
    compiled = [(mark.field, mark.prefix, pattern) for mark in marks if (pattern := _pattern(mark.text))]
    found: set[Span] = set()
    for name, start, end in regions:
        for field, prefix, pattern in compiled:
            if field in ("", name):
                found.update(islice(_matches(folded, pattern, prefix, start, end), MOST))
    return _apart(sorted(found))[:MOST]


def _pattern(text: str) -> re.Pattern[str] | None:
    """Begins with the letters of the first word, so that the search for it is fast."""
    runs = _RUN.findall(fold(text))
    return re.compile(r"[\W_]+".join(map(re.escape, runs))) if runs else None


def _matches(text: str, pattern: re.Pattern[str], prefix: bool, start: int, end: int) -> Iterator[Span]:
    for match in islice(pattern.finditer(text, start, end), EXAMINED):
        first, last = match.span()
        if _joined(text, first, start, end) or (_joined(text, last, start, end) and not prefix):
            continue
        rest = _RUN.match(text, last, end) if prefix else None
        yield first, rest.end() if rest else last


def _joined(text: str, at: int, start: int, end: int) -> bool:
    """Whether a word goes on across a place."""
    if not start < at < end:
        return False
    before, after = text[at - 1], text[at]
    if before >= _UNSPACED or after >= _UNSPACED:
        return False
    return bool(_RUN.match(before) and _RUN.match(after))


def _apart(spans: list[Span]) -> list[Span]:
    apart: list[Span] = []
    for span in spans:
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart
