"""The keys that a terminal sends, also over a slow connection."""

from __future__ import annotations

import pytest
from textual import events

from muniment_tui.terminal.driver import EscapeParser


def keys(*chunks: str) -> list[str]:
    """The keys of what a terminal sends, chunk by chunk, without a pause."""
    parser = EscapeParser()
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    return [event.key for event in [*found, *parser.feed("")] if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    ("sent", "pressed"),
    [
        ("\x1bj", ["escape", "j"]),
        ("\x1b1", ["escape", "1"]),
        ("\x1bf", ["escape", "f"]),
        ("\x1bG", ["escape", "G"]),
        ("\x1b/", ["escape", "slash"]),
        ("\x1b:", ["escape", "colon"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b\t", ["escape", "tab"]),
        ("\x1b ", ["escape", "space"]),
        ("\x1b\x1b", ["escape", "escape"]),
        ("\x1bjk", ["escape", "j", "k"]),
        ("\x1b\x1b[B", ["escape", "down"]),
        ("\x1bé", ["escape", "é"]),
        ("\x1b[B", ["down"]),
        ("\x1bOP", ["f1"]),
        ("\x1b\x7f", ["ctrl+w"]),
        ("\x1b[1;5D", ["ctrl+left"]),
        ("j", ["j"]),
    ],
)
def test_escape_and_the_next_key_are_two_keys(sent: str, pressed: list[str]) -> None:
    assert keys(sent) == pressed
    assert keys(*sent) == pressed


def test_escape_alone_and_half_a_sequence_lose_nothing() -> None:
    assert keys("\x1b") == ["escape"]
    assert keys("\x1bO") == ["escape", "O"]
    assert keys("\x1b[") == ["escape", "left_square_bracket"]


def test_what_a_terminal_answers_is_no_key() -> None:
    parser = EscapeParser()
    found = list(parser.feed("\x1b[12;40R\x1b[?2026;2$y\x1b[<0;3;4M"))
    assert [type(event).__name__ for event in found] == [
        "CursorPosition",
        "TerminalSupportsSynchronizedOutput",
        "MouseDown",
    ]
