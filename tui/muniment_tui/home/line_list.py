"""A pane of lines with a cursor. A line may take several rows. Enter opens the place that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from muniment_tui.actions.registry import Action, actions
from muniment_tui.home.lines import HomeLine
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chart import ChartView
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines, harmless, same


class LineText(TextLines):
    """One line of a `LinePane`: a head, and words that are wrapped beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._head = Content()

    def put(self, line: HomeLine) -> None:
        """Show a line."""
        head, self._head = self._head, harmless(line.head)
        if not same(head, self._head):
            self.words = Content()  # so that `say` draws, also if only the head is another one
        self.say(line.words)

    def render(self) -> Content:
        """The rows of the line at the widget's width."""
        return self._rows(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._rows(width).plain.count("\n") + 1

    def _rows(self, width: int) -> Content:
        indent = self._head.cell_length
        rows = self.words.wrap(max(width - indent, 1)) or [Content()]
        heads = [self._head, *[Content(" " * indent)] * (len(rows) - 1)]
        return Content("\n").join(joined(head, row) for head, row in zip(heads, rows, strict=True))


class LinePane(Pane, can_focus=True):
    """A pane of lines with a cursor, below them perhaps charts."""

    HELP = "Move with the arrow keys, also from pane to pane. Enter opens the place that a line is about."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("line.up", "up,k", "Up", "Go to the line above."),
            Action("line.down", "down,j", "Down", "Go to the line below."),
            Action("line.open", "enter", "Open", "Go to the place that this line is about.", footer=7),
        )
    ]
    DEFAULT_CSS = """
    LinePane { height: auto; padding: 0 1; }
    LinePane > LineText { height: auto; padding: 0 1; }
    LinePane:focus > LineText.-cursor {
        color: $block-cursor-foreground; background: $block-cursor-background;
        text-style: $block-cursor-text-style;
    }
    LinePane:focus { border: round $border; border-title-color: $border; border-title-style: bold; }
    LinePane > .caption { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    LinePane > ChartView { height: 4; padding: 0 1; }
    """

    class LineOpened(Message):
        """Enter was pressed on a line, or it was clicked again."""

        def __init__(self, line: HomeLine) -> None:
            super().__init__()
            self.line = line

    class PaneLeft(Message):
        """The cursor goes beyond the first or the last line."""

        def __init__(self, pane: LinePane, step: int) -> None:
            super().__init__()
            self.pane, self.step = pane, step

    def __init__(self, title: str, *below: Widget, id: str) -> None:
        """`below` are the widgets below the lines."""
        super().__init__(shown(title), *below, id=id)
        self._lines: tuple[HomeLine, ...] = ()
        self._texts: list[LineText] = []
        self.cursor = 0

    @property
    def line(self) -> HomeLine | None:
        """The line at the cursor."""
        return self._lines[self.cursor] if self.cursor < len(self._lines) else None

    def put(self, lines: Sequence[HomeLine]) -> None:
        """Show other lines. The cursor stays where it is, as far as there are lines."""
        self._lines = tuple(lines)
        fresh = [LineText() for _ in lines[len(self._texts) :]]
        for text in self._texts[len(lines) :]:
            text.remove()
        if fresh:
            after = self._texts[-1] if self._texts else None
            self.mount(*fresh, after=after) if after else self.mount(*fresh, before=0)
        self._texts = [*self._texts[: len(lines)], *fresh]
        for text, one in zip(self._texts, lines, strict=True):
            text.put(one)
        self.go_to(self.cursor)

    def say_caption(self, chart: str, words: Content) -> None:
        """Set the line above one of the charts."""
        self.query_one(f"#{chart}-caption", TextLines).say(words)

    def go_to(self, cursor: int) -> None:
        """Put the cursor on a line, counted from 0; -1 is the last one."""
        last = len(self._lines) - 1
        self.cursor = max(last if cursor < 0 else min(cursor, last), 0)
        for number, text in enumerate(self._texts):
            text.set_class(number == self.cursor and self.has_focus, "-cursor")
        if self.has_focus and self._texts:
            self._reveal()

    def _reveal(self) -> None:
        """Scroll so that the line at the cursor is visible, with the border of its pane at an end."""
        text = self._texts[self.cursor]
        edge: Widget = self if self.cursor in (0, len(self._texts) - 1) and not self._charts() else text
        if self.cursor == 0:
            edge = self
        target = edge if edge.outer_size.height < self.screen.size.height // 2 else text
        self.call_after_refresh(target.scroll_visible, animate=False)

    def _charts(self) -> bool:
        return bool(self.query(ChartView))

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Show the cursor while the pane has the focus. A handler of the event would come too early."""
        super().watch_has_focus(_has_focus)
        self.go_to(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the clicked line; open it if it was there already."""
        for number, text in enumerate(self._texts):
            if text.region.contains_point(event.screen_offset):
                again = number == self.cursor and self.has_focus
                self.go_to(number)
                if again and self.line is not None:
                    self.post_message(self.LineOpened(self.line))

    def action_up(self) -> None:
        self._step(-1)

    def action_down(self) -> None:
        self._step(1)

    def _step(self, step: int) -> None:
        if 0 <= self.cursor + step < len(self._lines):
            self.go_to(self.cursor + step)
        else:
            self.post_message(self.PaneLeft(self, step))

    def action_open(self) -> None:
        """Open the place of the line at the cursor."""
        if self.line is not None:
            self.post_message(self.LineOpened(self.line))


def caption(id: str) -> TextLines:
    """The line above a chart."""
    return TextLines(Content(), id=id, classes="caption")


def panes_of(widgets: Iterable[Widget]) -> list[LinePane]:
    """The panes among widgets, in their order."""
    return [one for one in widgets if isinstance(one, LinePane) and one.display]
