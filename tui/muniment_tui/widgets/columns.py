"""Columns of a list: their widths, and which are hidden on a narrow screen."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from textual.content import Content

GAP = 2
"""Cells between two columns."""


class ListColumn(Struct, frozen=True):
    """A column of a list."""

    title: str
    width: int = 0
    """Width in cells. Columns with 0 share the remaining width in proportion to `share`."""
    share: int = 1
    right: bool = False
    since: int = 0
    """The minimum width of the list, in cells, at which the column is shown."""


def laid_out(columns: Sequence[ListColumn], width: int) -> list[tuple[int, ListColumn, int]]:
    """The columns that fit into a list of `width` cells, as (number, column, cells)."""
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
    """`content` padded or cut to exactly `cells` cells. Cut text ends in "…"."""
    if cells <= 0:
        return Content()
    content = content.truncate(cells, ellipsis=True)
    missing = cells - content.cell_length
    if missing <= 0:
        return content
    return content.pad_left(missing) if right else content.pad_right(missing)
