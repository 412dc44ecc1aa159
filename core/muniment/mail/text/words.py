"""The words of a query and of a text, compared in the same way by the index and by the highlighter."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from muniment.mail.text.folding import UNSPACED, halfway, plain, spelled

Span = tuple[int, int]
ANY, ONE = "*", "?"
"""Wildcards: `*` is any number of letters of a word, also none; `?` is one letter."""
_WILD = re.compile(r"[*?]")
_ADDRESS_LIKE = frozenset(":/=&@\\")
"""Characters of an address. In a text that has one, a question mark separates the address from its query."""
_WILD_RUN = re.compile(r"[*?]+")


@dataclass(frozen=True, slots=True)
class SoughtWord:
    """One word of a query. Both spellings may contain wildcards."""

    plain: str
    """Without accents."""
    spelled: str
    """With umlauts and similar letters written out; equal to `plain` if there are none."""

    @property
    def wild(self) -> bool:
        """Whether it contains wildcards."""
        return _WILD.search(self.plain) is not None

    def matches(self, half: str) -> bool:
        """Whether this word of a query finds a word of a text, given as `folding.halfway` returns it."""
        bare, written = plain(half), spelled(half)
        if not self.wild:
            return bare in (self.plain, self.spelled) or written == self.spelled
        return _is_like(self.plain, bare) or _is_like(self.spelled, bare) or _is_like(self.spelled, written)


def _is_like(wild: str, word: str) -> bool:
    """Whether a word matches one with wildcards. Linear in time, since a sender chooses the word."""
    first, *others = _pieces(wild)
    if not others:
        return first.fullmatch(word) is not None
    begun = first.match(word)
    *within, last = others
    for piece in within:  # the first match is the best one: it leaves the longest rest
        begun = piece.search(word, begun.end()) if begun else None
    rest = len(word) - len(wild.rpartition(ANY)[2])
    return begun is not None and rest >= begun.end() and last.match(word, rest) is not None


@lru_cache(maxsize=256)
def _pieces(wild: str) -> tuple[re.Pattern[str], ...]:
    """Patterns for the pieces between the stars of a word."""
    return tuple(re.compile(pattern_of(piece)) for piece in wild.split(ANY))


def pattern_of(word: str) -> str:
    """A regular expression for a word with wildcards, in the dialect of the index library."""
    return "".join(
        ".*" if part == ANY else "." if part == ONE else re.escape(part) for part in re.split(r"([*?])", word)
    )


def sought_words(text: str) -> tuple[SoughtWord, ...]:
    """The words of a word or phrase in a query, in order. A word of wildcards alone is left out."""
    half: list[str] = []
    at = 0
    for place in wildcards(text):
        half += [halfway(text[at:place]), text[place]]
        at = place + 1
    half.append(halfway(text[at:]))
    words = ("".join(half)).split()
    return tuple(
        SoughtWord(plain(word), spelled(word)) for word in words if _WILD_RUN.fullmatch(word) is None
    )


def wildcards(text: str) -> list[int]:
    """Offsets of the wildcards: stars beside a letter or digit, and question marks between two of them.

    A star by itself is punctuation. So is a question mark behind a word or in an address.
    """
    found: list[int] = []
    for match in _WILD_RUN.finditer(text):
        start, end = match.span()
        before, after = is_letter(text[start - 1 : start]), is_letter(text[end : end + 1])
        if (ANY in match[0] and (before or after)) or (before and after and _ADDRESS_LIKE.isdisjoint(text)):
            found += range(start, end)
    return found


def is_letter(char: str) -> bool:
    """Whether a character is part of a word: a letter, digit or mark. "" is not."""
    return bool(char) and unicodedata.category(char)[0] in "LNM"


@dataclass(frozen=True, slots=True)
class WildcardWord:
    """A word with wildcards in the text of a query, at [start, end)."""

    start: int
    end: int
    literal: int
    """Letters before the first wildcard."""
    longest: int
    """Length of its longest run of letters."""
    narrow: bool
    """Whether the letters before the first wildcard are not ASCII. Few words begin with them, so they narrow
    a search."""
    count: int
    """Number of wildcards."""
    parted: int
    """Offset of a wildcard between letters of a script without blanks; -1 if there is none."""


def wild_words(text: str) -> Iterator[WildcardWord]:
    """Yield the words with wildcards in a word or phrase of a query."""
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
        pieces, count = _WILD_RUN.split(word), len(_WILD.findall(word))
        parted = next(
            (start + one.start() for one in _WILD_RUN.finditer(word) if _parts(word, *one.span())), -1
        )
        yield WildcardWord(
            start, end, len(pieces[0]), max(map(len, pieces)), not pieces[0].isascii(), count, parted
        )


def _parts(word: str, start: int, end: int) -> bool:
    before, after = word[:start][-1:], word[end:][:1]
    return bool(before and after and (UNSPACED.match(before) or UNSPACED.match(after)))


# --- the words of a text ----------------------------------------------------------------------------

_CHUNK = re.compile(r"[^ \n]+")
"""Text between ASCII blanks. Chunks can be folded one by one."""
_CONTINUES = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f]")
"""Letters that belong to the one before them, as marks do: vowels and finals of Korean, voicing of kana."""


class PlacedWords:
    """The words of a text in order, with their places in it."""

    def __init__(self, text: str, chunks: list[Span], words: list[str], owners: list[int]) -> None:
        self._text = text
        self._chunks = chunks
        self._words = words
        self._owners = owners
        """The chunk that each word is of."""
        self._at: dict[str, list[int]] = {}
        for number, word in enumerate(words):
            self._at.setdefault(word, []).append(number)
        self._umlauts = [word for word in self._at if plain(word) != word]
        self._cut: dict[int, list[Span]] = {}

    def places(self, word: SoughtWord) -> Iterator[int]:
        """Yield the numbers of the words that a word of a query finds."""
        for each in self._at if word.wild else self._likely(word):
            if word.matches(each):
                yield from self._at[each]

    def _likely(self, word: SoughtWord) -> Iterable[str]:
        """The words that a word without wildcards may find: itself, and all with umlauts or the like."""
        itself = (form for form in dict.fromkeys((word.plain, word.spelled)) if form in self._at)
        return (*itself, *(each for each in self._umlauts if each not in (word.plain, word.spelled)))

    def holds(self, number: int, word: SoughtWord) -> bool:
        """Whether a word of a query finds the word of that number."""
        return number < len(self._words) and word.matches(self._words[number])

    def span(self, first: int, last: int) -> Span:
        """Where the words from number `first` to `last` lie in the text: [start, end)."""
        return self._span(first)[0], self._span(last)[1]

    def _span(self, number: int) -> Span:
        owner = self._owners[number]
        if owner not in self._cut:
            self._cut[owner] = list(_spans(self._text, *self._chunks[owner]))
        return self._cut[owner][number - bisect_left(self._owners, owner)]


def placed_words(text: str, start: int, end: int) -> PlacedWords:
    """The words of text[start:end]. `text` has passed the sanitiser."""
    chunks, words, owners = list[Span](), list[str](), list[int]()
    for match in _CHUNK.finditer(text, start, end):
        found = halfway(match[0]).split()
        owners += [len(chunks)] * len(found)
        words += found
        chunks.append(match.span())
    return PlacedWords(text, chunks, words, owners)


def _spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield where the words of a chunk lie.

    Each letter is folded by itself, together with the marks behind it.
    """
    begun = last = -1
    for first, behind in _letters(text, start, end):
        parts = halfway(text[first:behind]).split(" ")
        for number, part in enumerate(parts):
            if number and begun >= 0:  # a blank ends a word
                yield begun, last
                begun = -1
            if part:
                begun, last = (first if begun < 0 else begun), behind
        if parts == [""] and begun >= 0:  # a letter that folds to nothing belongs to the word
            last = behind
    if begun >= 0:
        yield begun, last


def _letters(text: str, start: int, end: int) -> Iterator[Span]:
    first = start
    for at in range(start + 1, end):
        char = text[at]
        if char.isascii() or not (unicodedata.category(char)[0] == "M" or _CONTINUES.match(char)):
            yield first, at
            first = at
    if first < end:
        yield first, end
