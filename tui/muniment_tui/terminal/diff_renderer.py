"""Sends the terminal only the cells that have changed: over a slow line each byte is waited for.

Textual draws the lines of a widget anew when a digit in it has changed. Here every drawing is compared with
what the terminal shows already, cell by cell, as the programs of a slower age did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

GAP = 12
"""So many cells that have not changed cost less than to go past them and set the colours again."""
Cell: TypeAlias = tuple[Any, Any]
"""What a place shows: a character and its style. Of text that does not have one cell a character, the whole
strip and the place in it."""
UNKNOWN: Cell = (None, None)


class Canvas:
    """What the terminal shows, as far as it was drawn here."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell]] = {}
        self._size: Size | None = None

    def forget(self) -> None:
        """What the terminal shows is not known any more: all that is drawn is sent."""
        self._lines.clear()

    def thrifty(self, update: CompositorUpdate) -> CompositorUpdate:
        """The same drawing, of which only the changes are sent. Once it is drawn they are remembered."""
        if isinstance(update, LayoutUpdate):
            if update.region.size != self._size:
                self.forget()
            self._size = update.region.size
            return _Changes(self, list(_all_lines(update)))
        if isinstance(update, ChopsUpdate):
            return _Changes(self, list(_spans(update)))
        return update

    def draw(self, x: int, y: int, strip: Strip, colours: ColorSystem) -> str:
        """What to send so that a strip stands at a place."""
        cells = _cells(strip)
        line = self._lines.setdefault(y, [])
        line.extend([UNKNOWN] * (x + len(cells) - len(line)))
        before = line[x : x + len(cells)]
        if before == cells:
            return ""
        line[x : x + len(cells)] = cells
        runs = _runs(before, cells)
        return "".join(
            Control.move_to(x + begin, y).segment.text + _rendered(cells[begin:end], colours)
            for begin, end in runs
        )


class _Changes(CompositorUpdate):
    """An update that sends what has changed on a canvas."""

    def __init__(self, canvas: Canvas, strips: list[tuple[int, int, Strip]]) -> None:
        self._canvas = canvas
        self._strips = strips

    def render_segments(self, console: Console) -> str:
        """What is sent."""
        colours = console._color_system or ColorSystem.TRUECOLOR
        return "".join(self._canvas.draw(x, y, strip, colours) for x, y, strip in self._strips)


def _all_lines(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, strips in enumerate(update.strips, update.region.y):
        yield update.region.x, y, Strip.join(strips)


def _spans(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """The drawn parts of lines; those that meet are one."""
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
    """From where to where cells have changed."""
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


def _rendered(cells: list[Cell], colours: ColorSystem) -> str:
    if isinstance(cells[0][0], Strip):
        cells = [(segment.text, segment.style) for segment in cells[0][0]]
    return "".join(
        Strip.render_style(style or Style.null(), "".join(map(itemgetter(0), run)), colours)
        for style, run in groupby(cells, itemgetter(1))
    )
