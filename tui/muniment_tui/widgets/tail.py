"""The end of a log. It follows new lines until the user scrolls up, and then counts them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from textual.content import Content
from textual.strip import Strip

from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import Cell, ListRow, RowList

KEPT = 5000
"""Maximum number of lines."""


class TailList(RowList):
    """The last lines of a growing log."""

    HELP = (
        "The newest line is at the bottom. The list follows new lines until you move up; End follows again."
    )

    def __init__(self, *, kept: int = KEPT, empty: Content | None = None, id: str | None = None) -> None:
        super().__init__([ListColumn("")], titles=False, empty=empty, id=id)
        self._lines: deque[ListRow] = deque(maxlen=kept)
        self._number = 0
        self._new = 0

    @property
    def count(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> ListRow | None:
        return self._lines[index]

    @property
    def following(self) -> bool:
        """Whether the cursor is on the last line."""
        return not self.count or self.cursor >= self.count - 1

    def add(self, lines: Iterable[Cell]) -> None:
        """Append lines at the end."""
        following, before, at = self.following, self.count, self.cursor
        came = 0
        for line in lines:
            self._number += 1
            came += 1
            self._lines.append(ListRow(str(self._number), (line,)))
        if not came:
            return
        dropped = before + came - self.count
        if following:
            self._new = 0
            self.set_reactive(RowList.cursor, self.count - 1)
        else:
            self._new += came
            self.set_reactive(RowList.cursor, max(at - dropped, 0))
        self.rows_changed(keep_cursor=True)
        if following and self.size.height:
            self.scroll_to(y=max(self.count - self._visible, 0), animate=False, force=True, immediate=True)

    def clear(self) -> None:
        """Remove all lines."""
        self._lines.clear()
        self._new = 0
        self.rows_changed()

    def watch_cursor(self, old: int, new: int) -> None:
        """Follow new lines again when the cursor reaches the end."""
        super().watch_cursor(old, new)
        if self.following and self._new:
            self._new = 0
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen. The last one shows how many new lines have come."""
        if self._new and y == self.scrollable_content_region.height - 1:
            words = f"↓ {self._new:,} new lines: End follows again"
            return self._strip(Content.styled(words, "reverse"), self.scrollable_content_region.width, "")
        return super().render_line(y)
