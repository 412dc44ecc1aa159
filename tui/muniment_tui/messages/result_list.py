"""The pane that lists a folder or what a search found: order, dates, marks."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message as Posted

from muniment.api import Hit, Hits, ListMessages, Search
from muniment.errors import MunimentError
from muniment.system.formatting import count, local, name_of, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.messages import dates
from muniment_tui.messages.feed import Feed
from muniment_tui.messages.listing import NEWEST, OLDEST, RELEVANT, Asked, Listing
from muniment_tui.messages.reason_prompt import AskingScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import Column
from muniment_tui.widgets.paged import PagedList
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import Row, RowList
from muniment_tui.widgets.situation import situation

WHO = {False: "From", True: "To"}
MOST = 10_000
"""Messages that can be marked one by one; more are exported as all that a list holds."""


def columns(sent: bool) -> tuple[Column, ...]:
    """Columns of a list of mail; of what somebody sent, to whom."""
    return (
        Column("Date", 16),
        Column(WHO[sent], share=2),
        Column("Subject", share=5),
        Column("Files", 5, right=True, since=70),
        Column("Size", 9, right=True, since=84),
    )


class Found(Pane):
    """A list of mail."""

    HELP = (
        "Enter opens a message. Space marks one, r marks all from the last mark to here, * chooses all of "
        "the list; x exports what is chosen. Lists are in order of date, or of relevance where a search "
        "found them: an order by size or sender would have to sort millions of messages each time."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "mail.order", "o", "Order", "Newest first, oldest first, or the best match first.", footer=4
            ),
            Action("mail.date", "t", "Go to date", "Go to a year, month or day in the list.", footer=3),
            Action("mail.mark-range", "r", "Mark to here", "Mark all from the last mark to the cursor."),
            Action("mail.choose-all", "asterisk", "Choose all", "Choose all that is listed, seen or not."),
        )
    ]

    class Changed(Posted):
        """What is listed, marked or chosen has changed."""

    def __init__(self, failed: Callable[[MunimentError], object]) -> None:
        """`failed` hears of errors."""
        super().__init__(shown("Mail"), id="found")
        self.all_chosen = False
        self.order = NEWEST
        self._failed = failed
        self._sent = False
        self._anchor = 0
        self._feed: Feed | None = None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where nothing is listed there is nothing to order, to go to or to choose."""
        return not self.is_mounted or self.rows.count > 0

    def compose(self) -> ComposeResult:
        """The list."""
        yield PagedList(columns(False), marks=True, id="rows")

    def on_mount(self) -> None:
        """Feed it."""
        self._feed = Feed(self.rows, self._ask, self._row, self._begun, self._failed)
        self.rest()

    @property
    def rows(self) -> PagedList:
        """The list."""
        return self.query_one("#rows", PagedList)

    @property
    def feed(self) -> Feed:
        """What feeds it."""
        assert self._feed is not None
        return self._feed

    @property
    def listing(self) -> Listing | None:
        """What is listed."""
        return self.feed.listing

    @property
    def asking(self) -> AskingScreen:
        """The screen, as the one who asks."""
        return cast(AskingScreen, self.screen)

    def _ask(
        self, request: Asked, then: Callable[[Hits], object], failed: Callable[[MunimentError], object]
    ) -> None:
        self.asking.read(request, Hits, then, failed=failed, lane="list")

    # --- what is listed -----------------------------------------------------------------------

    def rest(self) -> None:
        """Nothing is listed yet."""
        self.name_it(shown("Mail"))
        self.situate("○", "$secondary", "No folder is open", "Open one of somebody's, or press / to search.")
        self.feed.clear()

    def situate(self, sign: str, style: str, title: str, advice: str) -> None:
        """Say what there is to say where nothing is listed."""
        self.rows.empty = situation(sign, style, title, advice)

    def open(self, request: Asked) -> None:
        """Show a folder or a search."""
        self.asking.quieten()
        if self.order == RELEVANT and not (isinstance(request, Search) and request.query.strip()):
            self.order = NEWEST
        self._sent = isinstance(request, ListMessages) and request.folder == "Sent"
        self.feed.begin(Listing(request, self.order))

    def again(self) -> None:
        """Show the same anew: new mail has come, or the order is another."""
        if self.listing is not None:
            self.open(self.listing.request)

    def _begun(self, listing: Listing) -> None:
        self.all_chosen = False
        self.rows.columns = columns(self._sent)
        searched = isinstance(listing.request, Search) and listing.request.query.strip()
        advice = (
            "Fewer or other words may find more; ? shows what can be searched by."
            if searched
            else "Mail appears here once a run has fetched it."
        )
        title = "Nothing was found" if searched else "Nothing is here"
        self.situate("○", "$secondary", title, advice)
        self.post_message(self.Changed())

    def _row(self, hit: Hit) -> Row:
        who = hit.to if self._sent else hit.sender
        files = f"+{count(hit.attachments)}" if hit.attachments else ""
        cells = (local(hit.date), name_of(who), hit.subject or "(no subject)", files, size(hit.size))
        return Row(hit.id, cells, hit)

    @on(PagedList.Wanted)
    def _wanted(self, event: PagedList.Wanted) -> None:
        event.stop()
        self.feed.wanted(event)

    def step(self, by: int) -> bool:
        """Move the cursor; False where the list ends."""
        number = self.rows.cursor + by
        if not 0 <= number < self.rows.count:
            return False
        self.rows.cursor = number
        return True

    # --- order and place ----------------------------------------------------------------------

    def action_order(self) -> None:
        """The next order."""
        listing = self.listing
        searched = (
            listing is not None and isinstance(listing.request, Search) and listing.request.query.strip()
        )
        orders = [NEWEST, OLDEST, RELEVANT] if searched else [NEWEST, OLDEST]
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self.again()

    def action_date(self) -> None:
        """Ask for it, and go there."""
        if self.order == RELEVANT:
            self._tell("The best matches are in no order of date: o changes the order.")
        else:
            self.asking.ask_for(shown(f"Go to which date? {dates.HOW}"), self._go_to, check=dates.trouble)

    def _go_to(self, typed: str) -> None:
        first, last = dates.period(typed)
        self.feed.go_to_date(first if self.order == OLDEST else last)

    # --- what is chosen -----------------------------------------------------------------------

    @on(RowList.Marked)
    def _marked(self, event: RowList.Marked) -> None:
        event.stop()
        self.all_chosen = self.all_chosen and not self.rows.marked
        self._anchor = max(self.rows.cursor, 0)
        self.post_message(self.Changed())

    def action_mark_range(self) -> None:
        """From the last mark to the cursor."""
        start, end = sorted((self._anchor, self.rows.cursor))
        if end - start >= MOST:
            self._tell(f"At most {count(MOST)} messages can be marked: * chooses all of the list.")
            return
        self.feed.collect(start, end + 1, self._mark)

    def _mark(self, hits: list[Hit]) -> None:
        room = MOST - len(self.rows.marked)
        for hit in hits[: max(room, 0)]:
            self.rows.marked.setdefault(hit.id, self._row(hit))
        self.rows.rows_changed(keep_cursor=True)
        self.all_chosen = False
        self.post_message(self.Changed())

    def action_choose_all(self) -> None:
        """All of the list, or not any more."""
        self.all_chosen = not self.all_chosen and self.rows.count > 0
        self.rows.unmark()
        self.post_message(self.Changed())

    def _tell(self, text: str) -> None:
        self.asking.muniment.tell(text, "warning")
