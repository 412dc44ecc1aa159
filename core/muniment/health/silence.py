"""Users of whom no journal report has come for a while: the journal rule may not cover them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

DAY = 86400


@dataclass(frozen=True, slots=True)
class WatchedUser:
    """A user who should have journal reports."""

    id: str
    """The id in the directory."""
    label: str
    """The main address."""
    added: int
    """When the user was added, in seconds since 1970 UTC."""
    last: int = 0
    """When the newest known report was made, in seconds since 1970 UTC; 0 if none is known."""


@dataclass(frozen=True, slots=True)
class ReportTimes:
    """When journal reports of a vault were made, in seconds since 1970 UTC; 0 for never."""

    oldest: int
    newest: int


def silent_since(now: float, days: int) -> int:
    """Return since when a user has been silent who is silent now, in seconds since 1970 UTC."""
    return int(now) - days * DAY


def silent_users(
    users: Iterable[WatchedUser], heard: Collection[str], reports: ReportTimes, since: int
) -> list[WatchedUser]:
    """Return the users whose mail no journal report has brought since a time.

    Nobody is silent before reports have come for that long, nor while none come at all, which is another
    problem. A user who was added later is not silent yet.

    Args:
        users: The users that an administrator has named.
        heard: Ids of users whose mail trusted reports have brought since then.
        reports: When the vault's reports were made.
        since: Seconds since 1970 UTC.
    """
    if not reports.oldest or reports.oldest > since or reports.newest < since:
        return []
    return [user for user in users if user.added <= since and user.id not in heard]
