"""The pane that shows a document of any length, line by line, with the matches of a search highlighted."""

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
from muniment_tui.messages.document import DocumentRows, TextDocument
from muniment_tui.messages.highlight import Span, find
from muniment_tui.widgets.columns import in_cells

AHEAD = 200
"""Rows that are prepared below the visible ones."""
MARKED, HERE = "$accent underline", "$accent bold reverse"


class TextPane(ScrollView, can_focus=True):
    """Shows a document."""

    HELP = "Scroll with the arrow keys, Space or Page Down. n and N go to the next and the previous hit."
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
        self.document = TextDocument()
        self._rows = DocumentRows("", 1)
        self._hits: list[Span] = []
        self._hit = -1
        self._waiting: tuple[int, bool] | None = None
        """Where to go once the pane has a size: a place in the text, and whether to the top."""

    def show(self, document: TextDocument, marks: Sequence[Mark] = (), top: int = 0) -> None:
        """Show a document from row `top` on, with the matches of a search highlighted."""
        self.document = document
        self._hits = find(document.text, document.regions, marks) if marks else []
        self._hit, self._waiting = -1, None
        self._break()
        self.scroll_to(y=0, animate=False, immediate=True)
        if top:
            self._scroll(top)
        self.refresh()

    @property
    def hits(self) -> int:
        """The number of highlighted matches."""
        return len(self._hits)

    def go_to_hit(self, step: int) -> int | None:
        """Go to the next match (1) or the previous one (-1). Returns its number from 1, or None if there
        is none."""
        number = self._hit + step if self._hit >= 0 or step > 0 else len(self._hits) - 1
        if not 0 <= number < len(self._hits):
            return None
        self._hit = number
        self._go_to(self._hits[number][0])
        return number + 1

    def go_to_section(self, name: str) -> bool:
        """Scroll a section to the top. Returns False if there is none with this name."""
        at = self.document.sections.get(name)
        if at is not None:
            self._go_to(at, top=True)
        return at is not None

    def _go_to(self, at: int, top: bool = False) -> None:
        """Scroll to a place, if it is not seen. A pane without a size sees nothing, and does so later."""
        if not self.scrollable_content_region.height:
            self._waiting = at, top
            return
        number = self._rows.reach_place(at)
        self._settle()
        height = self.scrollable_content_region.height
        seen = self.scroll_offset.y <= number < self.scroll_offset.y + height
        if top or not seen:
            self._scroll(number if top else max(number - height // 3, 0))
        self.refresh()

    def _scroll(self, y: int) -> None:
        """Scroll after the layout is known."""
        self.call_after_refresh(self.scroll_to, y=y, animate=False)

    # --- keys -------------------------------------------------------------------------------

    def _by(self, rows: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + rows, animate=False, immediate=True)

    def action_up(self) -> None:
        self._by(-1)

    def action_down(self) -> None:
        self._by(1)

    def action_page_up(self) -> None:
        """Scroll up by a page but for one line, which stays in sight."""
        self._by(1 - self.scrollable_content_region.height)

    def action_page_down(self) -> None:
        """Scroll down by a page but for one line, which stays in sight."""
        self._by(self.scrollable_content_region.height - 1)

    def action_top(self) -> None:
        self.scroll_to(y=0, animate=False, immediate=True)

    def action_bottom(self) -> None:
        """Lay out the whole text, then scroll to its end."""
        self._rows.reach(1 << 62)
        self._settle()
        self._scroll(self._rows.height)

    # --- drawing ----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Divide the text again. The topmost row stays at the top."""
        row = self._rows.row(self.scroll_offset.y)
        self._break()
        if self._waiting is not None:
            (at, top), self._waiting = self._waiting, None
            self._go_to(at, top)
        elif row is not None and row[0]:
            self._scroll(self._rows.reach_place(row[0]))

    def watch_scroll_y(self, old: float, new: float) -> None:
        """Prepare the rows that become visible."""
        super().watch_scroll_y(old, new)
        self._rows.reach(int(new) + self.size.height + AHEAD)
        self._settle()

    def _break(self) -> None:
        self._rows = DocumentRows(
            self.document.text, self.scrollable_content_region.width, self.document.indents
        )
        self._rows.reach(self.size.height + AHEAD)
        self._settle()

    def _settle(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self._rows.height)

    def render_line(self, y: int) -> Strip:
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
    """The spans that overlap [start, end). `spans` are in order and do not overlap."""
    at = max(bisect_right(spans, start, key=lambda span: span[0]) - 1, 0)
    found = []
    while at < len(spans) and spans[at][0] < end:
        if spans[at][1] > start:
            found.append(spans[at])
        at += 1
    return found
