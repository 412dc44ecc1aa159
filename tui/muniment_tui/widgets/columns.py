"""Columns of a list: how wide each is, and which are left out where there is no room."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual.content import Content

GAP = 2
"""Cells between two columns."""


class Column(Struct, frozen=True):
    """A column of a list."""

    title: str
    width: int = 0
    """Cells; 0 for one that shares what the others leave, by `share`."""
    share: int = 1
    right: bool = False
    since: int = 0
    """The width of the list from which on it is shown."""


def laid_out(columns: Sequence[Column], width: int) -> list[tuple[int, Column, int]]:
    """The columns that a list of `width` cells has room for: (number, column, cells)."""
    shown = [(number, column) for number, column in enumerate(columns) if column.since <= width]
    fixed = sum(column.width for _, column in shown) + GAP * max(len(shown) - 1, 0)
    shares = sum(column.share for _, column in shown if not column.width)
    rest = max(width - fixed, 0)
    result = []
    for number, column in shown:
        cells = column.width
        if not cells:
            cells = rest * column.share // shares
            rest, shares = rest - cells, shares - column.share
        result.append((number, column, cells))
    return result


def in_cells(content: Content, cells: int, right: bool = False) -> Content:
    """`content` in exactly so many cells; what is too long ends in "…"."""
    if cells <= 0:
        return Content()
    content = content.truncate(cells, ellipsis=True)
    missing = cells - content.cell_length
    if missing <= 0:
        return content
    return content.pad_left(missing) if right else content.pad_right(missing)
