"""What of a query is marked in text."""

from __future__ import annotations

import pytest

from muniment.archive.query import Phrase, Prefix, Word, parse
from muniment.archive.query.highlight import sought


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
def test_what_a_message_may_have_been_found_by(query: str, found: tuple[object, ...]) -> None:
    assert sought(parse(query)) == found
