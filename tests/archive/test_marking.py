"""The words and phrases of a query that are highlighted."""

from __future__ import annotations

import pytest

from muniment.archive.query import Phrase, Prefix, Word, parse
from muniment.archive.query.highlight import highlight_terms


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ()),
        ("red red car", (Word("red"), Word("car"))),
        ('"red car" -blue', (Phrase("red car"),)),
        ("(a OR subject:bell*c) NOT (c OR d)", (Word("a"), Word("bell*c", "subject"))),
        ("invoi* before:2024", (Prefix("invoi"),)),
        ("from:anna has:attachment in:inbox user:bob", (Word("anna", "from"),)),
    ],
)
def test_words_and_phrases_that_are_not_negated_are_highlighted(
    query: str, found: tuple[object, ...]
) -> None:
    assert highlight_terms(parse(query)) == found
