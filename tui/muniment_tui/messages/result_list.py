"""The pane that lists a folder or search results: order, dates, marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message as Posted

from muniment.api import Hit, Hits, ListMessages, Search
from muniment.errors import MunimentError
from muniment.system.formatting import count, name_of, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.reason_prompt import MailRequests
from muniment_tui.messages import dates
from muniment_tui.messages.conversation import conversation_of, indent, list_title
from muniment_tui.messages.feed import ListFeed
from muniment_tui.messages.listing import ANSWERS, NEWEST, OLDEST, RELEVANT, Asked, MailListing
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.paged import PagedList
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList
from muniment_tui.widgets.situation import situation

PAPERCLIP = "📎"
COUNTED = 99
"""Largest number of attachments that a list shows."""
TO_SINCE = 96
"""Width of a list, in cells, from which it shows senders and recipients."""
NAMES = 400
"""Characters of a header field with people that a list reads."""
_PERSON = re.compile(r'(?:"(?:[^"\\]|\\.)*+"?+|[^",])++', re.DOTALL)
"""All up to a comma that is not in quotes. The last quotes may have no end, since the field is cut."""
OF_ROWS = ("open", "mark", "unmark_all")
"""Actions of a list that use its rows."""
MOST = 10_000
"""Maximum number of marked messages. More than that are exported as a whole list."""


def columns(sent: bool) -> tuple[ListColumn, ...]:
    """The columns of a list of mail. A list of sent mail shows recipients only; a wide list shows both."""
    people = (
        (ListColumn("To", share=3),)
        if sent
        else (ListColumn("From", share=3), ListColumn("To", share=3, since=TO_SINCE))
    )
    return (
        ListColumn("Date", 11),
        *people,
        ListColumn("Subject", share=6),
        ListColumn("Files", 5, right=True, since=60),
        ListColumn("Size", 9, right=True, since=84),
    )


def names_of(to: str) -> str:
    """The names in a header field with several people, as far as a list can show them."""
    return ", ".join(name_of(one.strip()) for one in _PERSON.findall(to[:NAMES]) if one.strip())


class MailRows(PagedList):
    """The rows of a list of mail."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. None may use the rows of a list that another one replaces."""
        offered = super().check_action(action, parameters)
        waits = isinstance(self.parent, ResultPane) and self.parent.waiting
        return None if offered and waits and action in OF_ROWS else offered


class ResultPane(Pane):
    """A list of mail."""

    HELP = (
        "Enter opens a message. Space marks one, r marks all from the last mark to the cursor, * selects the "
        "whole list, and x exports the selection. Lists are sorted by date, search results also by "
        "relevance, and a conversation by its answers."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("mail.order", "o", "Order", "Sort by newest, oldest or best match first.", footer=4),
            Action("mail.date", "d", "Go to date", "Go to a year, month or day in the list.", footer=3),
            Action("mail.mark-range", "r", "Mark to here", "Mark all from the last mark to the cursor."),
            Action("mail.choose-all", "asterisk", "Select all", "Select the whole list, visible or not."),
        )
    ]

    class Changed(Posted):
        """The list, its marks or its selection has changed."""

    def __init__(self, failed: Callable[[MunimentError], object]) -> None:
        """`failed` is called with errors of the engine."""
        super().__init__(shown("Mail"), id="found")
        self.all_chosen = False
        self.order = NEWEST
        self._failed = failed
        self._sent = False
        self._conversation = ""
        """The message whose conversation is listed; "" for any other list."""
        self._order_before = NEWEST
        self._anchor = 0
        self._feed: ListFeed | None = None
        self._request: Asked | None = None
        """What was asked for last, even if it could not be loaded."""

    @property
    def waiting(self) -> bool:
        """Whether another list was asked for. The rows are still those of the one before."""
        return self._feed is not None and self._feed.waiting

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. All of them need at least one row of the list asked for."""
        if self.is_mounted and not self.rows.count:
            return False
        return None if self.waiting else True

    def compose(self) -> ComposeResult:
        yield MailRows(columns(False), marks=True, id="rows")

    def on_mount(self) -> None:
        self._feed = ListFeed(self.rows, self._ask, self._row, self._updated, self._refused)
        self.rest()

    @property
    def rows(self) -> PagedList:
        """The list widget."""
        return self.query_one("#rows", PagedList)

    @property
    def feed(self) -> ListFeed:
        """The loader of the list's rows."""
        assert self._feed is not None
        return self._feed

    @property
    def listing(self) -> MailListing | None:
        """The current listing, or None."""
        return self.feed.listing

    @property
    def requests(self) -> MailRequests:
        """The requests of the screen."""
        return MailRequests(cast(FrameScreen, self.screen))

    def _ask(
        self, request: Asked, then: Callable[[Hits], object], failed: Callable[[MunimentError], object]
    ) -> None:
        self.requests.read(request, Hits, then, failed=failed, lane="list")

    # --- what is listed -----------------------------------------------------------------------

    def rest(self) -> None:
        """Show no list."""
        self.set_title(shown("Mail"))
        self.set_empty(
            "○", "$secondary", "No folder is open", "Open a person's folder, or press / to search."
        )
        self._request = None
        self.feed.clear()

    def set_empty(self, sign: str, style: str, title: str, advice: str) -> None:
        """Set the text that an empty list shows."""
        self.rows.empty = situation(sign, style, title, advice)

    def open(self, request: Asked) -> None:
        """Show a folder or a search."""
        self.requests.clear_notice()
        self._request = request
        self._order_for(conversation_of(request))
        if self.order == RELEVANT and not (isinstance(request, Search) and request.query.strip()):
            self.order = NEWEST
        self._sent = isinstance(request, ListMessages) and request.folder == "Sent"
        self.feed.begin(MailListing(request, self.order))

    def _order_for(self, conversation: str) -> None:
        """Sort a conversation by its answers, and the lists after it as those before it."""
        if conversation and not self._conversation:
            self._order_before = self.order
        if conversation != self._conversation:
            self.order = ANSWERS if conversation else self._order_before
        self._conversation = conversation

    def again(self) -> None:
        """Load the list that was asked for again, for new mail, another order, or after an error."""
        if self._request is not None:
            self.open(self._request)

    def _refused(self, error: MunimentError) -> None:
        """Name the list that could not be loaded, then report the error."""
        if self.listing is None and self._request is not None:
            self.all_chosen = False
            self.set_title(shown(list_title(self._request)))
        self._failed(error)
        self.refresh_bindings()

    def _updated(self, listing: MailListing) -> None:
        self.all_chosen = False
        self.rows.columns = columns(self._sent)
        searched = isinstance(listing.request, Search) and listing.request.query.strip()
        advice = (
            "Try fewer or other words. ? shows the search language."
            if searched
            else "Mail appears here after a run has fetched it."
        )
        title = "No messages found" if searched else "No messages here"
        self.set_empty("○", "$secondary", title, advice)
        if self._conversation and (number := listing.number_of(self._conversation)) is not None:
            self.rows.cursor = number
        self.post_message(self.Changed())

    def _row(self, hit: Hit) -> ListRow:
        people = (names_of(hit.to),) if self._sent else (name_of(hit.sender), names_of(hit.to))
        number = f"{hit.attachments} " if hit.attachments <= COUNTED else f"{COUNTED}+"
        files = PAPERCLIP if hit.attachments == 1 else f"{number}{PAPERCLIP}"
        cells = (
            dates.listed(hit.date),
            *people,
            f"{indent(self._depth(hit))}{hit.subject or '(no subject)'}",
            files if hit.attachments else "",
            size(hit.size),
        )
        return ListRow(hit.id, cells, hit)

    def _depth(self, hit: Hit) -> int:
        return self.listing.depths.get(hit.id, 0) if self.listing is not None else 0

    @on(PagedList.Wanted)
    def _wanted(self, event: PagedList.Wanted) -> None:
        event.stop()
        self.feed.wanted(event)

    def step(self, by: int) -> bool:
        """Move the cursor by `by` rows. Returns False at the end of the list."""
        number = self.rows.cursor + by
        if not 0 <= number < self.rows.count:
            return False
        self.rows.cursor = number
        return True

    # --- order and place ----------------------------------------------------------------------

    def action_order(self) -> None:
        """Sort by the next order."""
        listing = self.listing
        searched = (
            listing is not None and isinstance(listing.request, Search) and listing.request.query.strip()
        )
        orders = [NEWEST, OLDEST]
        orders += [RELEVANT] if searched else []
        orders += [ANSWERS] if self._conversation else []
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self.again()

    def action_date(self) -> None:
        """Ask for a date and go to it."""
        order = self.listing.order if self.listing is not None else self.order
        if order == RELEVANT:
            self._warn("This list is sorted by best match. Press o to sort it by date.")
        elif order == ANSWERS:
            self._warn("A conversation is not sorted by date. Press o to change its order.")
        else:
            self.requests.screen.ask_for(
                shown(f"Go to which date? {dates.HOW}"), self._go_to, check=dates.date_problem
            )

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
        """Mark from the last marked row to the cursor; warn instead if these are more than MOST rows."""
        start, end = sorted((self._anchor, self.rows.cursor))
        if end - start >= MOST:
            self._warn(f"At most {count(MOST)} messages can be marked; * selects the whole list.")
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
        """Select the whole list, or clear the selection."""
        self.all_chosen = not self.all_chosen and self.rows.count > 0
        self.rows.unmark()
        self.post_message(self.Changed())

    def _warn(self, text: str) -> None:
        self.requests.muniment.tell(text, "warning")
