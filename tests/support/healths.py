"""Replies to GetHealth with plausible values, for tests of what shows them."""

from __future__ import annotations

from typing import Any

from muniment.api import (
    ArrivalSeries,
    DiskState,
    Health,
    HealthProblem,
    HealthProfile,
    PastBackup,
    PastVerification,
    SignedIn,
    SilentUser,
)

NOW = 1_767_614_400
"""2026-01-05 12:00:00 UTC, the time in pictures."""
HOUR, DAY = 3600, 86400
GB = 10**9


def series(step: int, values: tuple[int, ...]) -> ArrivalSeries:
    """A series that ends in the period that has just begun."""
    first = NOW // step * step - (len(values) - 1) * step
    starts = tuple(first + number * step for number in range(len(values)))
    return ArrivalSeries(starts=starts, reports=values, others=(0,) * len(values))


WORK = (0, 0, 1310, 1402, 1288, 1364, 1190)
"""Reports of a week that begins on Saturday."""
DAYS = series(DAY, (*(WORK[number % 7] and WORK[number % 7] + number * 7 for number in range(29)), 612))
HOURS = series(HOUR, (2, 1, 0, 3, 9, 5, 2, 0, 1, 0, 0, 2, 4, 3, 6, 1, 0, 2, 12, 74, 188, 201, 143, 88))


def ran(state: str = "ok", **more: Any) -> dict[str, Any]:
    """The summary of a last run."""
    base = {"profile": "x", "state": state, "new": 12, "listed": 12, "fetched": 12, "balanced": True}
    return base | {"ended": NOW - 240, "error": "", **more}


GATEWAY = HealthProfile(
    name="gateway", source="gateway", enabled=True, tested=True, last=ran(), next_start=NOW + 60, waiting=0
)
ALERTS = HealthProfile(
    name="info", source="imap", enabled=True, tested=True, waiting=3,
    last=ran("failed", new=0, ended=NOW - 3600, error="no login"), next_start=NOW + 600,
)  # fmt: skip
HAND = HealthProfile(name="old-mail", source="mbox", enabled=False, tested=True)


def health(**fields: Any) -> Health:
    """A vault that is well."""
    values: dict[str, Any] = {
        "time": NOW, "verdict": "ok", "summary": "The archive is well.", "messages": 1_204_332,
        "last_report": NOW - 130, "days": DAYS, "hours": HOURS, "profiles": (GATEWAY,), "users": 312,
        "silent_days": 14, "bytes_raw": 812 * GB, "bytes_ledger": 212 * GB, "bytes_catalog": 4 * GB,
        "bytes_index": 9 * GB,
        "disk": DiskState(total=2000 * GB, free=1420 * GB, a_day=1_300_000_000, days_left=1092),
        "verified": PastVerification(
            time=NOW - 3 * DAY, deep=True, ok=True, problems=(), checkpoint="9:ab", seconds=812.0, who="ines"
        ),
        "backup": PastBackup(
            time=NOW - 9 * HOUR, path="/mnt/backup", ok=True, checkpoint="9:ab", seconds=40.0, who="root",
            whole=NOW - 9 * HOUR,
        ),
        "signed_in": (
            SignedIn(login="ines", role="administrator", since=NOW - 1800, clients=2),
            SignedIn(login="audrey", role="auditor", since=NOW - 600, clients=1),
        ),
        "setup_done": 10, "setup_steps": 10,
    }  # fmt: skip
    return Health(**(values | fields))


def troubled(**fields: Any) -> Health:
    """A vault with problems of each severity."""
    problems = (
        HealthProblem(
            key="no-reports", severity="critical", area="profiles",
            text="No journal report for 26 hours. Check the journal rule, where its reports go, and the "
            "mailbox for undeliverable reports.",
        ),
        HealthProblem(
            key="run-failed:info", severity="warning", area="runs", row="info",
            text="The run of info failed: the server refuses the login.",
        ),
        HealthProblem(
            key="silent-users", severity="warning", area="people", row="eve@quill.example",
            text="No journal report for 14 days for eve@quill.example and bob@quill.example. Make sure that "
            "the journal rule covers them.",
        ),
        HealthProblem(
            key="quarantine", severity="warning", area="runs", row="quarantine",
            text="3 items could not be unwrapped. Look at the reasons in the quarantine, and retry.",
        ),
        HealthProblem(
            key="disk-fills", severity="warning",
            text="The vault's disk will be full in about 12 days. Free some space, or move the vault to a "
            "larger disk.",
        ),
    )  # fmt: skip
    values: dict[str, Any] = {
        "verdict": "critical", "summary": f"{problems[0].text} (4 more)", "problems": problems,
        "profiles": (GATEWAY, ALERTS, HAND), "quarantined": 3, "behind": 1204, "last_report": NOW - 26 * HOUR,
        "silent_total": 2,
        "silent": (
            SilentUser(user="eve@quill.example", name="Eve Holt", last=NOW - 20 * DAY),
            SilentUser(user="bob@quill.example", name="Bob Ray", last=0),
        ),
        "disk": DiskState(total=2000 * GB, free=15 * GB, a_day=1_300_000_000, days_left=12),
        "backup": PastBackup(
            time=NOW - 9 * HOUR, path="/mnt/backup", ok=False, checkpoint="", seconds=1.0, who="root",
            error="no space left", whole=NOW - 4 * DAY,
        ),
    }  # fmt: skip
    return health(**(values | fields))


def empty(**fields: Any) -> Health:
    """A vault without mail, whose set-up has not begun."""
    none = (0,) * 30
    values: dict[str, Any] = {
        "time": NOW, "summary": "The archive is well.", "days": series(DAY, none),
        "hours": series(HOUR, none[:24]), "silent_days": 14,
        "bytes_ledger": 4200, "bytes_catalog": 120_000,
        "disk": DiskState(total=2000 * GB, free=1420 * GB), "setup_done": 0, "setup_steps": 10,
    }  # fmt: skip
    return Health(**(values | fields))


def own(**fields: Any) -> Health:
    """What a plain user gets."""
    summary = "Your folders hold 4,211 messages; no more was checked."
    values: dict[str, Any] = {"time": NOW, "summary": summary, "messages": 4211}
    return Health(**(values | fields))
