"""What is searched for while one types."""

from __future__ import annotations

import pytest

from muniment_tui.messages.query import begun


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("invo", "invo*"),
        ("from:ada invo", "from:ada invo*"),
        ("(red OR blu", "(red OR blu*"),
        ("größ", "größ*"),
        ("in", "in"),  # nearly all mail has such words
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
def test_the_last_word_may_go_on(typed: str, query: str) -> None:
    assert begun(typed) == query
