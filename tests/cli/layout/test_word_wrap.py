"""Sentences are wrapped between words, and commands in them stay whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from muniment.cli.layout.word_wrap import word_lines

SENTENCE = (
    "muniment: the profile gw is not tested yet: run `muniment profile test gw` before it runs by itself"
)


def test_a_short_line_stays() -> None:
    assert word_lines("all is well", 80) == ["all is well"]


def test_further_lines_are_indented() -> None:
    assert word_lines("  one two three four five six seven", 22) == [
        "  one two three four",
        "  five six seven",
    ]
    assert word_lines("Note: one two three four five six", 28, 6) == [
        "Note: one two three four",
        "      five six",
    ]


def test_a_command_in_backticks_is_not_broken() -> None:
    lines = word_lines(SENTENCE, 60, 2)
    assert len(lines) == 2
    assert any("`muniment profile test gw`" in line for line in lines)


def test_a_word_that_is_too_long_has_a_line_of_its_own() -> None:
    address = "https://example.com/" + "a" * 90
    assert word_lines(f"see {address} for more about it", 60) == ["see", address, "for more about it"]


def test_a_narrow_terminal_wraps_nothing() -> None:
    assert word_lines("word " * 20, 30, 12) == ["word " * 20]


@given(st.text("ab漢 `-", max_size=200), st.integers(30, 90), st.integers(0, 8))
def test_words_are_never_broken_and_none_is_lost(text: str, columns: int, hang: int) -> None:
    lines = word_lines(text, columns, hang)
    assert " ".join(lines).split() == text.split()
    for line in lines:
        assert cell_len(line) <= columns or " " not in line.strip().replace("`", "") or "`" in line
