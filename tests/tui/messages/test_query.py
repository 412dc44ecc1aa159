"""The query that runs while the user types."""

from __future__ import annotations

import pytest

from muniment_tui.messages.query import prefix_query


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("invo", "invo*"),
        ("from:ada invo", "from:ada invo*"),
        ("(red OR blu", "(red OR blu*"),
        ("größ", "größ*"),
        ("in", "in"),  # nearly all mail has words with this beginning
        ("invoice ", "invoice"),
        ("invo*", "invo*"),
        ('"red ca', '"red ca'),
        ('"red car" ligh', '"red car" ligh*'),
        ("from:ad", "from:ad"),
        ("red not", "red not"),
        ("-spam", "-spam"),
        ("ada@example.com", "ada@example.com"),
        ("", ""),
    ],
)
def test_the_last_word_also_finds_longer_words(typed: str, query: str) -> None:
    assert prefix_query(typed) == query
