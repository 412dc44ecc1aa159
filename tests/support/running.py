"""Runs as the service reports them, for tests of what shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from muniment.api import LogLine, ProfileState, ProgressWord, RunRecord, RunsState, WireWord
from support.screens import NOW
from support.words import progress

STARTED = NOW - 400
TOTAL = 12_640


def going(arrived: int = 4180, **changes: Any) -> ProgressWord:
    """A run in progress."""
    fetched = max(arrived - 130, 0)
    merged = fetched // 40
    books = {
        "listed": TOTAL, "already": 310, "fetched": fetched, "new": fetched - merged - 2, "merged": merged,
        "quarantined": 2, "failed": 0, "skipped": 1, "pending": TOTAL - 310 - fetched - 1, "left": 0,
        "deleted": 0,
    }  # fmt: skip
    values: dict[str, Any] = {
        "profile": "gateway", "books": books, "stored": fetched, "indexed": fetched - 600,
        "bytes": arrived * 23_400,
        "seconds": arrived / 160, "expected": TOTAL, "arrived": arrived, "decided": arrived - 40,
        "deletes": True, "total_known": True, "percent": (arrived + 311) * 100 // TOTAL, "rate": 67.0,
        "left": (TOTAL - 311 - arrived) / 67,
    }  # fmt: skip
    return progress(**(values | changes))


def finished(state: str = "ok", **changes: Any) -> dict[str, Any]:
    """The summary of a finished run."""
    values: dict[str, Any] = {
        "profile": "gateway", "state": state, "listed": 1010, "fetched": 1000, "already": 10, "skipped": 0,
        "pending": 0, "new": 900, "merged": 99, "quarantined": 1, "left": 0, "failed": 0, "deleted": 1010,
        "bytes": 23_400_000, "seconds": 12.34, "balanced": True, "error": "", "ended": STARTED + 13,
        "started": STARTED,
    }  # fmt: skip
    return values | changes


def failed(**changes: Any) -> dict[str, Any]:
    """The summary of a run that failed before it listed anything."""
    nothing = dict.fromkeys(("listed", "fetched", "already", "new", "merged", "quarantined", "deleted"), 0)
    error = (
        "mail.example.com refused the name or the password of mailbox archive-7: "
        "see that they are right, then try `muniment profile test partner`"
    )
    values: dict[str, Any] = {**nothing, "bytes": 0, "seconds": 0.4, "error": error, "in_a_row": 37}
    return finished(**({"state": "failed"} | values | changes))


def cancelled(**changes: Any) -> dict[str, Any]:
    """The summary of a cancelled run."""
    books = {"listed": 5000, "fetched": 1800, "already": 0, "new": 1790, "merged": 10, "quarantined": 0}
    values: dict[str, Any] = {**books, "pending": 3200, "deleted": 0, "seconds": 11.2}
    return finished(**({"state": "cancelled"} | values | changes))


def profile(name: str = "gateway", **changes: Any) -> ProfileState:
    """A profile that waits for its next run after a good one."""
    values: dict[str, Any] = {
        "name": name, "source": "gateway", "enabled": True, "every": 300, "next_start": NOW + 240,
        "last": finished(profile=name),
    }  # fmt: skip
    return ProfileState(**(values | changes))


def state(*profiles: ProfileState, log: tuple[str, ...] = (), **changes: Any) -> RunsState:
    """The state of the service."""
    lines = tuple(
        LogLine(number=n, time=NOW - 60 + n, text=text, level="warning" if "quarantined" in text else "info")
        for n, text in enumerate(log, 1)
    )
    return RunsState(profiles=profiles, log=lines, **changes)


def record(number: int = 1, **changes: Any) -> RunRecord:
    """A run in the history."""
    values: dict[str, Any] = {
        "sequence": 40_000 - number,
        "time": NOW - number * 300,
        "summary": finished(),
    }
    return RunRecord(**(values | changes))


def forever(*states: RunsState) -> Any:
    """Answers WatchRuns: yields these states, and then the last one again and again, as the service does."""

    def stream(request: WireWord) -> Iterator[WireWord]:
        yield from states
        while True:
            yield states[-1] if states else progress()  # anything that is no state is ignored

    return stream
