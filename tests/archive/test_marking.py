"""The words and phrases of a query that are highlighted."""

from __future__ import annotations

import pytest

from muniment.archive.query import PhraseTerm, PrefixTerm, WordTerm, parse
from muniment.archive.query.highlight import highlight_terms


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ()),
        ("red red car", (WordTerm("red"), WordTerm("car"))),
        ('"red car" -blue', (PhraseTerm("red car"),)),
        ("(a OR subject:bell*c) NOT (c OR d)", (WordTerm("a"), WordTerm("bell*c", "subject"))),
        ("invoi* before:2024", (PrefixTerm("invoi"),)),
        ("from:anna has:attachment in:inbox user:bob", (WordTerm("anna", "from"),)),
    ],
)
def test_words_and_phrases_that_are_not_negated_are_highlighted(
    query: str, found: tuple[object, ...]
) -> None:
    assert highlight_terms(parse(query)) == found
