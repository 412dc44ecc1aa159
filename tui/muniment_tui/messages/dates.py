"""Parses dates that the user types to go to a place in a list."""

from __future__ import annotations

import re

from muniment.system import periods
from muniment.system.time_zones import local_tz

_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{1,2}(?:-[0-9]{1,2})?)?")
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


def date_problem(typed: str) -> str:
    """A sentence if `typed` is not a date, else ""."""
    try:
        period(typed)
    except ValueError:
        return HOW
    return ""
