"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes of everything that is measured; counts are of journal reports."""

    count: int = 20_000
    """What peers are raced on."""
    runs: int = 3
    """How often each contestant runs; they take turns."""
    slow: int = 500
    """What a peer is given that needs round trips for each message: it is compared by its rate."""
    exchange: int = 5_000
    """What is read from an Exchange Server: exchangelib as it comes needs minutes for it."""
    graph: int = 2_000
    """What is read from a Microsoft 365 mailbox, of which nothing is faster than the service allows."""
    small: int = 2_000
    large: int = 50_000
    """Between these two, memory must not grow; the larger is also what searches are timed on."""
    giant: int = 150_000_000
    """Bytes of the one huge message."""
    queries: int = 500
    """How often each kind of search is asked."""
    profiled: int = 5_000
    """What the profile is taken over."""


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
    profiled=500,
)
"""Enough to see that everything works; its figures mean nothing."""
