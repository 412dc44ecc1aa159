"""Tables of text without rules: as wide as their cells, or as the terminal if that is narrower."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

GAP = 2
"""Blanks between two columns."""
SHARE = 0.3
"""The part of the terminal that a column with `fill` gets before the others are cut below their `most`."""
NARROW = 0.6
"""The part of its `most` that a column keeps as long as the table fits."""
NARROWEST = 3
"""Cells that a column keeps in a terminal that is too narrow for the table."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    title: str
    right: bool = False
    """Whether its cells are aligned to the right."""
    fill: bool = False
    """Whether it takes the width that the other columns leave."""
    most: int | None = None
    """The width to which it is cut first if the terminal is too narrow; None if it is cut last."""


def table_lines(
    columns: Sequence[TableColumn], rows: Iterable[Sequence[str]], room: int | None
) -> Iterator[str]:
    """The lines of a table, the titles first.

    Args:
        columns: The columns.
        rows: The cells of each line, which are harmless.
        room: The width of the terminal; None if nothing is to be cut.

    Yields:
        Lines without blanks at their end. Cells that are cut end with an ellipsis.
    """
    from rich.cells import cell_len

    kept = [tuple(row) for row in rows]
    titles = tuple(column.title for column in columns)
    wanted = [max(map(cell_len, cells)) for cells in zip(titles, *kept, strict=True)]
    widths = wanted if room is None else fitted_widths(columns, wanted, room)
    for row in (titles, *kept):
        cells = (_cell(*one) for one in zip(row, widths, columns, strict=True))
        yield (" " * GAP).join(cells).rstrip()


def fitted_widths(columns: Sequence[TableColumn], wanted: Sequence[int], room: int) -> list[int]:
    """The widths of columns that fit into `room` cells; `wanted` are the widths of their longest cells."""
    widths = list(wanted)
    cells = room - GAP * (len(columns) - 1)
    filling = [place for place, column in enumerate(columns) if column.fill]
    for place in filling:
        widths[place] = min(wanted[place], int(cells * SHARE))
    most = {place: column.most for place, column in enumerate(columns) if column.most and not column.fill}
    _cut(widths, most, cells)
    _cut(widths, {place: int(width * NARROW) for place, width in most.items()}, cells)
    for place in filling:
        left = cells - sum(widths) + widths[place]
        widths[place] = max(min(wanted[place], left), min(wanted[place], NARROWEST))
    _cut(widths, dict.fromkeys(range(len(columns)), NARROWEST), cells)
    return widths


def _cut(widths: list[int], least: dict[int, int], cells: int) -> None:
    """Narrow columns one cell at a time, the widest first, until all fit or no column is above its least."""
    while sum(widths) > cells:
        above = [place for place, width in least.items() if widths[place] > width]
        if not above:
            return
        widths[max(above, key=lambda place: widths[place])] -= 1


def _cell(text: str, width: int, column: TableColumn) -> str:
    from rich.cells import cell_len, set_cell_size

    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if column.right else text + blanks
