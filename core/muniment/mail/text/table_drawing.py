"""Draws a table of HTML as aligned columns of text.

A table that holds other tables, or whose words do not fit into the width, is most likely a layout. `drawn`
then gives nothing, and its cells are shown one below the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from muniment.mail.text.drawn_line import FIXED, HEADING, DrawnLine

COLUMNS = 30
"""Most columns of a table that is drawn."""
SPAN = 20
"""Largest number of columns or rows that a cell may span."""
TALL = 8
"""Most lines of a cell. A cell with more is text in a layout."""
GAP = "  "
_NUMBER = 20
"""Most characters of a number with a unit."""
_LETTERS = 3
"""Most letters of a number with a unit, such as `12 EUR`."""


class TableCell:
    """One cell: its lines, and its place in its table."""

    __slots__ = ("columns", "head", "holds_table", "lines", "rows")

    def __init__(self, columns: int = 1, rows: int = 1, head: bool = False) -> None:
        self.lines: list[DrawnLine] = []
        self.columns = min(max(columns, 1), SPAN)
        self.rows = min(max(rows, 1), SPAN)
        self.head = head
        self.holds_table = False


def cells_of(text: str) -> int:
    """Width of a text on a terminal, in cells."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text
    )


def drawn(rows: Sequence[Sequence[TableCell]], width: int) -> list[DrawnLine]:
    """The lines of a table of at most `width` cells; none if it is not drawn as columns."""
    if any(cell.holds_table or _fixed(cell) for row in rows for cell in row):
        return []
    filled = [(row, _is_head(cells)) for row, cells in zip(_grid(rows), rows, strict=False) if any(row)]
    grid, heads = [row for row, _ in filled], [head for _, head in filled]
    used = [at for at in range(max(map(len, grid), default=0)) if any(_at(row, at) for row in grid)]
    if not 2 <= len(used) <= COLUMNS:
        return []
    table = [[_at(row, at) for at in used] for row in grid]
    columns = _widths(table, width)
    if not columns:
        return []
    return list(_lines(table, columns, heads))


def _is_head(cells: Sequence[TableCell]) -> bool:
    """Whether a row has the titles of columns: all its cells are heads."""
    return bool(cells) and all(cell.head for cell in cells)


def _fixed(cell: TableCell) -> bool:
    return any(line.kind == FIXED for line in cell.lines)


def _grid(rows: Sequence[Sequence[TableCell]]) -> list[list[list[str]]]:
    """The texts of the cells in their columns. A cell that spans several is in the first of them."""
    grid: list[list[list[str]]] = []
    taken: dict[int, int] = {}
    for row in rows:
        texts: list[list[str]] = []
        for cell in row:
            while taken.get(len(texts), 0):
                texts.append([])
            at = len(texts)
            texts += [[line.text for line in cell.lines if line.text], *([[]] * (cell.columns - 1))]
            if cell.rows > 1:
                taken.update(dict.fromkeys(range(at, len(texts)), cell.rows))
            if len(texts) > COLUMNS * 2:
                return []
        grid.append(texts)
        taken = {at: left - 1 for at, left in taken.items() if left > 1}
    return grid


def _at(row: Sequence[list[str]], column: int) -> list[str]:
    return row[column] if column < len(row) else []


def _alone(row: Sequence[list[str]]) -> bool:
    """Whether a row has a text in its first column only, such as the title of a table."""
    return bool(row[0]) and not any(row[1:])


def _widths(table: Sequence[Sequence[list[str]]], width: int) -> list[int]:
    """The width of each column; [] if the words do not fit."""
    room = width - len(GAP) * (len(table[0]) - 1)
    rows = [row for row in table if not _alone(row)]
    natural = [_widest(row[at] for row in rows) for at in range(len(table[0]))]
    if sum(natural) <= room:
        return natural
    least = [_widest(map(_unbroken, _joined(row[at] for row in rows))) for at in range(len(table[0]))]
    spare = room - sum(least)
    if spare < 0 or len(rows) < 2:
        return []
    wanted = sum(natural) - sum(least)
    widths = [low + (high - low) * spare // wanted for low, high in zip(least, natural, strict=True)]
    tall = any(_height(cell, widths[at]) > TALL for row in rows for at, cell in enumerate(row))
    return [] if tall else widths


def _widest(cells: Iterator[list[str]] | map[list[str]]) -> int:
    return max((cells_of(text) for cell in cells for text in cell), default=0)


def _unbroken(text: str) -> list[str]:
    """The pieces of a text that stay on one line: its words, or all of a number with its unit."""
    return [text] if len(text) <= _NUMBER and _is_number(text) else text.split()


def _joined(cells: Iterator[list[str]]) -> Iterator[str]:
    return (text for cell in cells for text in cell)


def _height(cell: list[str], width: int) -> int:
    return sum(1 for text in cell for _ in wrapped(text, width))


def wrapped(text: str, width: int) -> Iterator[str]:
    """The lines of a text that is divided at blanks; a longer word has a line of its own."""
    line: list[str] = []
    used = 0
    for word in text.split():
        size = cells_of(word)
        if line and used + 1 + size > width:
            yield " ".join(line)
            line, used = [], 0
        used += size + (1 if line else 0)
        line.append(word)
    if line:
        yield " ".join(line)


def _lines(
    table: Sequence[Sequence[list[str]]], widths: Sequence[int], heads: Sequence[bool]
) -> Iterator[DrawnLine]:
    body = [row for row, head in zip(table, heads, strict=True) if not head]
    right = [_is_column_of_numbers(body, at) for at in range(len(widths))]
    followed = [*(not head for head in heads[1:]), False]
    for row, head, before_body in zip(table, heads, followed, strict=True):
        kind = HEADING if head else FIXED
        if _alone(row):
            yield from (DrawnLine(text, kind) for text in row[0])
            continue
        cells = [
            [one for text in cell for one in wrapped(text, width)]
            for cell, width in zip(row, widths, strict=True)
        ]
        for at in range(max(map(len, cells))):
            texts = [cell[at] if at < len(cell) else "" for cell in cells]
            yield DrawnLine(_row(texts, widths, right), kind)
        if head and before_body:
            yield DrawnLine(GAP.join("─" * width for width in widths), FIXED)


def _row(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, number in zip(texts, widths, right, strict=True):
        blank = " " * (width - cells_of(text))
        padded.append(blank + text if number else text + blank)
    return GAP.join(padded).rstrip()


def _is_column_of_numbers(body: Sequence[Sequence[list[str]]], at: int) -> bool:
    texts = [text for row in body if not _alone(row) for text in row[at]]
    return bool(texts) and all(map(_is_number, texts))


def _is_number(text: str) -> bool:
    return any(map(str.isdigit, text)) and sum(map(str.isalpha, text)) <= _LETTERS
