"""What a run has done so far: counters any front end can show, and the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Books:
    """Counts of one run; `balanced` is the proof that nothing fell between two stages."""

    listed: int = 0
    fetched: int = 0
    already: int = 0
    skipped: int = 0
    pending: int = 0
    new: int = 0
    merged: int = 0
    quarantined: int = 0
    left: int = 0
    failed: int = 0
    deleted: int = 0

    @property
    def balanced(self) -> bool:
        """Whether invariant 4 of the design holds."""
        return (
            self.pending >= 0
            and self.listed == self.fetched + self.already + self.failed + self.skipped + self.pending
            and self.fetched == self.new + self.merged + self.quarantined + self.left
            and self.deleted <= self.already + self.new + self.merged + self.quarantined
        )


@dataclass(slots=True)
class Progress:
    """A running run, at one instant."""

    profile: str
    stage: str = "starting"
    """"starting", "listing", "fetching", "deleting", "indexing", "done"."""
    state: str = "running"
    """"running", "ok", "failed", "cancelled"."""
    books: Books = field(default_factory=Books)
    expected: int = 0
    """How many messages there are in all, as far as is known: at least as many as are listed."""
    total_known: bool = False
    """Whether `expected` is all there is; else the source is still listing."""
    deletes: bool = False
    """Whether what is kept is deleted at the source."""
    arrived: int = 0
    """Copies that the archivist was handed."""
    decided: int = 0
    """Those of them of which it knows what they are: new, known already, in quarantine, or to be left."""
    stored: int = 0
    """Those that are committed."""
    indexed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    """Messages a second, by stage: "fetch", "store", "index", "delete"."""
    error: str = ""
    refused: tuple[str, ...] = ()
    """Mailboxes and folders that were not read, or not emptied, each with the reason."""
    passed: list[dict[str, Any]] = field(default_factory=list)
    """What the source passed over, part of what was skipped: `reason`, `count`, and `examples` of names."""

    @property
    def passed_over(self) -> int:
        """How many that are."""
        return sum(one["count"] for one in self.passed)


def settled(progress: Progress) -> int:
    """How many of the messages at the source have been dealt with, as far as fetching goes."""
    books = progress.books
    return progress.arrived + books.already + books.failed + books.skipped
