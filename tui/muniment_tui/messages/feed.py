"""Keeps a list on the screen fed from the engine: one request at a time, what is wanted last comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from muniment.api import Hit, Hits
from muniment.errors import MunimentError
from muniment_tui.messages.listing import Asked, Listing
from muniment_tui.messages.listing import Step as Asking
from muniment_tui.widgets.paged import PAGE, PagedList
from muniment_tui.widgets.rows import Row

Ask = Callable[[Asked, Callable[[Hits], object], Callable[[MunimentError], object]], object]
"""Asks the engine; of several only the last is answered."""
PIECE = 500
"""Rows that are collected at a time."""


class Want(Struct, frozen=True):
    """Rows that somebody waits for."""

    start: int
    end: int
    then: Callable[[list[Hit]], object]
    never: Callable[[], object]


class Feed:
    """See the module. Calls back in the screen's own handlers."""

    def __init__(
        self,
        rows: PagedList,
        ask: Ask,
        drawn: Callable[[Hit], Row],
        begun: Callable[[Listing], object],
        failed: Callable[[MunimentError], object],
    ) -> None:
        """`begun` hears of the first answer for a listing, and of every later change of its total."""
        self.listing: Listing | None = None
        self._rows = rows
        self._ask = ask
        self._drawn = drawn
        self._begun = begun
        self._failed = failed
        self._wants: list[Want] = []
        self._busy = False
        self._next: Listing | None = None

    @property
    def waiting(self) -> bool:
        """Whether another list has been asked for that has not come yet."""
        return self._next is not None

    def begin(self, listing: Listing) -> None:
        """Show another list, once its first page has come; until then the old one stays."""
        self._drop()
        self._next = listing
        step = listing.plan(0, PAGE)
        self._busy = True
        self._ask(step.request, lambda hits: self._first(listing, step, hits), self._stopped)

    def clear(self) -> None:
        """Show no list."""
        self._drop()
        self.listing = self._next = None
        self._rows.show(0)

    def wanted(self, wanted: PagedList.Wanted) -> None:
        """Rows that the list wants to draw."""
        self._want(
            Want(
                wanted.start,
                wanted.end,
                lambda hits: wanted.rows.put(wanted, self._all(hits)),
                lambda: wanted.rows.failed(wanted),
            )
        )

    def collect(self, start: int, end: int, then: Callable[[list[Hit]], object]) -> None:
        """Get rows [start, end), some thousands at most."""
        found: list[Hit] = []

        def take(hits: list[Hit]) -> None:
            found.extend(hits)
            if hits and start + len(found) < end:
                ask()
            else:
                then(found)

        def ask() -> None:
            at = start + len(found)
            self._want(Want(at, min(at + PIECE, end), take, lambda: None))

        ask()

    def go_to_date(self, date: int) -> None:
        """Put the cursor on the first row at or past a date, in the order of the list."""
        listing = self.listing
        if listing is None or not listing.total:
            return
        self._drop()
        step = listing.at_date(date, PAGE)

        def landed() -> None:
            self._rows.cursor = min(listing.landed, listing.total - 1)

        self._say(listing, step, landed)

    # --- one at a time ------------------------------------------------------------------------

    def _want(self, want: Want) -> None:
        self._wants.append(want)
        self._go_on()

    def _go_on(self) -> None:
        while self._wants and not self._busy and self.listing is not None:
            want = self._wants.pop()
            hits = self.listing.rows(want.start, want.end)
            if hits is not None:
                want.then(hits)
                continue
            self._wants.append(want)
            self._say(self.listing, self.listing.plan(want.start, want.end), lambda: None)

    def _say(self, listing: Listing, step: Asking, then: Callable[[], object]) -> None:
        self._busy = True
        self._ask(step.request, lambda hits: self._came(listing, step, hits, then), self._stopped)

    def _came(self, listing: Listing, step: Asking, hits: Hits, then: Callable[[], object]) -> None:
        if listing is not self.listing:
            return
        self._busy = False
        total = listing.total
        listing.take(step, hits)
        if listing.turned is not None:
            at, listing.turned = listing.turned, None
            self._drop()
            self._rows.show(listing.total)
            self._rows.cursor = at
        elif listing.total != total:
            self._rows.resize_to(listing.total)
            self._begun(listing)
        then()
        self._go_on()

    def _first(self, listing: Listing, step: Asking, hits: Hits) -> None:
        if listing is not self._next:
            return
        self._busy, self._next = False, None
        listing.take(step, hits)
        self.listing = listing
        self._rows.show(listing.total, self._all(listing.rows(0, min(PAGE, listing.total)) or []))
        self._begun(listing)
        self._go_on()

    def _stopped(self, error: MunimentError) -> None:
        self._busy, self._next = False, None
        self._drop()
        self._failed(error)

    def _drop(self) -> None:
        wants, self._wants, self._busy = self._wants, [], False
        for want in wants:
            want.never()

    def _all(self, hits: Sequence[Hit]) -> list[Row]:
        return [self._drawn(hit) for hit in hits]
