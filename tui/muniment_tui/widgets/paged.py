"""The virtual list: any number of rows, with a few pages of them in memory.

A screen that shows the list answers `Wanted` with `put`:

    def on_paged_list_wanted(self, wanted: PagedList.Wanted) -> None:
        self.muniment.engine.ask(self, ..., lambda hits: wanted.rows.put(wanted, [...]))
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from textual.message import Message

from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import ListRow, RowList

PAGE = 100
"""Rows in a page. Rows are requested by the page."""
PAGES = 40
"""Maximum number of pages in memory, the last ones that were looked at."""


class PagedList(RowList):
    """A list of up to tens of millions of rows."""

    class Wanted(Message):
        """Rows `start` up to, but not including, `end` are missing on the screen. The receiver fetches
        them and calls `put`."""

        def __init__(self, rows: PagedList, start: int, end: int, generation: int) -> None:
            super().__init__()
            self.rows, self.start, self.end, self.generation = rows, start, end, generation

        @property
        def control(self) -> PagedList:
            return self.rows

    def __init__(self, columns: Sequence[ListColumn], **options: Any) -> None:
        super().__init__(columns, **options)
        self._total = 0
        self._generation = 0
        self._pages: OrderedDict[int, list[ListRow]] = OrderedDict()
        self._asked: set[int] = set()

    @property
    def count(self) -> int:
        return self._total

    def show(self, total: int, first: Sequence[ListRow] = ()) -> None:
        """Show another list of `total` rows; `first` are the rows at its beginning that are already known.

        The cursor goes to the top, and the marks are removed.
        """
        self._generation += 1
        self._total = total
        self._pages.clear()
        self._asked.clear()
        self.marked.clear()
        self._keep(0, first)
        self.rows_changed()

    def resize_to(self, total: int) -> None:
        """Change the length of the current list at its end."""
        if total != self._total:
            self._pages.pop(min(total, self._total) // PAGE, None)
            self._total = total
            self.rows_changed(keep_cursor=True)

    def put(self, wanted: Wanted, rows: Sequence[ListRow]) -> None:
        """Add rows that were wanted. Rows for a list that is no longer shown are dropped."""
        if wanted.generation != self._generation:
            return
        self._keep(wanted.start, rows)
        self._asked.difference_update(range(wanted.start // PAGE, -(-wanted.end // PAGE)))
        top = self.scroll_offset.y
        if wanted.start < top + self._visible and wanted.end > top:
            self.refresh()
        if wanted.start <= self.cursor < wanted.end:
            self._post_moved()

    def failed(self, wanted: Wanted) -> None:
        """Rows that were wanted could not be fetched. They are requested again when they are next visible."""
        if wanted.generation == self._generation:
            self._asked.difference_update(range(wanted.start // PAGE, -(-wanted.end // PAGE)))

    def row(self, index: int) -> ListRow | None:
        """The row at an index, or None. A missing row is requested."""
        number, offset = divmod(index, PAGE)
        page = self._pages.get(number)
        if page is not None and offset < len(page):
            self._pages.move_to_end(number)
            return page[offset]
        self._ask(number)
        return None

    def _keep(self, start: int, rows: Sequence[ListRow]) -> None:
        for begin in range(0, len(rows), PAGE):
            self._pages[(start + begin) // PAGE] = list(rows[begin : begin + PAGE])
        while len(self._pages) > PAGES:
            self._pages.popitem(last=False)
        self._strips.clear()

    def _ask(self, number: int) -> None:
        """Request a page later, so that pages scrolled past meanwhile are not requested."""
        if number not in self._asked:
            self._asked.add(number)
            self.call_later(self._want, number, self._generation)

    def _want(self, number: int, generation: int) -> None:
        if generation != self._generation:
            return
        first, last = self.scroll_offset.y // PAGE, (self.scroll_offset.y + self._visible) // PAGE
        if not first <= number <= last and number != self.cursor // PAGE:
            self._asked.discard(number)
            return
        end = min((number + 1) * PAGE, self._total)
        self.post_message(self.Wanted(self, number * PAGE, end, generation))
