"""What the archivist has appended since the last commit, and what it hands on after it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum, auto

from muniment.archive.facts import Fact
from muniment.archive.index import IndexDocument
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.records import ReceiptGroup
from muniment.sources.base import MailItem, MailPlace


class CopyOutcome(Enum):
    """What became of a fetched item. The names are those of the books' columns."""

    NEW = auto()
    MERGED = auto()
    QUARANTINED = auto()
    LEFT = auto()
    ERASED = auto()
    """It was erased before, so it is not archived again. It counts as archived already."""


@dataclass(slots=True)
class CommittedBatch:
    """A batch that is safely kept."""

    head: LedgerHead
    outcomes: list[tuple[MailItem, CopyOutcome]]
    documents: list[IndexDocument]
    touched: list[bytes]
    """Messages that were kept before and got a further copy. They must be indexed again."""


@dataclass(slots=True)
class CurrentBatch:
    """Everything that was appended since the last commit."""

    now: int = field(default_factory=lambda: time.time_ns() // 1000)
    started: float = field(default_factory=time.monotonic)
    facts: list[Fact] = field(default_factory=list)
    outcomes: list[tuple[MailItem, CopyOutcome]] = field(default_factory=list)
    receipts: list[ReceiptGroup] = field(default_factory=list)
    groups: dict[tuple[MailPlace, str], ReceiptGroup] = field(default_factory=dict)
    """The latest group of receipts for each place and title. Gmail's labels are titles in one place."""
    received: set[bytes] = field(default_factory=set)
    """The hashes of the copies that its receipts name."""
    documents: dict[bytes, IndexDocument] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    originals: dict[bytes, tuple[bytes, int, int]] = field(default_factory=dict)
    """Where the bytes of this batch's messages are, for forks of them: [start, end) of a copy."""
    copies: dict[tuple[bytes, bool], tuple[bytes, ...]] = field(default_factory=dict)
    """The messages of each copy, by its hash and by whether it was unwrapped as a report."""
    instead: dict[bytes, bytes] = field(default_factory=dict)
    """Hashes of messages that others replace, with the hashes of these in this batch."""
    quarantined: set[bytes] = field(default_factory=set)
    parts: set[bytes] = field(default_factory=set)
    bytes: int = 0
