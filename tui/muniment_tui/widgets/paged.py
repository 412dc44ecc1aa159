"""The virtual list: any number of rows, of which a few pages are kept.

Whoever shows it answers `Wanted` with `put`:

    def on_paged_list_wanted(self, wanted: PagedList.Wanted) -> None:
        self.muniment.engine.ask(self, ..., lambda hits: wanted.rows.put(wanted, [...]))
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from textual.message import Message

from muniment_tui.widgets.columns import Column
from muniment_tui.widgets.rows import Row, RowList

PAGE = 100
"""Rows that are asked for at once."""
PAGES = 40
"""Pages that are kept: those that were looked at last."""


class PagedList(RowList):
    """A list of up to tens of millions of rows."""

    class Wanted(Message):
        """Rows `start` to `end` are to be seen and not there: ask for them, and `put` them.

        `end` is the first that is not meant.
        """

        def __init__(self, rows: PagedList, start: int, end: int, generation: int) -> None:
            super().__init__()
            self.rows, self.start, self.end, self.generation = rows, start, end, generation

        @property
        def control(self) -> PagedList:
            """The list."""
            return self.rows

    def __init__(self, columns: Sequence[Column], **options: Any) -> None:
        super().__init__(columns, **options)
        self._total = 0
        self._generation = 0
        self._pages: OrderedDict[int, list[Row]] = OrderedDict()
        self._asked: set[int] = set()

    @property
    def count(self) -> int:
        """How many rows there are, kept or not."""
        return self._total

    def show(self, total: int, first: Sequence[Row] = ()) -> None:
        """Show another list of `total` rows; `first` are those of its beginning that are at hand.

        The cursor goes to the top, marks go.
        """
        self._generation += 1
        self._total = total
        self._pages.clear()
        self._asked.clear()
        self.marked.clear()
        self._keep(0, first)
        self.rows_changed()

    def resize_to(self, total: int) -> None:
        """The same list has become longer or shorter at its end."""
        if total != self._total:
            self._pages.pop(min(total, self._total) // PAGE, None)
            self._total = total
            self.rows_changed(keep_cursor=True)

    def put(self, wanted: Wanted, rows: Sequence[Row]) -> None:
        """Rows that were wanted have come; what was wanted of a list that is gone is dropped."""
        if wanted.generation != self._generation:
            return
        self._keep(wanted.start, rows)
        self._asked.difference_update(range(wanted.start // PAGE, -(-wanted.end // PAGE)))
        top = self.scroll_offset.y
        if wanted.start < top + self._visible and wanted.end > top:
            self.refresh()
        if wanted.start <= self.cursor < wanted.end:
            self._tell()

    def failed(self, wanted: Wanted) -> None:
        """Rows that were wanted won't come now; they are asked for again when they are next to be seen."""
        if wanted.generation == self._generation:
            self._asked.difference_update(range(wanted.start // PAGE, -(-wanted.end // PAGE)))

    def row(self, index: int) -> Row | None:
        """The row at a place, if it is kept; else it is asked for."""
        number, offset = divmod(index, PAGE)
        page = self._pages.get(number)
        if page is not None and offset < len(page):
            self._pages.move_to_end(number)
            return page[offset]
        self._ask(number)
        return None

    def _keep(self, start: int, rows: Sequence[Row]) -> None:
        for begin in range(0, len(rows), PAGE):
            self._pages[(start + begin) // PAGE] = list(rows[begin : begin + PAGE])
        while len(self._pages) > PAGES:
            self._pages.popitem(last=False)
        self._strips.clear()

    def _ask(self, number: int) -> None:
        """Ask for a page, once what was scrolled past meanwhile is known."""
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
