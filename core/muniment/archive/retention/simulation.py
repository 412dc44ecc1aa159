"""Says what a disposal would take, before anything acts: how much of whom, how old, by which rule, when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from muniment.archive.catalog.model import MessageRow
from muniment.archive.retention.closed import Closed, nothing_closed
from muniment.archive.retention.coverage import PAGE
from muniment.archive.retention.due import LIST_LIMIT, DueList, DueMessage, DuePage, due_pages, list_name
from muniment.archive.retention.rules import RuleVersion
from muniment.archive.vault.vault import Vault
from muniment.people.directory import CATCH_ALL
from muniment.system.formatting import moment

EXAMPLES = 5
"""Most examples of each version of a rule."""
ALL_EXAMPLES = 50
"""Most examples."""


@dataclass(slots=True)
class MailShare:
    """How much mail, and when it was received."""

    messages: int = 0
    bytes: int = 0
    oldest: int = 0
    """When the oldest was received, in seconds since 1970 UTC."""
    newest: int = 0
    """When the newest was received."""

    def add(self, row: MessageRow) -> None:
        """Count a message."""
        self.oldest = min(self.oldest, row.received) if self.messages else row.received
        self.newest = max(self.newest, row.received) if self.messages else row.received
        self.messages += 1
        self.bytes += row.size


@dataclass(slots=True)
class Simulation:
    """What a disposal at a moment would take."""

    at: int
    """In seconds since 1970 UTC."""
    examined: int = 0
    """Messages that were looked at."""
    goes: MailShare = field(default_factory=MailShare)
    """All that would go."""
    rules: dict[tuple[str, int], MailShare] = field(default_factory=dict)
    """By name and version of the rule."""
    people: dict[str, MailShare] = field(default_factory=dict)
    """By the label of each person who has it. A message of several people counts for each."""
    months: Counter[str] = field(default_factory=Counter)
    """Messages by the month in which their time comes, such as `2036-01`, in UTC."""
    kept: Counter[str] = field(default_factory=Counter)
    """Messages whose time has come, but that stay: by "hold", "rule" or "doubt"."""
    doubts: Counter[str] = field(default_factory=Counter)
    """Why it is not certain that a rule is about them."""
    examples: list[DueMessage] = field(default_factory=list)
    listed: int = 0
    """How many of them one disposal takes: the first in the order of the ledger."""
    name: str = ""
    """The name of that list (see `due.list_name`)."""


class Simulator:
    """Makes a simulation, page by page."""

    def __init__(
        self,
        vault: Vault,
        at: int,
        size: int = PAGE,
        most: int = LIST_LIMIT,
        rules: Sequence[RuleVersion] | None = None,
        closed: Closed = nothing_closed,
    ) -> None:
        """Prepare a simulation.

        Args:
            vault: The vault.
            at: The moment of the disposal, in seconds since 1970 UTC.
            size: Messages of a page.
            most: Messages that one disposal takes.
            rules: Versions of rules as they might be; by default those of the vault. No list is made of what
                would go by other rules, since nothing may be erased by it.
            closed: Messages that are not counted, since the reader must learn nothing about them.
        """
        self.result = Simulation(at)
        self._vault = vault
        self._size = size
        self._list = DueList(vault, most)
        self._rules = rules
        self._closed = closed

    def run(self) -> Iterator[int]:
        """Look at all messages; yields after each page how many were looked at.

        Raises:
            VaultError: A rule, a hold or the catalog can't be read.
        """
        for page in due_pages(self._vault, self.result.at, self._size, self._rules):
            self._add(_open(page, self._closed))
            yield self.result.examined
        if self._rules is not None:
            return
        self.result.listed = self._list.messages
        self.result.name = list_name(self._list.hashes)

    def _add(self, page: DuePage) -> None:
        result = self.result
        result.examined += page.examined
        result.kept.update(protection.kind for protection in page.kept.values())
        result.kept["doubt"] += len(page.doubts)
        result.doubts.update(page.doubts.values())
        labels = self._labels(page)
        self._list.add(page.due)
        for one in page.due:
            result.goes.add(one.row)
            share = result.rules.setdefault((one.time.rule.name, one.time.rule.version), MailShare())
            share.add(one.row)
            if share.messages <= EXAMPLES and len(result.examples) < ALL_EXAMPLES:
                result.examples.append(one)
            result.months[f"{moment(one.time.until):%Y-%m}"] += 1
            for label in labels.get(one.row.sequence, ()):
                result.people.setdefault(label, MailShare()).add(one.row)

    def _labels(self, page: DuePage) -> dict[int, set[str]]:
        """The people who have each message, by their labels."""
        paths = self._vault.catalog.folders_of([one.row.sequence for one in page.due])
        return {number: {_label(path) for path in found} for number, found in paths.items()}


def _open(page: DuePage, closed: Closed) -> DuePage:
    """Leave out the closed messages, that is, what rules say about them."""
    without = closed([*(one.row.sequence for one in page.due), *page.kept, *page.doubts])
    if not without:
        return page
    return DuePage(
        page.examined,
        [one for one in page.due if one.row.sequence not in without],
        {number: why for number, why in page.kept.items() if number not in without},
        {number: why for number, why in page.doubts.items() if number not in without},
    )


def _label(path: str) -> str:
    """The label in `label/folder`. An address may have a slash before its `@`, and a folder anywhere."""
    if path.startswith(f"{CATCH_ALL}/"):
        return CATCH_ALL
    return path[: path.find("/", path.find("@") + 1)]
