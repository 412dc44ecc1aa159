"""What a run has done so far: counters that any front end can show, and the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RunBooks:
    """The counts of one run. `balanced` proves that no item was lost between two stages."""

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
        """Whether the books balance (docs/design.md, invariant 4)."""
        return (
            self.pending >= 0
            and self.listed == self.fetched + self.already + self.failed + self.skipped + self.pending
            and self.fetched == self.new + self.merged + self.quarantined + self.left
            and self.deleted <= self.already + self.new + self.merged + self.quarantined
        )


@dataclass(slots=True)
class RunProgress:
    """The state of a run at one moment."""

    profile: str
    stage: str = "starting"
    """"starting", "listing", "fetching", "deleting", "indexing", "done"."""
    state: str = "running"
    """"running", "ok", "failed", "cancelled"."""
    books: RunBooks = field(default_factory=RunBooks)
    expected: int = 0
    """Number of messages in all, as far as it is known: at least as many as are listed."""
    total_known: bool = False
    """Whether `expected` is the final number. Otherwise the source is still listing."""
    deletes: bool = False
    """Whether kept mail is deleted at the source."""
    arrived: int = 0
    """Copies that reached the archivist."""
    decided: int = 0
    """Copies of which the archivist knows what they are: new, known, in quarantine, or left."""
    stored: int = 0
    """Copies that are committed."""
    indexed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rates: dict[str, float] = field(default_factory=dict)
    """Messages a second, by stage: "fetch", "store", "index", "delete"."""
    error: str = ""
    refused: tuple[str, ...] = ()
    """Mailboxes and folders that were not read, or from which nothing was deleted, each with the reason."""
    passed: list[dict[str, Any]] = field(default_factory=list)
    """What the source passed over, which is part of what was skipped: `reason`, `count`, and `examples` of
    names."""

    @property
    def passed_over(self) -> int:
        """Number of items that the source passed over."""
        return sum(one["count"] for one in self.passed)


def settled(progress: RunProgress) -> int:
    """Number of messages at the source that need no more fetching."""
    books = progress.books
    return progress.arrived + books.already + books.failed + books.skipped
