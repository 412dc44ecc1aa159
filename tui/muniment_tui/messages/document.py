"""A text to read, with styles and sections, and its division into rows of the screen."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct, field
from rich.cells import get_character_cell_size

from muniment_tui.messages.highlight import Span
from muniment_tui.terminal.safe_text import clean

DRAWN = {
    "heading": "bold",
    "target": "$primary",
    "quote1": "$secondary",
    "quote2": "$secondary italic",
    "quote3": "$secondary italic",
    "signature": "$secondary",
}
"""Styles of the kinds of spans in the text of a mail (see `api.Message.styles`)."""
HANGING = 20_000
"""Maximum number of lines whose further rows are indented."""
_HANGING = re.compile(r"^(?:(?:> ?){1,50}| {0,40}(?:•|[0-9]{1,6}\.) )", re.MULTILINE)
"""The beginning of a quoted line, and of an item of a list."""
LINE = 4_000
"""Maximum number of characters in a line whose further rows are indented."""


class TextDocument(Struct, frozen=True):
    """A harmless text. `DocumentWriter` makes it."""

    title: str = ""
    text: str = ""
    styles: tuple[tuple[int, int, str], ...] = ()
    """(start, end, style) in order, without overlaps."""
    regions: tuple[tuple[str, int, int], ...] = ()
    """The parts of the text that come from mail: (field of the query language, start, end)."""
    sections: dict[str, int] = field(default_factory=dict)
    """The start of each section, by its name."""
    indents: dict[int, int] = field(default_factory=dict)
    """Indentation of a line's further rows in cells, by the start of the line."""


class DocumentWriter:
    """Builds a document from pieces. Every piece is made harmless."""

    def __init__(self, title: str) -> None:
        self._title = clean(title)
        self._pieces: list[str] = []
        self._styles: list[tuple[int, int, str]] = []
        self._regions: list[tuple[str, int, int]] = []
        self._sections: dict[str, int] = {}
        self._indents: dict[int, int] = {}
        self._at = 0

    def put(self, text: str, style: str = "", region: str = "", *, lines: bool = False) -> None:
        """Append text. Line ends are kept only if `lines` is true."""
        safe = clean(text, newline=lines)
        start, self._at = self._at, self._at + len(safe)
        self._pieces.append(safe)
        if style and safe:
            self._styles.append((start, self._at, style))
        if region and safe:
            if self._regions and self._regions[-1][0] == region and self._regions[-1][2] == start:
                start = self._regions.pop()[1]
            self._regions.append((region, start, self._at))

    def put_drawn(self, text: str, styles: Sequence[tuple[int, int, str]]) -> None:
        """Append the text of a mail, with (start, end, kind) of its styled spans (see `api.Message`).

        Rows of a quote and of a list are indented like its text.
        """
        at = 0
        for start, end, kind in styles:
            if kind in DRAWN and at <= start < end <= len(text):
                self._put_lines(text[at:start])
                self._put_lines(text[start:end], DRAWN[kind], "link" if kind == "target" else "body")
                at = end
        self._put_lines(text[at:])

    def _put_lines(self, text: str, style: str = "", region: str = "body") -> None:
        start = self._at
        self.put(text, style, region, lines=True)
        if self._pieces[-1] == text:  # else places have moved
            for begin in islice(_HANGING.finditer(text), max(HANGING - len(self._indents), 0)):
                self._indents[start + begin.start()] = len(begin[0])

    def end_line(self, count: int = 1) -> None:
        """Append line ends."""
        self._pieces.append("\n" * count)
        self._at += count

    def line(self, text: str = "", style: str = "") -> None:
        """Append text and a line end."""
        self.put(text, style)
        self.end_line()

    def section(self, name: str) -> None:
        """Begin a section here."""
        self._sections[name] = self._at

    def hang(self, cells: int) -> None:
        """Indent the further rows of the line that begins here."""
        self._indents[self._at] = cells

    def document(self) -> TextDocument:
        """The finished document."""
        return TextDocument(
            self._title,
            "".join(self._pieces).rstrip("\n"),
            tuple(self._styles),
            tuple(self._regions),
            self._sections,
            self._indents,
        )


class DocumentRows:
    """A text divided into rows of at most `width` cells, as far as rows were requested."""

    def __init__(self, text: str, width: int, indents: Mapping[int, int] | None = None) -> None:
        self.text = text
        self.width = max(width, 1)
        self._indents = {at: cells for at, cells in (indents or {}).items() if cells * 3 < width}
        self._starts = array("Q")
        self._ends = array("Q")
        self._more = _broken(text, self.width, self._indents)
        self.whole = False
        """Whether the whole text is divided."""

    def reach(self, number: int) -> None:
        """Divide the text until row `number` exists."""
        while len(self._starts) <= number and not self.whole:
            self._next()

    def reach_place(self, at: int) -> int:
        """The number of the row that contains position `at`."""
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
        """The start and end of a row; None after the last row."""
        self.reach(number)
        return (self._starts[number], self._ends[number]) if number < len(self._starts) else None

    def indent(self, start: int) -> int:
        """Indentation, in cells, of the row that begins at `start`."""
        if not self._indents:
            return 0
        before = self.text.rfind("\n", max(start - LINE, 0), start)
        far = before < 0 and start > LINE
        return 0 if far or before + 1 == start else self._indents.get(before + 1, 0)

    @property
    def height(self) -> int:
        """The number of rows. For text that is not divided yet, a rough estimate."""
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
    """The rows of one line, divided at spaces if possible."""
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
    """The position where a row from `start` must end. A row has at least one character."""
    piece = text[start : min(start + width, end)]
    if piece.isascii():
        return start + len(piece)
    cells = 0
    for at in range(start, end):
        cells += get_character_cell_size(text[at])
        if cells > width:
            return max(at, start + 1)
    return end
