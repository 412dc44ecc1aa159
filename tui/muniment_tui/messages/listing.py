"""Plans which requests load which rows of a list that may have millions of them.

A `MailListing` is one folder or one search in one order. The screen needs rows by their numbers, but the
engine knows only places between messages (`Hits.after`, `Hits.before`). The listing remembers the places at
the edges of the loaded pages and continues from the nearest one. If none is near, it jumps by date: it
estimates the date of a row from the dates that it knows, and reaches the row in a few steps. Rows keep their
numbers while new mail arrives.

There is no I/O here: `plan` returns the next request, and `take` takes its answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from muniment.api import Hit, Hits, ListMessages, Search
from muniment_tui.messages.conversation import in_conversation

Asked = ListMessages | Search
REACH = 1_000
"""Maximum distance, in rows, that is read from a known place. Longer distances are jumped by date."""
RANKED = 1_000
"""Number of results in a list by relevance."""
STEPS = 8
"""Maximum number of estimated dates. After that, the row that was found counts as the wanted one."""
KEPT = 8_000
"""Maximum number of rows in memory."""
PLACES = 4_000
"""Maximum number of places in memory."""
CONVERSED = 200
"""Largest conversation that is drawn as a tree. The engine reads no more headers for a page."""
NEWEST, OLDEST, RELEVANT = "newest first", "oldest first", "best match first"
ANSWERS = "answers below what they answer"


class ListingRequest(Struct, frozen=True):
    """A request and the position of its answer: forward from row `at`, backward to it, or by date."""

    request: Asked
    at: int
    way: int
    """1 for forward, -1 for backward, 0 for by date."""


class MailListing:
    """One folder or search in one order."""

    def __init__(self, request: Asked, order: str = NEWEST, kept: int = KEPT, places: int = PLACES) -> None:
        """`request` names a folder or a query. Its paging fields are ignored.

        `kept` and `places` are the maximum numbers of rows and of places in memory.
        """
        self._kept = kept
        self._places = places
        self.request = request
        self.order = order
        self.total = 0
        self.exact = True
        self.known = False
        """Whether any answer has arrived."""
        self.hits = Hits(total=0, behind=0, hits=())
        """The first answer, for its fields other than the rows."""
        self._rows: dict[int, Hit] = {}
        self._forward: dict[int, str] = {}
        """The value of `after` that loads the rows from a number on."""
        self._backward: dict[int, str] = {}
        """The value of `after` that, in the opposite order, loads the rows before a number."""
        self._dates: list[tuple[int, int]] = []
        self._guesses = 0
        self._aim = -1
        self._stuck = False
        """Whether the last estimated date led to rows that were known already."""
        self._guessed = False
        """Whether some row numbers are estimates."""
        self.landed = 0
        """The number of the first row of the last page by date."""
        self.restart_at: int | None = None
        """The row to continue at after all row numbers have changed; None if they have not."""
        self.depths: dict[str, int] = {}
        """How many messages are above each answer of a conversation, by id."""

    # --- what has come ------------------------------------------------------------------------

    def rows(self, start: int, end: int) -> list[Hit] | None:
        """Rows [start, end), up to the end of the list. None if some are not loaded."""
        end = min(end, self.total)
        if not self.known or any(number not in self._rows for number in range(start, end)):
            return None
        return [self._rows[number] for number in range(start, end)]

    def row(self, number: int) -> Hit | None:
        """One row, or None if it is not loaded."""
        return self._rows.get(number)

    def number_of(self, prefix: str) -> int | None:
        """The number of the first loaded row whose id begins with a text; None if there is none."""
        return min((n for n, hit in self._rows.items() if hit.id.startswith(prefix)), default=None)

    # --- what to ask --------------------------------------------------------------------------

    def plan(self, start: int, end: int) -> ListingRequest:
        """The next request on the way to rows [start, end). Repeat until `rows` returns them."""
        if not self.known:
            return self._step(0, 1, CONVERSED if self.order == ANSWERS else end - start, "")
        end = min(end, self.total)
        first = next(number for number in range(start, end) if number not in self._rows)
        last = next(number for number in range(end, start, -1) if number - 1 not in self._rows)
        step = self._near(first, last)
        if step is None:
            step = self._jump(first, last)
        return step

    def at_date(self, date: int, size: int) -> ListingRequest:
        """The request for the page at a date. `Hits.first` of its answer is the row's number."""
        self._aim = -1
        return ListingRequest(replace(self._way(1), limit=size, around=date), -1, 0)

    def _near(self, first: int, last: int) -> ListingRequest | None:
        """A request from the nearest known place; None if none is near."""
        ahead = _nearest(self._forward, first, lambda at: at <= first)
        behind = _nearest(self._backward, last, lambda at: at >= last)
        choices = []
        if ahead is not None:
            choices.append((first - ahead, ahead, 1))
        if behind is not None and self.order != RELEVANT:
            choices.append((behind - last, behind, -1))
        choices += [(first + 1, 0, 1)] if 0 not in self._forward else []
        if self.total not in self._backward and self.order != RELEVANT:
            choices.append((self.total - last + 1, self.total, -1))
        distance, at, way = min(choices, default=(REACH + 1, 0, 0))
        if distance > REACH and self.order != RELEVANT:
            return None
        size = last - at if way > 0 else at - first
        places = self._forward if way > 0 else self._backward
        return self._step(at, way, size, places.get(at, ""))

    def _step(self, at: int, way: int, size: int, place: str) -> ListingRequest:
        return ListingRequest(replace(self._way(way), limit=size, after=place), at, way)

    def _way(self, way: int) -> Asked:
        oldest = (self.order in (OLDEST, ANSWERS)) == (way > 0)
        bare = replace(self.request, after="", around=None, oldest_first=oldest)
        return replace(bare, by_relevance=self.order == RELEVANT) if isinstance(bare, Search) else bare

    def _jump(self, first: int, last: int) -> ListingRequest:
        """A request by the estimated date of row `first`."""
        if self._aim != first:
            self._aim, self._guesses = first, 0
        self._guesses += 1
        missing = self._unknown_end()
        if missing is not None:
            return missing
        if self._stuck:
            self._stuck = False
            if (probe := self._probe(first, last)) is not None:
                return probe
        above = bisect_left(self._dates, (first, -(2**63)))
        (low, low_date), (high, high_date) = (
            self._dates[above - 1],
            self._dates[min(above, len(self._dates) - 1)],
        )
        part = (first - low) / max(high - low, 1)
        date = round(low_date + (high_date - low_date) * part)
        return ListingRequest(replace(self._way(1), limit=last - first, around=date), first, 0)

    def _probe(self, first: int, last: int) -> ListingRequest | None:
        """A request for the one row beside a place that was found again. Its date may be far away."""
        if self.landed > first:
            behind = _nearest(self._backward, last, lambda at: at >= last)
            return None if behind is None else self._step(behind, -1, 1, self._backward[behind])
        ahead = _nearest(self._forward, first, lambda at: at <= first)
        return None if ahead is None else self._step(ahead, 1, 1, self._forward[ahead])

    def _unknown_end(self) -> ListingRequest | None:
        """A request for the first or last row, whose date is not known yet."""
        if not self._dates or self._dates[0][0] != 0:
            return self._step(0, 1, 1, "")
        if self._dates[-1][0] < self.total - 1:
            return self._step(self.total, -1, 1, "")
        return None

    # --- what came ----------------------------------------------------------------------------

    def take(self, step: ListingRequest, hits: Hits) -> None:
        """Take an answer. Afterwards `restart_at` says whether the row numbers have changed."""
        if not self.known:
            self.known, self.hits, self.exact = True, hits, hits.exact
            self.total = min(hits.total, RANKED) if self.order == RELEVANT else hits.total
        found = list(hits.hits)
        if self.order == ANSWERS and not self._rows:
            found = self._as_tree(found, hits)
        if step.way < 0:
            start = step.at - len(found)
            self._keep(start, found[::-1], hits.after, hits.before)
            if found and (not hits.after) == (start > 0) and (start > 0 or self._guessed):
                self._restart(0)
            return
        start = step.at if step.way > 0 else self._landing(step, hits)
        self._stuck = step.way == 0 and start in self._rows
        self._keep(start, found, hits.before, hits.after)
        end = start + len(found)
        if self.order != RELEVANT and (not hits.after) == (end != self.total):
            if self._guessed:
                self._restart(max(self.total - 1, 0))
            elif not hits.after:
                self.total = end

    def _as_tree(self, found: list[Hit], hits: Hits) -> list[Hit]:
        """A conversation, each answer below its message. One with further pages stays in order of date."""
        if hits.after or len(found) != self.total:
            self.order = OLDEST
            return found
        tree = in_conversation(found)
        self.depths = {hit.id: depth for hit, depth in tree}
        return [hit for hit, _ in tree]

    def _landing(self, step: ListingRequest, hits: Hits) -> int:
        """The number of the first row of a page by date.

        This is the engine's count. If the count is an estimate, or the estimated dates did not lead to the
        row, it is the number that was wanted.
        """
        at = hits.first
        if step.at >= 0 and (not hits.exact or self._guesses >= STEPS):
            at = step.at
        self._guessed = self._guessed or at != hits.first or not hits.exact
        self.landed = max(min(at, self.total - len(hits.hits)), 0)
        return self.landed

    def _keep(self, start: int, found: list[Hit], before: str, after: str) -> None:
        end = start + len(found)
        if before:
            self._backward[start] = before
        if after:
            self._forward[end] = after
        self._rows.update(zip(range(start, end), found, strict=True))
        for number in {start, end - 1} if found else ():
            self._know_date(number, self._rows[number].date)
        if len(self._rows) > self._kept:
            self._rows = {n: hit for n, hit in self._rows.items() if abs(n - start) < self._kept // 4}
        for places in (self._forward, self._backward):
            while len(places) > self._places:
                del places[next(iter(places))]

    def _know_date(self, number: int, date: int) -> None:
        at = bisect_left(self._dates, (number, -(2**63)))
        if at == len(self._dates) or self._dates[at][0] != number:
            self._dates.insert(at, (number, date))

    def _restart(self, row: int) -> None:
        """Forget all rows and places, since estimated numbers do not fit an end of the list."""
        for known in (self._rows, self._forward, self._backward, self._dates):
            known.clear()
        self._guessed = False
        self.restart_at = row


def _nearest(places: dict[int, str], number: int, fits: Callable[[int], bool]) -> int | None:
    return min((at for at in places if fits(at)), key=lambda at: abs(at - number), default=None)
