"""The sizes of the measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes of everything that is measured. Counts are in journal reports."""

    count: int = 20_000
    """Reports in a race with peers."""
    runs: int = 3
    """Number of runs of each contestant, in turns."""
    slow: int = 500
    """Reports for a peer that needs a round trip for each message. It is compared by its rate."""
    exchange: int = 5_000
    """Reports in an Exchange Server's mailbox. Unchanged exchangelib needs minutes for them."""
    graph: int = 2_000
    """Messages in a Microsoft 365 mailbox, which is limited by the service."""
    small: int = 2_000
    large: int = 50_000
    """Memory must not grow between these two sizes. Searches are timed on the larger one."""
    giant: int = 150_000_000
    """Bytes of the huge message."""
    queries: int = 500
    """Number of searches of each kind."""
    leaves: int = 1_000_000
    """Records of the smaller ledger in which proofs are made; the larger one has ten times as many."""
    profiled: int = 5_000
    """Reports in the profiled run."""


QUICK = Settings(
    count=500,
    runs=1,
    slow=50,
    exchange=100,
    graph=100,
    small=200,
    large=500,
    giant=20_000_000,
    queries=50,
    leaves=2_000,
    profiled=500,
)
"""Enough to see that everything works. The figures are meaningless."""
