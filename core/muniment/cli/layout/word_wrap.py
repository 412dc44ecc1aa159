"""Sentences wrapped at words, so that a terminal breaks none of them in the middle."""

from __future__ import annotations

import re

NARROWEST = 20
"""Columns below which nothing is wrapped."""
_WORD = re.compile(r"(?:`[^`\s][^`]{0,60}`|\S)+")
"""A word; a command in backticks stays in one piece, so that it can be copied."""


def word_lines(text: str, columns: int, hang: int | None = None) -> list[str]:
    """The lines of a text that has no line end of its own.

    Args:
        text: Harmless text. Its blanks at the beginning stay.
        columns: The cells of a line. A longer word has a line of its own, which the terminal breaks.
        hang: Blanks before each line but the first; None for as many as the text begins with.

    Returns:
        At least one line.
    """
    from rich.cells import cell_len

    room = columns - (len(text) - len(text.lstrip(" ")) if hang is None else hang)
    if room < NARROWEST or cell_len(text) <= columns:
        return [text]
    before = " " * (columns - room)
    lines, line, end = [], "", 0
    for found in _WORD.finditer(text):
        grown = line + text[end : found.end()]
        if line.strip() and cell_len(grown) > columns:
            lines.append(line.rstrip())
            grown = before + found[0]
        line, end = grown, found.end()
    return [*lines, line]
