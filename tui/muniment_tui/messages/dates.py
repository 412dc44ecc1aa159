"""Dates in lists of mail, and dates that the user types to go to a place in a list."""

from __future__ import annotations

import re
import time

from muniment.system import periods
from muniment.system.formatting import local_moment
from muniment.system.time_zones import local_tz

_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{1,2}(?:-[0-9]{1,2})?)?")
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HOW = "Write a date as 2025, 2025-03 or 2025-03-14."


def period(typed: str) -> tuple[int, int]:
    """The first and last second of a year, month or day, in the local time zone, as seconds since 1970 UTC.

    Raises:
        ValueError: `typed` is not a date.
    """
    date = typed.strip()
    if _DATE.fullmatch(date) is None:
        raise ValueError(HOW)
    start, end = periods.period(date, 0, local_tz())
    return start, end - 1


def listed(timestamp: int) -> str:
    """A date as a list shows it: `today 14:03`, `Mon 14:03` in the week before, `3 Mar`, or `2024-03-03`.

    It is in the local time zone. A day without a year is of this year.
    """
    at, now = local_moment(timestamp), local_moment(int(time.time()))
    days = (now.date() - at.date()).days
    if days == 0:
        return f"today {at:%H:%M}"
    if 0 < days < len(_WEEK):
        return f"{_WEEK[at.weekday()]} {at:%H:%M}"
    if days > 0 and at.year == now.year:
        return f"{at.day} {_MONTHS[at.month - 1]}"
    return f"{at:%Y-%m-%d}"


def date_problem(typed: str) -> str:
    """A sentence if `typed` is not a date, else ""."""
    try:
        period(typed)
    except ValueError:
        return HOW
    return ""
