"""Lists of rows, drawn line by line. Only the visible lines are ever rendered.

`RowList` has what all lists share: cursor, marks, keys, mouse and columns. `ShortList` holds all its rows.
`PagedList` (in `paged`) holds a few pages of a list of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Offset, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from muniment_tui.actions.registry import Action, actions
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import GAP, ListColumn, in_cells, laid_out
from muniment_tui.widgets.text import harmless, same

GUTTER = 2
"""Cells before the first column, for the signs of the cursor and of a mark."""
MARGIN = 1
"""Cells after the last column."""
HEADER = 1
"""Lines for the column titles."""
CURSOR, MARK = "›", "●"
Cell = Content | str


class ListRow(Struct, frozen=True):
    """A row of a list, as it is drawn."""

    key: str
    """Unique in the list. The cursor and the marks follow it."""
    cells: tuple[Cell, ...]
    """One cell for each column. A `str` is made harmless."""
    value: Any = None
    """The object that the row shows."""
    style: str = ""
    """Style of the whole row, such as "dim" or "bold"."""


class RowList(ScrollView, can_focus=True):
    """A list of rows with a cursor. Rows can be marked."""

    HELP = "Move with the arrow keys, or j and k."
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--title",
        "rows--cursor",
        "rows--marked",
        "rows--waiting",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("list.up", "up,k", "Up", "Go to the row above."),
            Action("list.down", "down,j", "Down", "Go to the row below."),
            Action("list.page-up", "pageup,ctrl+u", "Page up", "Go up by a screenful."),
            Action("list.page-down", "pagedown,ctrl+d", "Page down", "Go down by a screenful."),
            Action("list.first", "home,g", "First", "Go to the first row."),
            Action("list.last", "end,G", "Last", "Go to the last row."),
            Action("list.open", "enter", "Open", "Open the row at the cursor.", footer=7),
            Action("list.mark", "space", "Mark", "Mark or unmark the row, and go to the next one.", footer=5),
            Action("list.unmark-all", "u", "Unmark all", "Remove all marks."),
        )
    ]
    DEFAULT_CSS = """
    RowList { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }
    RowList > .rows--title { color: $secondary; text-style: underline; }
    RowList > .rows--cursor {
        color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background;
        text-style: $block-cursor-blurred-text-style;
    }
    RowList:focus > .rows--cursor {
        color: $block-cursor-foreground; background: $block-cursor-background;
        text-style: $block-cursor-text-style;
    }
    RowList > .rows--marked { color: $accent; }
    RowList > .rows--waiting { color: $secondary; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    empty: reactive[Content] = reactive(Content())
    """What the list shows if it has no rows."""

    class AtRow(Message):
        """Base class of messages about one row."""

        def __init__(self, rows: RowList, index: int, row: ListRow | None) -> None:
            super().__init__()
            self.rows, self.index, self.row = rows, index, row

        @property
        def control(self) -> RowList:
            return self.rows

    class Moved(AtRow):
        """The cursor is on another row, or its row has been loaded."""

    class Opened(AtRow):
        """Enter was pressed, or the row was double-clicked."""

    class Marked(Message):
        """The marks have changed."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(
        self,
        columns: Sequence[ListColumn],
        *,
        titles: bool = True,
        marks: bool = False,
        empty: Content | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.columns = tuple(columns)
        self.titles = titles
        self.marked: dict[str, ListRow] = {}
        self._strips: dict[tuple[int, bool, int], Strip] = {}
        self.set_reactive(RowList.empty, harmless(empty or Content()))
        self.marks = marks
        self._had_rows = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. Marking needs `marks`, and both marking and opening need a row."""
        if action in ("mark", "unmark_all"):
            return self.marks and bool(self.count)
        return bool(self.count) or action != "open"

    # --- for subclasses ---------------------------------------------------------------------

    @property
    def count(self) -> int:
        """The number of rows."""
        raise NotImplementedError

    def row(self, index: int) -> ListRow | None:
        """The row at an index; None if it is not loaded yet."""
        raise NotImplementedError

    def rows_changed(self, keep_cursor: bool = False) -> None:
        """Redraw after rows were added or removed."""
        self._strips.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, self.count + self._head)
        self.cursor = min(self.cursor, max(self.count - 1, 0)) if keep_cursor else 0
        if not keep_cursor:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)
        self.refresh()
        self._post_moved()
        if bool(self.count) != self._had_rows:
            self._had_rows = bool(self.count)
            self.refresh_bindings()

    # --- for those who use it ---------------------------------------------------------------

    @property
    def current(self) -> ListRow | None:
        """The row at the cursor, or None."""
        return self.row(self.cursor) if 0 <= self.cursor < self.count else None

    @property
    def chosen(self) -> list[ListRow]:
        """The marked rows in the order of marking. Without marks, the row at the cursor."""
        if self.marked:
            return list(self.marked.values())
        return [self.current] if self.current else []

    @property
    def cursor_cell(self) -> Offset:
        """Where the row at the cursor begins on the screen."""
        line = self._head + self.cursor - self.scroll_offset.y
        return self.content_region.offset + Offset(0, max(line, 0))

    def unmark(self) -> None:
        """Remove all marks."""
        if self.marked:
            self.marked.clear()
            self._strips.clear()
            self.refresh()
            self.post_message(self.Marked(self))

    # --- keys -------------------------------------------------------------------------------

    def action_up(self) -> None:
        self.cursor = max(self.cursor - 1, 0)

    def action_down(self) -> None:
        self.cursor = min(self.cursor + 1, max(self.count - 1, 0))

    def action_page_up(self) -> None:
        self.cursor = max(self.cursor - self._visible, 0)

    def action_page_down(self) -> None:
        self.cursor = min(self.cursor + self._visible, max(self.count - 1, 0))

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = max(self.count - 1, 0)

    def action_open(self) -> None:
        """Post `Opened` for the row at the cursor."""
        if self.current is not None:
            self.post_message(self.Opened(self, self.cursor, self.current))

    def action_mark(self) -> None:
        """Mark or unmark the row, and go to the next one."""
        row = self.current
        if row is None:
            return
        if self.marked.pop(row.key, None) is None:
            self.marked[row.key] = row
        self._forget(self.cursor)
        self.post_message(self.Marked(self))
        self.action_down()

    def action_unmark_all(self) -> None:
        self.unmark()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row. A double click opens it."""
        index = self.scroll_offset.y + event.y - self._head
        if not 0 <= index < self.count or (self._head and event.y == 0):
            return
        event.stop()
        if index == self.cursor and event.chain > 1:
            self.action_open()
        self.cursor = index

    # --- drawing ----------------------------------------------------------------------------

    @property
    def _head(self) -> int:
        return HEADER if self.titles else 0

    @property
    def _visible(self) -> int:
        """Number of rows that fit on the screen."""
        return max(self.scrollable_content_region.height - self._head, 1)

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw the two changed lines. Scroll only if the cursor would leave the screen."""
        self._show(new, abs(new - old) == 1)
        for index in (old, new):
            self._forget(index)
        self._post_moved()

    def _show(self, index: int, step: bool = False) -> None:
        """Scroll until a row is visible. After a single step, scroll by half a screen, which draws least
        on average."""
        top, visible = self.scroll_offset.y, self._visible
        if top <= index < top + visible or not self.size.height:
            return
        above = 0 if index < top else visible - 1
        target = index - (visible // 2 if step else above)
        self.scroll_to(y=max(target, 0), animate=False, force=True, immediate=True)

    def _forget(self, index: int) -> None:
        self._strips = {key: strip for key, strip in self._strips.items() if key[0] != index}
        self.refresh_line(index + self._head)

    def _post_moved(self) -> None:
        self.post_message(self.Moved(self, self.cursor, self.current))

    def on_resize(self) -> None:
        """Adapt to another width and height."""
        self._strips.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, self.count + self._head)
        self._show(self.cursor)

    def on_focus(self) -> None:
        self._recolour()

    def on_blur(self) -> None:
        self._recolour()

    def notify_style_update(self) -> None:
        """Drop the rendered lines, whose colours have changed."""
        super().notify_style_update()
        self._strips.clear()

    def _recolour(self) -> None:
        self._forget(self.cursor)

    def watch_empty(self, empty: Content) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self._head and y == 0:
            return self._title_strip(width)
        index = self.scroll_offset.y + y - self._head
        if not self.count:
            return self._empty_strip(y - self._head, width)
        if not 0 <= index < self.count:
            return Strip.blank(width, self.rich_style)
        return self._row_strip(index, width)

    def _row_strip(self, index: int, width: int) -> Strip:
        row = self.row(index)
        at_cursor = index == self.cursor
        key = (index, at_cursor, width)
        if row is not None and key in self._strips:
            return self._strips[key]
        marked = row is not None and row.key in self.marked
        sign = Content((CURSOR if at_cursor else " ") + (MARK if marked else " "))
        parts = [sign, *self._cells(row, width)]
        content = Content.assemble(parts[0], Content(" " * GAP).join(parts[1:]))
        classes = [name for name, on in (("rows--waiting", row is None), ("rows--marked", marked)) if on]
        strip = self._strip(content, width, row.style if row else "", *classes, *["rows--cursor"] * at_cursor)
        if row is not None:
            if len(self._strips) > 4 * self._visible:
                self._strips.clear()
            self._strips[key] = strip
        return strip

    def _cells(self, row: ListRow | None, width: int) -> Iterable[Content]:
        for number, column, cells in laid_out(self.columns, width - GUTTER - MARGIN):
            if row is None:
                yield in_cells(Content("·" * min(cells, 3)), cells, column.right)
            else:
                cell = row.cells[number] if number < len(row.cells) else ""
                yield in_cells(self.cell(cell), cells, column.right)

    @staticmethod
    def cell(cell: Cell) -> Content:
        """The harmless content of a cell."""
        return shown(cell) if isinstance(cell, str) else harmless(cell)

    def _title_strip(self, width: int) -> Strip:
        cells = [
            in_cells(shown(column.title), wide, column.right)
            for _, column, wide in laid_out(self.columns, width - GUTTER - MARGIN)
        ]
        return self._strip(
            Content.assemble(" " * GUTTER, Content(" " * GAP).join(cells)), width, "", "rows--title"
        )

    def _empty_strip(self, line: int, width: int) -> Strip:
        lines = harmless(self.empty).split("\n")
        content = lines[line - 1] if 0 < line <= len(lines) else Content()
        return self._strip(Content.assemble(" " * GUTTER, content), width, "")

    def _strip(self, content: Content, width: int, style: str, *classes: str) -> Strip:
        base = self.get_visual_style(*classes)
        if any(self.get_component_styles(name).text_style.reverse for name in classes):
            base += Style(reverse=True)  # which Textual leaves out
        parse = self.app.stylesheet.parse_style
        if style:
            base = base + parse(style)
        content = in_cells(content, width)
        if "rows--cursor" in classes and self.app.current_theme.ansi:
            content = Content(content.plain)  # not all of 16 colours are readable on that of the cursor
        segments = [Segment(text, style.rich_style) for text, style in content.render(base, "", parse)]
        return Strip(segments, width)


class ShortList(RowList):
    """A list that holds all its rows, up to some thousands."""

    def __init__(self, columns: Sequence[ListColumn], **options: Any) -> None:
        super().__init__(columns, **options)
        self._rows: list[ListRow] = []

    @property
    def count(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> ListRow | None:
        return self._rows[index]

    def fill(self, rows: Iterable[ListRow]) -> None:
        """Replace the rows. The cursor stays on its row if that row is still there."""
        new = list(rows)
        here = self.current
        if [row.key for row in new] == [row.key for row in self._rows]:
            self._renew(new)
            return
        self._rows = new
        keys = {row.key: number for number, row in enumerate(new)}
        self.marked = {key: new[keys[key]] for key in self.marked if key in keys}
        if here is not None and here.key in keys:
            self.set_reactive(RowList.cursor, keys[here.key])
        self.rows_changed(keep_cursor=True)

    def _renew(self, new: list[ListRow]) -> None:
        """Redraw only the lines that changed. The rows have the same keys as before."""
        old, self._rows = self._rows, new
        self.marked = {row.key: row for row in new if row.key in self.marked}
        changed = [index for index, pair in enumerate(zip(old, new, strict=True)) if not _alike(*pair)]
        for index in changed:
            self._forget(index)
        if self.cursor in changed:
            self._post_moved()

    def go_to(self, key: str) -> bool:
        """Move the cursor to the row with this key. Returns False if there is none."""
        for number, row in enumerate(self._rows):
            if row.key == key:
                self.cursor = number
                return True
        return False


def _alike(one: ListRow, other: ListRow) -> bool:
    """Whether two rows look the same."""
    if (one.key, one.style, len(one.cells)) != (other.key, other.style, len(other.cells)):
        return False
    pairs = zip(one.cells, other.cells, strict=True)
    return all(same(RowList.cell(mine), RowList.cell(theirs)) for mine, theirs in pairs)
