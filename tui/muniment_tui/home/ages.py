"""Times as people say them: how long ago, and the clock of today."""

from __future__ import annotations

from muniment.system.formatting import local_moment

MINUTE, HOUR, DAY = 60, 3600, 86400


def age(time: int, now: int) -> str:
    """How long ago something was: `just now`, `5 min ago`, `3 h ago`, `12 days ago`.

    Args:
        time: Seconds since 1970 UTC; a later time than `now` counts as now.
        now: Seconds since 1970 UTC.
    """
    passed = max(now - time, 0)
    if passed < MINUTE:
        return "just now"
    if passed < HOUR:
        return f"{passed // MINUTE} min ago"
    if passed < 2 * DAY:
        return f"{passed // HOUR} h ago"
    return f"{passed // DAY} days ago"


def moment(time: int, now: int, *, aged: bool = True) -> str:
    """A time with its age: `11:58, 2 min ago`; `2026-01-02 09:00, 3 days ago`. `aged` adds the age."""
    at, today = local_moment(time), local_moment(now)
    form = "%H:%M" if at.date() == today.date() else "%Y-%m-%d %H:%M"
    return f"{at:{form}}, {age(time, now)}" if aged else f"{at:{form}}"
