"""Counts what holds cover: how much of whom, how old, and what no other hold covers.

Mail is read page by page. What is kept in memory grows with the number of people and holds, not with mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from muniment.archive.catalog import MessageRow
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.retention.closed import Closed, nothing_closed
from muniment.archive.retention.coverage import MessagePage, pages
from muniment.archive.retention.holds import HeldBy, Hold, HoldMatch
from muniment.archive.vault.vault import Vault

COUNTING = "comparing mail with holds"


@dataclass(slots=True)
class MailCount:
    """How much mail there is of something, and from when it is."""

    messages: int = 0
    bytes: int = 0
    unsure: int = 0
    """Messages of these that are held because it is not certain whether a hold covers them."""
    oldest: int = 0
    """The earliest date of a message, in seconds since 1970 UTC; 0 without messages."""
    newest: int = 0

    def add(self, row: MessageRow, unsure: bool) -> None:
        """Count a message."""
        self.oldest = row.date if not self.messages else min(self.oldest, row.date)
        self.newest = row.date if not self.messages else max(self.newest, row.date)
        self.messages += 1
        self.bytes += row.size
        self.unsure += unsure


@dataclass(slots=True)
class HoldCount:
    """What one hold covers."""

    hold: Hold
    total: MailCount = field(default_factory=MailCount)
    alone: int = 0
    """Messages that no other open hold covers: they lose protection when it is released."""
    others: Counter[int] = field(default_factory=Counter)
    """Messages that another open hold covers as well, by its number."""
    people: dict[str, MailCount] = field(default_factory=dict)
    """By the id of each user who has one of the messages in a folder; "catch-all" for the catch-all."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why it is not sure that a message is selected, with the number of messages."""


@dataclass(slots=True)
class HeldCount:
    """What all open holds cover together, each message once."""

    holds: list[HoldCount]
    total: MailCount = field(default_factory=MailCount)
    examined: int = 0
    """Messages that were compared."""


def count_held(
    vault: Vault, holds: Sequence[Hold], size: int = 500, closed: Closed = nothing_closed
) -> Generator[StageProgress, None, HeldCount]:
    """Compare all mail with holds, and count it.

    Args:
        vault: The vault.
        holds: The holds.
        size: Messages of a page.
        closed: Messages that are not counted.

    Yields:
        How far it is.

    Returns:
        The counts.

    Raises:
        VaultError: The catalog can't be read.
    """
    found = HeldCount([HoldCount(hold) for hold in holds])
    by_number = {count.hold.number: count for count in found.holds}
    whole, match = vault.catalog.totals().messages, HoldMatch(vault, holds)
    for page in pages(vault, size):
        held = _open(match.held(page), closed)
        people = vault.catalog.holders_of(held)
        for row in page.rows:
            if covering := held.get(row.sequence):
                found.total.add(row, all(one.unsure for one in covering))
                for one in covering:
                    _count(by_number[one.hold.number], row, one, covering, people.get(row.sequence, set()))
        found.examined += len(page.rows)
        yield StageProgress(COUNTING, found.examined, max(whole, found.examined))
    return found


def _count(count: HoldCount, row: MessageRow, held: HeldBy, covering: list[HeldBy], people: set[str]) -> None:
    count.total.add(row, bool(held.unsure))
    for user in people:
        count.people.setdefault(user, MailCount()).add(row, bool(held.unsure))
    if held.unsure:
        count.reasons[held.unsure] += 1
    others = [one.hold.number for one in covering if one.hold.number != count.hold.number]
    count.others.update(others)
    count.alone += not others


def held_messages(
    vault: Vault, holds: Sequence[Hold], closed: Closed = nothing_closed
) -> Iterator[tuple[MessagePage, dict[int, list[HeldBy]]]]:
    """Yield all mail page by page, with the holds that cover each message that is not closed, by number."""
    match = HoldMatch(vault, holds)
    for page in pages(vault):
        yield page, _open(match.held(page), closed)


def _open(held: dict[int, list[HeldBy]], closed: Closed) -> dict[int, list[HeldBy]]:
    """Leave out the closed messages: that a query of a hold finds one says what is in it."""
    without = closed(held)
    return {number: covering for number, covering in held.items() if number not in without}
