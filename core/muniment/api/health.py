"""The request about a vault's health: what is wrong, and the figures of an administrator's first look."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, WireWord
from muniment.api.proof import PastBackup, PastVerification


class GetHealth(Request, frozen=True):
    """Ask whether the archive is well.

    The reply takes the same time for vaults of any size.

    Role: user.
    Reply: Health. For a user, `messages` and `behind` count their own mail; all else is empty.

    Raises:
        UsageError: the zone is unknown.
    """

    zone: str = ""
    """The time zone of days and hours; "" is UTC."""


class HealthProblem(WireWord, frozen=True):
    """Something that is wrong. Part of Health."""

    key: str
    """Identifies the problem as long as it lasts, such as "run-failed:gateway"."""
    severity: str
    """"warning" or "critical"."""
    text: str
    """A sentence or two: what is wrong, and what to do."""
    area: str = ""
    """Where it is dealt with: "profiles", "runs", "people", "proof", "rules" or "settings"; "" for outside of
    Muniment."""
    row: str = ""
    """What it concerns there: the name of a profile, an address, "quarantine", "verify" or "backup"; "" for
    the whole area."""


class ArrivalSeries(WireWord, frozen=True):
    """How many copies arrived in each of several periods. Part of Health. All lists have the same length."""

    starts: tuple[int, ...] = ()
    """When each period began, seconds since 1970 UTC, the oldest first. The last one is not over."""
    reports: tuple[int, ...] = ()
    """Journal reports."""
    others: tuple[int, ...] = ()
    """Other copies."""


class HealthProfile(WireWord, frozen=True):
    """A profile. Part of Health."""

    name: str
    source: str
    """As in ProfileStatus."""
    enabled: bool
    tested: bool
    running: bool = False
    """Whether a run of it is under way or waiting."""
    next_start: int = 0
    """When its next scheduled run starts, seconds since 1970 UTC; 0 if none is scheduled."""
    last: dict[str, Any] | None = None
    """The summary of the last run, as in ProfileStatus."""
    waiting: int | None = None
    """Messages that wait at the source: files in the spool, else what the last run has left there; None if
    not known."""


class SilentUser(WireWord, frozen=True):
    """A user of whom no journal report came for a while. Part of Health."""

    user: str
    """The main address."""
    name: str = ""
    last: int = 0
    """When the newest report among the newest mail was made, seconds since 1970 UTC; 0 if there is none."""


class DiskState(WireWord, frozen=True):
    """The disk of the vault. Part of Health."""

    total: int
    free: int
    """Bytes, both."""
    a_day: int | None = None
    """Bytes that the vault grows a day; None until sizes of two days are known."""
    days_left: int | None = None
    """Days until it is full at that rate; None if that is not known, or more than ten years."""


class SignedIn(WireWord, frozen=True):
    """A login with clients of the service. Part of Health."""

    login: str
    role: str
    """"administrator", "auditor", "user", or "" for none."""
    since: int
    """Since when the login has had a client without a longer break, seconds since 1970 UTC."""
    clients: int = 1
    """Open connections."""


class Health(WireWord, frozen=True):
    """The state of the archive at one moment."""

    time: int
    """Seconds since 1970 UTC."""
    verdict: str = "ok"
    """"ok", "warning" or "critical": the worst severity of the problems. "" for a user, who may not know."""
    summary: str = ""
    """One sentence about all of it."""
    problems: tuple[HealthProblem, ...] = ()
    """The worst first."""
    messages: int = 0
    """Stored messages, each counted once."""
    behind: int = 0
    """Messages that the index lacks, in whole or in part."""
    last_report: int = 0
    """When the newest journal report was made, seconds since 1970 UTC; 0 for never."""
    days: ArrivalSeries = ArrivalSeries()
    """The last 30 days in the zone of the request."""
    hours: ArrivalSeries = ArrivalSeries()
    """The last 24 hours by the clocks of that zone."""
    profiles: tuple[HealthProfile, ...] = ()
    users: int = 0
    """Users that an administrator has named."""
    silent: tuple[SilentUser, ...] = ()
    """Users without a journal report for `silent_days`, at most 50. See docs/service.md for who counts."""
    silent_total: int = 0
    silent_days: int = 0
    """`quiet_days` in [journaling] of vault.toml."""
    quarantined: int = 0
    bytes_raw: int = 0
    """Bytes of all copies as they were fetched."""
    bytes_ledger: int = 0
    bytes_catalog: int = 0
    bytes_index: int = 0
    """The last three: bytes on disk."""
    disk: DiskState | None = None
    verified: PastVerification | None = None
    """The last verification, deep or not; None if none is noted."""
    backup: PastBackup | None = None
    """The newest backup; None if none is noted."""
    signed_in: tuple[SignedIn, ...] = ()
    """Empty if the engine works without a service."""
    setup_done: int = 0
    """Steps of set-up that are done."""
    setup_steps: int = 0
    """All steps of set-up; 0 for callers who are no administrators."""
