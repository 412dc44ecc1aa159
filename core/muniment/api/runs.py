"""About runs."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, StateWord, Word


class Run(Request, frozen=True):
    """Run one profile now. Stream of ProgressWord, then RunSummary.

    A run of it that goes on or waits already is the one that is watched: there are never two at once. In
    a service the run goes on when the stream is closed (CancelRun stops it); an engine in the caller's own
    process stops it.
    """

    profile: str


class RunAll(Request, frozen=True):
    """Run every enabled profile, one after another. Stream of ProgressWord and RunSummary, a summary each.

    All are asked for at once, so that all are run whoever hangs up, as with Run.
    """


class ProgressWord(StateWord, frozen=True):
    """A running run at one instant: runs.pipeline.progress.Progress as plain values."""

    profile: str
    stage: str
    """"waiting" (another run goes on), "starting", "listing", "fetching", "deleting", "indexing", "done"."""
    books: dict[str, int]
    stored: int
    indexed: int
    bytes: int
    seconds: float
    rates: dict[str, float]
    """Messages a second since the run began, by "fetch", "store", "index", "delete"."""
    expected: int = 0
    """How many messages there are in all, as far as is known: at least as many as are listed."""
    deletes: bool = False
    """Whether what is kept is deleted at the source."""
    arrived: int = 0
    """Copies that were fetched, committed or not."""
    decided: int = 0
    """Those of them that were compared with what is kept."""
    total_known: bool = False
    """Whether `expected` is all there is. Else the source is still listing, and `expected` grows."""
    percent: int | None = None
    """Of `expected`, how many have been dealt with; it never goes back. None while that is not known."""
    rate: float = 0.0
    """Messages a second, over the last minute."""
    left: float | None = None
    """Seconds until the rest has been dealt with, at that rate; None while unknown."""


class RunSummary(Word, frozen=True):
    """A run's end; its fields are the contract of `muniment run --json`."""

    profile: str
    state: str
    """"ok", "failed" or "cancelled"."""
    listed: int
    fetched: int
    already: int
    skipped: int
    pending: int
    new: int
    merged: int
    quarantined: int
    left: int
    failed: int
    deleted: int
    bytes: int
    seconds: float
    balanced: bool
    error: str = ""
    """A sentence that says what to do, for a run that is not ok."""
    exit_code: int = 0
    refused: tuple[str, ...] = ()
    """Mailboxes and folders that were not read, or not emptied, each with the reason."""
    passed: tuple[dict[str, Any], ...] = ()
    """What the source passed over as it is no mail, part of `skipped`: `reason`, `count` and `examples`."""
    passed_over: int = 0
    """How many that are."""


class CancelRun(Request, frozen=True):
    """Stop the profile's run after the messages in hand, or all runs. Reply: Done, also where nothing runs.

    A run that only waits for its turn ends at once.
    """

    profile: str = ""
    """"" for all that run or wait."""


class WatchRuns(Request, frozen=True):
    """What runs, live. Stream of RunsState: at once, then whenever something changes, at most two a
    second, and the same again after a second without change, so that a lost line is noticed.

    Each state is made when the reader asks for it, so a slow reader misses states but never gets an old
    one. Ends when it is closed, or with the service.
    """


class ProfileState(Word, frozen=True):
    """A profile as the service sees it now."""

    name: str
    source: str
    enabled: bool
    every: int
    """Seconds from the start of a run to the start of the next."""
    next_start: int = 0
    """Seconds since 1970 UTC; 0 where nothing is scheduled."""
    running: ProgressWord | None = None
    last: dict[str, Any] | None = None
    """The last run's summary, as in ProfileStatus, with `ended`: when that was, seconds since 1970 UTC."""
    tested: bool = True
    """As in ProfileWord."""


class LogLine(Word, frozen=True):
    """A line of the service's log; never mail content."""

    number: int
    """Counts up from 1 while a service lives."""
    time: int
    text: str
    level: str = "info"
    """"info", "warning" or "error"."""


class RunsState(StateWord, frozen=True):
    profiles: tuple[ProfileState, ...]
    log: tuple[LogLine, ...]
    """The newest 200 at most."""
    quarantined: int = 0


class GetHistory(Request, frozen=True):
    """Runs that have ended, newest first; "" means any. Reply: History."""

    profile: str = ""
    state: str = ""
    eventful: bool = False
    """Only those that brought or deleted something, or did not go well."""
    limit: int = 50
    after: int = 0
    """What the page before said; 0 for the first page."""


class RunRecord(Word, frozen=True):
    time: int
    """When it ended, seconds since 1970 UTC; 0 where that is not known."""
    summary: dict[str, Any]
    """With the keys of `run --json`, `error`, and for those in the ledger `started`, seconds since 1970."""
    sequence: int = 0
    """Its record's place in the ledger; 0 for a run that got nowhere, which the ledger does not keep."""
    count: int = 1
    """So many runs of the profile in a row got nowhere, this the last; only that one is kept."""
    since: int = 0
    """When the first of these ended."""


class History(Word, frozen=True):
    runs: tuple[RunRecord, ...]
    after: int = 0
    """Pass it as `after` for the next page; 0 at the end."""
