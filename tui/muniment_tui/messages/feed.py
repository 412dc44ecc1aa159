"""Loads the rows of a list from the engine. One request runs at a time, and the latest need comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from muniment.api import Hit, Hits
from muniment.errors import MunimentError
from muniment_tui.messages.listing import Asked, ListingRequest, MailListing
from muniment_tui.widgets.paged import PAGE, PagedList
from muniment_tui.widgets.rows import ListRow

Ask = Callable[[Asked, Callable[[Hits], object], Callable[[MunimentError], object]], object]
"""Sends a request to the engine. Of several, only the last is answered."""
PIECE = 500
"""Rows that `collect` requests at a time."""


class WantedRows(Struct, frozen=True):
    """Rows that are waited for."""

    start: int
    end: int
    then: Callable[[list[Hit]], object]
    never: Callable[[], object]


class ListFeed:
    """Loads the rows of a list. Calls back in the screen's loop."""

    def __init__(
        self,
        rows: PagedList,
        ask: Ask,
        drawn: Callable[[Hit], ListRow],
        updated: Callable[[MailListing], object],
        failed: Callable[[MunimentError], object],
    ) -> None:
        """`updated` is called after the first answer for a listing, and after each later change of its
        total."""
        self.listing: MailListing | None = None
        self._rows = rows
        self._ask = ask
        self._drawn = drawn
        self._updated = updated
        self._failed = failed
        self._wants: list[WantedRows] = []
        self._busy = False
        self._next: MailListing | None = None

    @property
    def waiting(self) -> bool:
        """Whether another list was requested that has not arrived yet."""
        return self._next is not None

    def begin(self, listing: MailListing) -> None:
        """Show another list after its first page has arrived. Until then the old one stays.

        If the other one can't be loaded, there is no list.
        """
        self._drop()
        self._next = listing
        step = listing.plan(0, PAGE)
        self._busy = True
        self._ask(
            step.request,
            lambda hits: self._first(listing, step, hits),
            lambda error: self._stopped(listing, error),
        )

    def clear(self) -> None:
        """Show no list."""
        self._drop()
        self.listing = self._next = None
        self._rows.show(0)

    def wanted(self, wanted: PagedList.Wanted) -> None:
        """Load rows that the list wants to draw."""
        self._want(
            WantedRows(
                wanted.start,
                wanted.end,
                lambda hits: wanted.rows.put(wanted, self._all(hits)),
                lambda: wanted.rows.failed(wanted),
            )
        )

    def collect(self, start: int, end: int, then: Callable[[list[Hit]], object]) -> None:
        """Load rows [start, end), up to some thousands, and pass them to `then`."""
        found: list[Hit] = []

        def take(hits: list[Hit]) -> None:
            found.extend(hits)
            if hits and start + len(found) < end:
                ask()
            else:
                then(found)

        def ask() -> None:
            at = start + len(found)
            self._want(WantedRows(at, min(at + PIECE, end), take, lambda: None))

        ask()

    def go_to_date(self, date: int) -> None:
        """Move the cursor to the first row at or after a date, in the order of the list."""
        listing = self.listing
        if listing is None or not listing.total or self.waiting:
            return
        self._drop()
        step = listing.at_date(date, PAGE)

        def landed() -> None:
            self._rows.cursor = min(listing.landed, listing.total - 1)

        self._say(listing, step, landed)

    # --- one at a time ------------------------------------------------------------------------

    def _want(self, want: WantedRows) -> None:
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

    def _say(self, listing: MailListing, step: ListingRequest, then: Callable[[], object]) -> None:
        self._busy = True
        self._ask(
            step.request,
            lambda hits: self._came(listing, step, hits, then),
            lambda error: self._stopped(listing, error),
        )

    def _came(
        self, listing: MailListing, step: ListingRequest, hits: Hits, then: Callable[[], object]
    ) -> None:
        if listing is not self.listing:
            return
        self._busy = False
        total = listing.total
        listing.take(step, hits)
        if listing.restart_at is not None:
            at, listing.restart_at = listing.restart_at, None
            self._drop()
            self._rows.show(listing.total)
            self._rows.cursor = at
        elif listing.total != total:
            self._rows.resize_to(listing.total)
            self._updated(listing)
        then()
        self._go_on()

    def _first(self, listing: MailListing, step: ListingRequest, hits: Hits) -> None:
        if listing is not self._next:
            return
        self._busy, self._next = False, None
        listing.take(step, hits)
        self.listing = listing
        self._rows.show(listing.total, self._all(listing.rows(0, min(PAGE, listing.total)) or []))
        self._updated(listing)
        self._go_on()

    def _stopped(self, listing: MailListing, error: MunimentError) -> None:
        """Take an error. One of a list that is no longer wanted must not end the request for its
        successor."""
        if listing is not (self._next or self.listing):
            return
        if self.waiting:
            self.clear()  # the rows of the old list would pass for those of the new one
        else:
            self._drop()
        self._failed(error)

    def _drop(self) -> None:
        wants, self._wants, self._busy = self._wants, [], False
        for want in wants:
            want.never()

    def _all(self, hits: Sequence[Hit]) -> list[ListRow]:
        return [self._drawn(hit) for hit in hits]
