"""Sends the terminal only the cells that have changed, to save bytes on a slow connection.

Textual redraws whole lines of a widget when one digit in it has changed. This renderer compares every drawing
with what the terminal already shows, cell by cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from rich.cells import get_character_cell_size
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from muniment_tui.terminal.colours import ColourDepth, TerminalPen, codes_of

BLANKS = re.compile(" {12,}")
"""Blanks that are erased, which takes fewer bytes than to write them."""
GAP = 12
"""Up to this many unchanged cells are sent again, since skipping them and setting the colours again costs
more."""
Cell: TypeAlias = tuple[Any, Any]
"""The content of a cell: a character and its style. For text with characters that are not one cell wide,
the whole strip and the position in it."""
UNKNOWN: Cell = (None, None)


class TerminalCanvas:
    """What the terminal shows, as far as the app has drawn it."""

    def __init__(self, depth: ColourDepth, erases: bool = False) -> None:
        """`depth` says which colours the terminal has, `erases` whether erased cells take the set colour."""
        self._depth = depth
        self._erases = erases
        self._lines: dict[int, list[Cell]] = {}
        self._size: Size | None = None

    def forget(self) -> None:
        """Treat the terminal's content as unknown, so that everything is sent again."""
        self._lines.clear()

    def changes_only(self, update: CompositorUpdate) -> CompositorUpdate:
        """The same update, reduced to the cells that changed. The canvas remembers them when it is drawn."""
        if isinstance(update, LayoutUpdate):
            if update.region.size != self._size:
                self.forget()
            self._size = update.region.size
            return _Changes(self, list(_all_lines(update)))
        if isinstance(update, ChopsUpdate):
            return _Changes(self, list(_spans(update)))
        return update

    @property
    def pen(self) -> TerminalPen:
        """A pen for one update, which ends with its `lift`."""
        return TerminalPen(self._depth)

    def draw(self, x: int, y: int, strip: Strip, pen: TerminalPen) -> str:
        """The output that shows a strip at a position; "" if the terminal already shows it."""
        cells = _cells(strip)
        line = self._lines.setdefault(y, [])
        line.extend([UNKNOWN] * (x + len(cells) - len(line)))
        before = line[x : x + len(cells)]
        if before == cells:
            return ""
        line[x : x + len(cells)] = cells
        runs = _runs(before, cells)
        return "".join(
            Control.move_to(x + begin, y).segment.text + self._rendered(cells[begin:end], pen)
            for begin, end in runs
        )

    def _rendered(self, cells: list[Cell], pen: TerminalPen) -> str:
        """The output of cells, from where the terminal's cursor is."""
        if isinstance(cells[0][0], Strip):
            cells = [(segment.text, segment.style) for segment in cells[0][0]]
        pieces = []
        for style, run in groupby(cells, itemgetter(1)):
            text = "".join(map(itemgetter(0), run))
            blank = text.isspace()
            if self._erases and (style is None or codes_of(style, self._depth).plain):
                text = BLANKS.sub(_erased, text)
            pieces.append(pen.write(text, style, blank=blank))
        return "".join(pieces)


class _Changes(CompositorUpdate):
    """An update that sends the changes against a canvas."""

    def __init__(self, canvas: TerminalCanvas, strips: list[tuple[int, int, Strip]]) -> None:
        self._canvas = canvas
        self._strips = strips

    def render_segments(self, console: Console) -> str:
        pen = self._canvas.pen
        return "".join(self._canvas.draw(x, y, strip, pen) for x, y, strip in self._strips) + pen.lift()


def _all_lines(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield update.region.x, y, Strip.join(strips)


def _spans(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """The drawn parts of each line, adjacent parts joined."""
    for y, left, right in update.spans:
        begin, parts = left, list[Strip]()
        for x, strip in _parts(update, y, left, right):
            if parts and x != begin + sum(part.cell_length for part in parts):
                yield begin, y, Strip.join(parts)
                parts = []
            begin = begin if parts else x
            parts.append(strip)
        if parts:
            yield begin, y, Strip.join(parts)


def _parts(update: ChopsUpdate, y: int, left: int, right: int) -> Iterator[tuple[int, Strip]]:
    for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
        begin, stop = max(x, left), min(end, right)
        if strip is not None and begin < stop:
            yield begin, strip.crop(begin - x, stop - x)


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for segment in strip:
        text, style = segment.text, segment.style
        if not text.isascii() and any(get_character_cell_size(char) != 1 for char in text):
            return [(strip, place) for place in range(strip.cell_length)]
        cells += [(char, style) for char in text]
    return cells


def _runs(before: list[Cell], cells: list[Cell]) -> Iterable[tuple[int, int]]:
    """The ranges of cells that have changed, as (start, end)."""
    if isinstance(cells[0][0], Strip):
        return [(0, len(cells))]
    runs: list[tuple[int, int]] = []
    for place, (old, new) in enumerate(zip(before, cells, strict=True)):
        if old == new:
            continue
        if runs and place - runs[-1][1] <= GAP:
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    return runs


def _erased(blanks: re.Match[str]) -> str:
    """Erase as many cells (ECH), and go on after them (CUF)."""
    number = len(blanks[0])
    return f"\x1b[{number}X\x1b[{number}C"
