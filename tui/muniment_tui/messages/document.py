"""A text to be read, with its styles and parts; and how it is broken into rows of a screen."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping

from msgspec import Struct, field
from rich.cells import get_character_cell_size

from muniment_tui.messages.highlight import Span
from muniment_tui.terminal.safe_text import clean

LINE = 4_000
"""Characters of a line whose further rows can be indented."""


class Document(Struct, frozen=True):
    """Harmless text, as `Writer` makes it."""

    title: str = ""
    text: str = ""
    styles: tuple[tuple[int, int, str], ...] = ()
    """(start, end, style) in order, without overlaps."""
    regions: tuple[tuple[str, int, int], ...] = ()
    """What of it is mail: (field of the query language, start, end)."""
    sections: dict[str, int] = field(default_factory=dict)
    """Where its parts begin."""
    indents: dict[int, int] = field(default_factory=dict)
    """Cells by which the further rows of a line are indented, by where the line begins."""


class Writer:
    """Makes a document, piece by piece; every piece is made harmless."""

    def __init__(self, title: str) -> None:
        self._title = clean(title)
        self._pieces: list[str] = []
        self._styles: list[tuple[int, int, str]] = []
        self._regions: list[tuple[str, int, int]] = []
        self._sections: dict[str, int] = {}
        self._indents: dict[int, int] = {}
        self._at = 0

    def put(self, text: str, style: str = "", region: str = "", *, lines: bool = False) -> None:
        """Text; line ends stay with `lines` alone."""
        safe = clean(text, newline=lines)
        start, self._at = self._at, self._at + len(safe)
        self._pieces.append(safe)
        if style and safe:
            self._styles.append((start, self._at, style))
        if region and safe:
            self._regions.append((region, start, self._at))

    def end_line(self, count: int = 1) -> None:
        """Line ends."""
        self._pieces.append("\n" * count)
        self._at += count

    def line(self, text: str = "", style: str = "") -> None:
        """A line of its own."""
        self.put(text, style)
        self.end_line()

    def section(self, name: str) -> None:
        """A part begins here."""
        self._sections[name] = self._at

    def hang(self, cells: int) -> None:
        """Indent the further rows of the line that begins here."""
        self._indents[self._at] = cells

    def document(self) -> Document:
        """What was written."""
        return Document(
            self._title,
            "".join(self._pieces).rstrip("\n"),
            tuple(self._styles),
            tuple(self._regions),
            self._sections,
            self._indents,
        )


class Rows:
    """A text in rows of at most `width` cells, broken as far as it was asked for."""

    def __init__(self, text: str, width: int, indents: Mapping[int, int] | None = None) -> None:
        self.text = text
        self.width = max(width, 1)
        self._indents = {at: cells for at, cells in (indents or {}).items() if cells * 3 < width}
        self._starts = array("Q")
        self._ends = array("Q")
        self._more = _broken(text, self.width, self._indents)
        self.whole = False
        """Whether all of it is broken into rows."""

    def reach(self, number: int) -> None:
        """Break the text until there is a row of this number."""
        while len(self._starts) <= number and not self.whole:
            self._next()

    def reach_place(self, at: int) -> int:
        """The number of the row in which a place of the text is."""
        while not self.whole and (not self._ends or self._ends[-1] <= at):
            self._next()
        return max(bisect_right(self._starts, at) - 1, 0)

    def _next(self) -> None:
        row = next(self._more, None)
        if row is None:
            self.whole = True
        else:
            self._starts.append(row[0])
            self._ends.append(row[1])

    def row(self, number: int) -> Span | None:
        """Where a row begins and ends; None behind the last."""
        self.reach(number)
        return (self._starts[number], self._ends[number]) if number < len(self._starts) else None

    def indent(self, start: int) -> int:
        """By how many cells the row that begins at a place is indented."""
        if not self._indents:
            return 0
        before = self.text.rfind("\n", max(start - LINE, 0), start)
        far = before < 0 and start > LINE
        return 0 if far or before + 1 == start else self._indents.get(before + 1, 0)

    @property
    def height(self) -> int:
        """How many rows there are; for what is not broken yet a guess that is not too small by much."""
        known = len(self._starts)
        if self.whole:
            return known
        return known + 1 + (len(self.text) - (self._ends[-1] if known else 0)) * 2 // self.width


def _broken(text: str, width: int, indents: Mapping[int, int]) -> Iterator[Span]:
    at = 0
    while True:
        end = text.find("\n", at)
        last = end < 0
        yield from _line(text, at, len(text) if last else end, width, indents.get(at, 0))
        if last:
            return
        at = end + 1


def _line(text: str, start: int, end: int, width: int, indent: int) -> Iterator[Span]:
    """Rows of one line: broken at spaces where there are any, else anywhere."""
    while True:
        cut = _fits(text, start, end, width)
        if cut >= end:
            yield start, end
            return
        space = text.rfind(" ", start + 1, cut + 1)
        if space > start + width // 3:
            yield start, space
            start = space + 1
        else:
            yield start, cut
            start = cut
        width, indent = width - indent, 0


def _fits(text: str, start: int, end: int, width: int) -> int:
    """Where the text from `start` on no longer fits into `width` cells; at least one character does."""
    piece = text[start : min(start + width, end)]
    if piece.isascii():
        return start + len(piece)
    cells = 0
    for at in range(start, end):
        cells += get_character_cell_size(text[at])
        if cells > width:
            return max(at, start + 1)
    return end
