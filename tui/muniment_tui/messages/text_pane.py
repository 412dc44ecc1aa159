"""The pane that shows a document: any length, drawn line by line, with the hits of a search marked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from rich.segment import Segment
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from muniment.api import Mark
from muniment_tui.actions.registry import Action, actions
from muniment_tui.messages.document import Document, Rows
from muniment_tui.messages.highlight import Span, find
from muniment_tui.widgets.columns import in_cells

AHEAD = 200
"""Rows that are broken beyond those that are seen."""
MARKED, HERE = "$accent underline", "$accent bold reverse"


class TextPane(ScrollView, can_focus=True):
    """A document to read."""

    HELP = "Scroll with the arrow keys, Space or Page Down. n and N go to the next and the last marked hit."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("text.up", "up,k", "Line up", "Scroll up by a line."),
            Action("text.down", "down,j", "Line down", "Scroll down by a line."),
            Action("text.page-up", "pageup,ctrl+u,backspace", "Page up", "Scroll up by a screenful."),
            Action("text.page-down", "pagedown,ctrl+d,space", "Page down", "Scroll down by a screenful."),
            Action("text.top", "home,g", "Beginning", "Go to the beginning."),
            Action("text.bottom", "end,G", "End", "Go to the end."),
        )
    ]
    DEFAULT_CSS = """
    TextPane { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.document = Document()
        self._rows = Rows("", 1)
        self._hits: list[Span] = []
        self._hit = -1

    def show(self, document: Document, marks: Sequence[Mark] = (), top: int = 0) -> None:
        """Show a document, with what a search looked for marked."""
        self.document = document
        self._hits = find(document.text, document.regions, marks) if marks else []
        self._hit = -1
        self._break()
        self.scroll_to(y=0, animate=False, immediate=True)
        if top:
            self._scroll(top)
        self.refresh()

    @property
    def hits(self) -> int:
        """How many marks there are."""
        return len(self._hits)

    def go_to_hit(self, step: int) -> int | None:
        """Go to the next mark, or with -1 to the last; returns its number from 1, None for none."""
        number = self._hit + step if self._hit >= 0 or step > 0 else len(self._hits) - 1
        if not 0 <= number < len(self._hits):
            return None
        self._hit = number
        self._go_to(self._hits[number][0])
        return number + 1

    def go_to_section(self, name: str) -> bool:
        """Put a part of the document on top; False where it has none of that name."""
        at = self.document.sections.get(name)
        if at is not None:
            self._go_to(at, top=True)
        return at is not None

    def _go_to(self, at: int, top: bool = False) -> None:
        number = self._rows.reach_place(at)
        self._settle()
        height = self.scrollable_content_region.height
        seen = self.scroll_offset.y <= number < self.scroll_offset.y + height
        if top or not seen:
            self._scroll(number if top else max(number - height // 3, 0))
        self.refresh()

    def _scroll(self, y: int) -> None:
        """Scroll there, once it is laid out how far one can."""
        self.call_after_refresh(self.scroll_to, y=y, animate=False)

    # --- keys -------------------------------------------------------------------------------

    def _by(self, rows: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + rows, animate=False, immediate=True)

    def action_up(self) -> None:
        """A line up."""
        self._by(-1)

    def action_down(self) -> None:
        """A line down."""
        self._by(1)

    def action_page_up(self) -> None:
        """A screenful up."""
        self._by(1 - self.scrollable_content_region.height)

    def action_page_down(self) -> None:
        """A screenful down."""
        self._by(self.scrollable_content_region.height - 1)

    def action_top(self) -> None:
        """To the beginning."""
        self.scroll_to(y=0, animate=False, immediate=True)

    def action_bottom(self) -> None:
        """To the end."""
        self._rows.reach(1 << 62)
        self._settle()
        self._scroll(self._rows.height)

    # --- drawing ----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Lines are broken anew; what was on top stays there."""
        row = self._rows.row(self.scroll_offset.y)
        self._break()
        if row is not None and row[0]:
            self._scroll(self._rows.reach_place(row[0]))

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Break what is about to be seen."""
        super().watch_scroll_y(old, new)
        self._rows.reach(int(new) + self.size.height + AHEAD)
        self._settle()

    def _break(self) -> None:
        self._rows = Rows(self.document.text, self.scrollable_content_region.width, self.document.indents)
        self._rows.reach(self.size.height + AHEAD)
        self._settle()

    def _settle(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self._rows.height)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.scrollable_content_region.width
        row = self._rows.row(self.scroll_offset.y + y)
        if row is None:
            return Strip.blank(width, self.rich_style)
        content = Content.assemble(" " * self._rows.indent(row[0]), self._content(*row))
        content = in_cells(content, width)
        base, parse = self.visual_style, self.app.stylesheet.parse_style
        segments = [Segment(text, style.rich_style) for text, style in content.render(base, "", parse)]
        return Strip(segments, width)

    def _content(self, start: int, end: int) -> Content:
        content = Content(self.document.text[start:end])
        for first, last, style in _within(self.document.styles, start, end):
            content = content.stylize(style, max(first - start, 0), last - start)
        for first, last in _within(self._hits, start, end):
            here = self._hit >= 0 and self._hits[self._hit][0] == first
            content = content.stylize(HERE if here else MARKED, max(first - start, 0), last - start)
        return content


S = TypeVar("S", bound="tuple[Any, ...]")


def _within(spans: Sequence[S], start: int, end: int) -> list[S]:
    """Those of the spans, which are in order and apart, that reach into [start, end)."""
    at = max(bisect_right(spans, start, key=lambda span: span[0]) - 1, 0)
    found = []
    while at < len(spans) and spans[at][0] < end:
        if spans[at][1] > start:
            found.append(spans[at])
        at += 1
    return found
