"""Requests about runs: start, stop and watch them, and their history."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, StateWord, WireWord


class Run(Request, frozen=True):
    """Run one profile now, enabled or not.

    Role: administrator.
    Stream: ProgressWord several times a second, then RunSummary.

    If a run of the profile is under way or waiting, no second one starts, and the stream watches that one.
    Runs wait for each other. In a service, the run continues after the stream is closed; CancelRun stops it.
    An engine in the caller's own process stops its runs with the stream.

    Raises:
        NotFound: there is no such profile.
    """

    profile: str


class RunAll(Request, frozen=True):
    """Run all enabled profiles, one after another.

    Role: administrator.
    Stream: for each profile ProgressWord replies, then RunSummary. All runs are queued at once, so in a
    service all of them run even if the stream is closed.

    Raises:
        ConfigError: no profile is enabled.
    """


class ProgressWord(StateWord, frozen=True):
    """The state of a run that is under way or waiting."""

    profile: str
    stage: str
    """"waiting" (for another run), "starting", "listing", "fetching", "deleting", "indexing" or "done"."""
    books: dict[str, int]
    """The counts of RunSummary so far, from `listed` to `deleted`."""
    stored: int
    """Copies that are committed."""
    indexed: int
    """Messages that were added to the index."""
    bytes: int
    """Bytes of the fetched copies."""
    seconds: float
    """Time since the run began."""
    rates: dict[str, float]
    """Messages a second since the run began, by "fetch", "store", "index" and "delete"."""
    expected: int = 0
    """Messages at the source, as far as known; at least the number listed so far."""
    deletes: bool = False
    """Whether the run deletes archived messages at the source."""
    arrived: int = 0
    """Copies that were fetched, committed or not."""
    decided: int = 0
    """Copies that were compared with the archive."""
    total_known: bool = False
    """Whether `expected` is final. If not, the source is still listing, and `expected` grows."""
    percent: int | None = None
    """Percentage of `expected` that is dealt with. It never decreases. None while `expected` is not known."""
    rate: float = 0.0
    """Messages a second over the last minute."""
    left: float | None = None
    """Seconds until the end at that rate; None while not known."""


class RunSummary(WireWord, frozen=True):
    """The result of a run. Its fields are the keys of `muniment run --json`.

    The books balance if listed = fetched + already + failed + skipped + pending,
    fetched = new + merged + quarantined + left, and deleted <= already + new + merged + quarantined.
    """

    profile: str
    state: str
    """"ok", "failed" or "cancelled"."""
    listed: int
    """Messages that the source listed or passed over."""
    fetched: int
    """Copies that were fetched and committed, or left."""
    already: int
    """Messages that were archived before and not fetched again."""
    skipped: int
    """Messages that the profile's settings exclude, that were gone before they could be fetched, and
    `passed_over`."""
    pending: int
    """Listed messages that the run did not reach."""
    new: int
    """Copies that were stored as new messages."""
    merged: int
    """Copies of messages that were stored before."""
    quarantined: int
    """Copies that could not be unwrapped."""
    left: int
    """Copies that were fetched and left at the source, since the profile does not archive mail of unknown
    people."""
    failed: int
    """Messages that could not be fetched."""
    deleted: int
    """Messages that were deleted at the source."""
    bytes: int
    """Bytes of the fetched copies."""
    seconds: float
    """Duration of the run."""
    balanced: bool
    """Whether the books balance."""
    error: str = ""
    """A sentence that says what is wrong and what to do; "" for a run that is ok."""
    exit_code: int = 0
    """The exit code of `muniment run` (see muniment.errors)."""
    refused: tuple[str, ...] = ()
    """A sentence for each mailbox or folder that could not be read or emptied."""
    passed: tuple[dict[str, Any], ...] = ()
    """What the source passed over, because it is not mail: `reason`, `count` and `examples` (names) each."""
    passed_over: int = 0
    """Number of things passed over; part of `skipped`."""


class CancelRun(Request, frozen=True):
    """Stop runs. A run under way stops after the messages in hand; a waiting run ends at once.

    Role: administrator.
    Reply: Done, even if nothing runs.

    Raises:
        NotFound: there is no such profile.
    """

    profile: str = ""
    """The profile whose run stops; "" for all runs."""


class WatchRuns(Request, frozen=True):
    """Watch all profiles and their runs.

    Role: auditor.
    Stream: RunsState at once and after each change, at most two a second. Without a change, the state is
    repeated every second, so both ends notice a lost connection. The stream ends when the client closes it,
    or with the service.
    """


class ProfileState(WireWord, frozen=True):
    """A profile and its run. Part of RunsState."""

    name: str
    source: str
    """As in ProfileStatus."""
    enabled: bool
    """As in ProfileStatus."""
    every: int
    """Seconds between the starts of two runs."""
    next_start: int = 0
    """When its next scheduled run starts, seconds since 1970 UTC; 0 if none is scheduled."""
    running: ProgressWord | None = None
    """Its run that is under way or waiting."""
    last: dict[str, Any] | None = None
    """The summary of the last run, as in ProfileStatus."""
    tested: bool = True
    """As in ProfileWord."""


class LogLine(WireWord, frozen=True):
    """A line of the service's log. It never has content of mail. Part of RunsState."""

    number: int
    """Counted from 1 since the service started."""
    time: int
    """Seconds since 1970 UTC."""
    text: str
    """Sanitised, one line, at most 500 characters."""
    level: str = "info"
    """"info", "warning" or "error"."""


class RunsState(StateWord, frozen=True):
    """All profiles, their runs and the newest log lines, at one moment."""

    profiles: tuple[ProfileState, ...]
    log: tuple[LogLine, ...]
    """The newest 200 lines at most, oldest first."""
    quarantined: int = 0
    """Items in quarantine."""


class GetHistory(Request, frozen=True):
    """Ask for a page of the runs that have ended, newest first.

    Role: auditor.
    Reply: History.

    Raises:
        NotFound: there is no such profile, and none of that name ever ran.
    """

    profile: str = ""
    """"" for all profiles."""
    state: str = ""
    """"ok", "failed" or "cancelled"; "" for all."""
    eventful: bool = False
    """Only runs that fetched or deleted something, or that are not "ok"."""
    limit: int = 50
    """Runs of a page, from 1 to 500."""
    after: int = 0
    """`History.after` of the page before; 0 for the first page."""


class RunRecord(WireWord, frozen=True):
    """A run that has ended. Part of History."""

    time: int
    """When it ended, seconds since 1970 UTC; 0 if not known."""
    summary: dict[str, Any]
    """The fields of RunSummary without `exit_code`. Runs in the ledger also have `started`, the time when
    they began."""
    sequence: int = 0
    """The number of its record in the ledger; 0 for a run that failed before it listed anything, which has
    no record."""
    count: int = 1
    """How many runs of the profile in a row failed like this one; only the last is kept."""
    since: int = 0
    """When the first of these ended, seconds since 1970 UTC; 0 for a run that has a record."""


class History(WireWord, frozen=True):
    """A page of the runs that have ended."""

    runs: tuple[RunRecord, ...]
    """Newest first. A page may have more than `limit` runs, since runs without a record are added."""
    after: int = 0
    """Value of `after` for the next page; 0 if this is the last page."""
