"""The one chart: values as bars or as a line, drawn with braille dots, two columns and four rows to a cell.

`chart` draws values as a `Content`; `ChartView` is a widget that a chart fills.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from textual.content import Content

from muniment.system.formatting import count
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import in_cells
from muniment_tui.widgets.text import TextLines

COLUMNS, ROWS = 2, 4
"""Dots of a cell."""
BLANK = 0x2800
"""The braille cell without dots, U+2800."""
DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of a cell's dots: for each column, from the lowest row to the highest."""
GAPPED = 3
"""Dots that a bar must have so that the last one is left out, to separate it from the next bar."""
LABELS = 12
"""Maximum width of the labels at the left, in cells."""
Kind: TypeAlias = Literal["bars", "line"]
Values: TypeAlias = Sequence[float | None]
"""Values to draw, oldest first. None is a value that is unknown, and leaves a gap."""


def chart(
    values: Values,
    width: int,
    height: int,
    *,
    kind: Kind = "bars",
    first: str = "",
    last: str = "",
    number: Callable[[float], str] = lambda value: count(round(value)),
    top: float = 0.0,
    style: str = "$chart",
) -> Content:
    """A chart of exactly `width` x `height` cells.

    From two rows of dots on, the largest value and 0 stand at the left. `first` and `last`, such as dates,
    take a row below the dots. A chart of one row is a sparkline: dots only.

    Args:
        values: The values, oldest first. They share the width; if there are more values than dots, each dot
            shows the largest of its values.
        width: Cells in a row.
        height: Rows, with that of the labels below.
        kind: "bars", or "line" for a quantity that has a value at any time.
        first: Label of the first value.
        last: Label of the last value.
        number: Writes a value as text.
        top: The value of full height; 0 means the largest one.
        style: Style of the dots.
    """
    if width <= 0 or height <= 0:
        return Content()
    known = [value for value in map(_plain, values) if value is not None]
    top = top if top > 0 and math.isfinite(top) else max(known, default=0.0)
    below = bool(first or last) and height >= 2
    rows = height - below
    labels = _labels(number(top), number(0), rows, width) if top else [""] * rows
    indent = max(map(len, labels), default=0)
    drawn = _lines([_plain(value) for value in values], width - indent, rows, top, kind)
    lines = [
        joined((label.rjust(indent), "$secondary"), (dots, style))
        for label, dots in zip(labels, drawn, strict=True)
    ]
    if below:
        lines.append(joined((" " * indent, ""), _ends(first, last, width - indent)))
    return Content("\n").join(lines)


def _plain(value: float | None) -> float | None:
    """A value that can be drawn: None for what is no number, and 0 for less than nothing."""
    if value is None or math.isnan(value):
        return None
    return min(max(value, 0.0), 1e300)


def _labels(most: str, least: str, rows: int, width: int) -> list[str]:
    """What is at the left of each row. Nothing, if that would take half of the width."""
    wide = max(len(most), len(least)) + 1
    if rows < 2 or wide > min(LABELS, width // 2):
        return [""] * rows
    return [f"{most} ", *[""] * (rows - 2), f"{least} "]


def _ends(first: str, last: str, width: int) -> Content:
    """The labels of the first and the last value, at both ends of a row. The last one goes first if there is
    not room for both."""
    end = shown(last)
    begin = shown(first)
    if begin.cell_length + end.cell_length + 1 > width:
        return in_cells(end, width, right=True).stylize("$secondary")
    room = width - end.cell_length
    return Content.assemble(in_cells(begin, room), end).stylize("$secondary")


def _lines(values: Values, width: int, rows: int, top: float, kind: Kind) -> list[str]:
    """The dots, row by row from the top."""
    cells = [[0] * width for _ in range(rows)]
    if values and top > 0 and width > 0:
        high = rows * ROWS
        if kind == "bars":
            spans = _bars(_heights(values, width * COLUMNS, high, top), width * COLUMNS)
        else:
            spans = _line(_heights(values, width * COLUMNS, high, top), width * COLUMNS)
        for column, low, up in spans:
            for dot in range(low, up):
                cells[rows - 1 - dot // ROWS][column // COLUMNS] |= DOTS[column % COLUMNS][dot % ROWS]
    return ["".join(chr(BLANK + cell) if cell else " " for cell in row) for row in cells]


def _heights(values: Values, columns: int, high: int, top: float) -> list[int | None]:
    """The height of each value in dots, of at most `columns` values. What is more than nothing has a dot."""
    if len(values) > columns:
        shares = [
            values[at * len(values) // columns : (at + 1) * len(values) // columns] for at in range(columns)
        ]
        values = [max((v for v in share if v is not None), default=None) for share in shares]
    return [
        None if value is None else min(max(round(value / top * high), 1 if value > 0 else 0), high)
        for value in values
    ]


def _bars(heights: list[int | None], columns: int) -> Iterable[tuple[int, int, int]]:
    """The dots of bars, as (column, from, to). Bars share the columns."""
    for at, height in enumerate(heights):
        begin, end = at * columns // len(heights), (at + 1) * columns // len(heights)
        if columns // len(heights) >= GAPPED:
            end -= 1
        for column in range(begin, end):
            yield column, 0, height or 0


def _line(heights: list[int | None], columns: int) -> Iterable[tuple[int, int, int]]:
    """The dots of a line, as (column, from, to). A step is a vertical stroke."""
    before: int | None = None
    for column in range(columns):
        height = heights[column * len(heights) // columns]
        if height is not None:
            dot = max(height - 1, 0)
            start = dot if before is None else before
            yield column, min(dot, start + 1), max(dot + 1, start)
            before = dot
        else:
            before = None


class ChartView(TextLines):
    """A chart that fills its place."""

    DEFAULT_CSS = "ChartView { height: 1fr; min-height: 1; text-wrap: nowrap; }"

    def __init__(
        self,
        *,
        kind: Kind = "bars",
        number: Callable[[float], str] = lambda value: count(round(value)),
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`number` writes a value as text."""
        super().__init__(id=id, classes=classes)
        self._kind: Kind = kind
        self._number = number
        self._shown: tuple[Values, str, str] = ((), "", "")

    def show(self, values: Values, first: str = "", last: str = "") -> None:
        """Draw other values, oldest first. `first` and `last` are the labels of the ends."""
        self._shown = (tuple(values), first, last)
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        values, first, last = self._shown
        width, height = self.content_size
        self.say(chart(values, width, height, kind=self._kind, first=first, last=last, number=self._number))
