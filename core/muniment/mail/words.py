"""The words of a query and of a text, as the index and whoever marks hits compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from muniment.mail.folding import UNSPACED, halfway, plain, spelled

ANY, ONE = "*", "?"
"""Wildcards: any letters of a word, none included; one letter."""
_WILD = re.compile(r"[*?]")
_ADDRESS_LIKE = frozenset(":/=&@\\")
"""What a text has in which a question mark parts an address from its query."""
_WILD_RUN = re.compile(r"[*?]+")


@dataclass(frozen=True, slots=True)
class Sought:
    """One word of a query; either spelling may hold wildcards."""

    plain: str
    spelled: str
    """With umlauts and the like written out; equal to `plain` where there are none."""

    @property
    def wild(self) -> bool:
        """Whether it stands for more than one word."""
        return _WILD.search(self.plain) is not None

    def matches(self, half: str) -> bool:
        """Whether a word, as `folding.halfway` gives it, is found by this one."""
        bare, written = plain(half), spelled(half)
        if not self.wild:
            return bare in (self.plain, self.spelled) or written == self.spelled
        by_plain, by_spelled = (re.compile(pattern_of(form)).fullmatch for form in (self.plain, self.spelled))
        return bool(by_plain(bare) or by_spelled(bare) or by_spelled(written))


def pattern_of(word: str) -> str:
    """A regular expression for a word with wildcards, for the index library and for Python alike."""
    return "".join(
        ".*" if part == ANY else "." if part == ONE else re.escape(part) for part in re.split(r"([*?])", word)
    )


def sought_words(text: str) -> tuple[Sought, ...]:
    """The words of a query's word or phrase, in order."""
    half: list[str] = []
    at = 0
    for place in wildcards(text):
        half += [halfway(text[at:place]), text[place]]
        at = place + 1
    half.append(halfway(text[at:]))
    words = ("".join(half)).split()
    return tuple(Sought(plain(word), spelled(word)) for word in words if _WILD_RUN.fullmatch(word) is None)


def wildcards(text: str) -> list[int]:
    """Where wildcards stand: stars beside a letter or digit, and question marks between two of them.

    A star by itself, and a question mark behind a word or in an address, are punctuation.
    """
    found: list[int] = []
    for match in _WILD_RUN.finditer(text):
        start, end = match.span()
        before, after = is_letter(text[start - 1 : start]), is_letter(text[end : end + 1])
        if (ANY in match[0] and (before or after)) or (before and after and _ADDRESS_LIKE.isdisjoint(text)):
            found += range(start, end)
    return found


def is_letter(char: str) -> bool:
    """Whether a character is part of a word; "" is not."""
    return bool(char) and unicodedata.category(char)[0] in "LNM"


@dataclass(frozen=True, slots=True)
class Wild:
    """A word with wildcards in the text of a query, where it stands: [start, end)."""

    start: int
    end: int
    literal: int
    """Letters before the first wildcard."""
    longest: int
    """Letters in a row, at most."""
    narrow: bool
    """Whether the letters before the first wildcard are beyond ASCII, and so tell much."""
    parted: int
    """Where a wildcard stands between letters of a script without blanks; -1 for nowhere."""


def wild_words(text: str) -> Iterator[Wild]:
    """The words with wildcards in a word or phrase of a query."""
    places = set(wildcards(text))
    at = 0
    for place in sorted(places):
        if place < at:
            continue
        start = end = place
        while start > 0 and (start - 1 in places or is_letter(text[start - 1])):
            start -= 1
        while end < len(text) and (end in places or is_letter(text[end])):
            end += 1
        at = end
        word = text[start:end]
        pieces = _WILD_RUN.split(word)
        parted = next(
            (start + one.start() for one in _WILD_RUN.finditer(word) if _parts(word, *one.span())), -1
        )
        yield Wild(start, end, len(pieces[0]), max(map(len, pieces)), not pieces[0].isascii(), parted)


def _parts(word: str, start: int, end: int) -> bool:
    before, after = word[:start][-1:], word[end:][:1]
    return bool(before and after and (UNSPACED.match(before) or UNSPACED.match(after)))
