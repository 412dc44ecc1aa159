"""Facts as lines: a label, and beside it a value whose further lines are below its first one."""

from __future__ import annotations

from textual.content import Content

from muniment_tui.terminal.safe_text import joined, shown

LABEL = 12
"""Usual width of the labels, in cells."""
NARROWEST = 16
"""Smallest width of a value, in cells. A pane may have no size yet."""


def fact(label: str | Content, value: Content, width: int, label_width: int = LABEL) -> Content:
    """A label and its value, wrapped to `width` cells. A label that is a `str` gets the style of labels."""
    head = shown(label, "$secondary") if isinstance(label, str) else label
    first, *more = value.wrap(max(width - label_width, NARROWEST)) or [Content()]
    lines = [joined(head.pad_right(max(label_width - head.cell_length, 0)), first)]
    return Content("\n").join([*lines, *(joined((" " * label_width, ""), line) for line in more)])
