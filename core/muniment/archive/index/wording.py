"""Makes the index library's queries for words and phrases.

Words with umlauts have two spellings (mail/text/folding.py). A field holds the plain spelling of each word,
without umlauts, and the field `spelled` holds words with an umlaut written out. So a single word is found
exactly. A phrase needs positions, which `spelled` does not have. So it is found by the plain spellings that
its words can have, among messages that have each of its words exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, groupby, product
from math import prod

from tantivy import Query

from muniment.archive.index.document import SPELLED_FIELD, spelled_term
from muniment.archive.index.queries import SCHEMA, all_of, any_of
from muniment.mail.text.folding import DIGRAPHS
from muniment.mail.text.words import SoughtWord, pattern_of

PHRASES = 8
"""Most spellings of a phrase that are searched one by one; with more, patterns are used."""
_COLLAPSED = 3
"""Most letter pairs in a word that are tried separately as umlauts; with more, all or none are umlauts."""
_DIGRAPH = re.compile("|".join(sorted(DIGRAPHS)))


Weigh = Callable[[Query, str], Query]
"""Takes a query on a field and the field's name, and returns the query with its weight."""


def as_scored(found: Query, field: str) -> Query:
    """Return the query with the weight that the library gives it."""
    return found


def find_words(
    words: Sequence[SoughtWord], fields: Sequence[str], weigh: Weigh = as_scored, *, everywhere: bool = False
) -> Query:
    """Make a query for words in a row, in one of the fields.

    Args:
        words: The words, in order; none finds nothing.
        fields: The fields to search.
        weigh: Gives the query on a field its weight.
        everywhere: Whether a word with wildcards in a phrase may be anywhere in a field that has the
            words beside it as phrases. Otherwise the library refuses a pattern that matches too many words
            of all mail.
    """
    if not words:
        return Query.empty_query()
    if len(words) == 1:
        return _word(words[0], fields, weigh)
    return any_of(weigh(_phrase(words, field, everywhere), field) for field in fields)


def _phrase(words: Sequence[SoughtWord], field: str, everywhere: bool) -> Query:
    if any(word.wild for word in words):
        if everywhere:
            return all_of(find_words(part, [field]) for part in _parted(words))
        return _exactly(_patterns([_pattern(word) for word in words], field), words, field)
    forms = [_plain_forms(word) for word in words]
    if prod(map(len, forms)) <= PHRASES:
        found = any_of(Query.phrase_query(SCHEMA, field, list(phrase)) for phrase in product(*forms))
    else:
        found = _patterns(["|".join(map(re.escape, each)) for each in forms], field)
    return _exactly(found, words, field)


def _parted(words: Sequence[SoughtWord]) -> Iterator[list[SoughtWord]]:
    """Split a phrase into single words with wildcards and phrases without."""
    for wild, part in groupby(words, lambda word: word.wild):
        if wild:
            yield from ([word] for word in part)
        else:
            yield list(part)


def _word(word: SoughtWord, fields: Sequence[str], weigh: Weigh = as_scored) -> Query:
    """Make a query for one word, in both spellings."""
    forms = dict.fromkeys((word.plain, word.spelled))
    found = [weigh(_form(field, form, word.wild), field) for field in fields for form in forms]
    if word.wild:
        pattern = f"({'|'.join(fields)}):{pattern_of(word.spelled)}"
        found.append(Query.regex_query(SCHEMA, SPELLED_FIELD, pattern))
    elif _DIGRAPH.search(word.spelled):
        terms = (spelled_term(field, word.spelled) for field in fields)
        found += (Query.term_query(SCHEMA, SPELLED_FIELD, term, "basic") for term in terms)
    return any_of(found)


def _form(field: str, form: str, wild: bool) -> Query:
    if wild:
        return Query.regex_query(SCHEMA, field, pattern_of(form))
    return Query.term_query(SCHEMA, field, form, "freq")


def _patterns(patterns: Iterable[str], field: str) -> Query:
    return Query.regex_phrase_query(SCHEMA, field, list(patterns))


def _exactly(found: Query, words: Sequence[SoughtWord], field: str) -> Query:
    """Restrict `found` to messages that have exactly each word which may be one with an umlaut."""
    doubtful = dict.fromkeys(word for word in words if _DIGRAPH.search(word.spelled))
    if not doubtful:
        return found
    return all_of([found, *(Query.const_score_query(_word(word, [field]), 0.0) for word in doubtful)])


@lru_cache(maxsize=256)
def _plain_forms(word: SoughtWord) -> tuple[str, ...]:
    """Return the plain spellings that a word can have: its own, written out, and with umlauts for pairs."""
    forms = dict.fromkeys((word.plain, word.spelled))
    at = [match.start() for match in _DIGRAPH.finditer(word.spelled)]
    counts = range(1, len(at) + 1) if len(at) <= _COLLAPSED else (len(at),)
    for count in counts:
        for places in combinations(at, count):
            forms[_collapsed(word.spelled, places)] = None
    return tuple(forms)


def _collapsed(written: str, places: Sequence[int]) -> str:
    """Remove the second letter of each letter pair at these positions."""
    return "".join(char for at, char in enumerate(written) if at - 1 not in places)


def _pattern(word: SoughtWord) -> str:
    """Return a pattern for the plain spellings that a word can have."""
    written = _DIGRAPH.sub(lambda pair: f"{pair[0][0]}({pair[0][1]})?", pattern_of(word.spelled))
    return "|".join(dict.fromkeys((pattern_of(word.plain), written)))
