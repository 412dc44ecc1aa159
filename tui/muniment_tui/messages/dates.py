"""Dates as people type them to go somewhere in a list."""

from __future__ import annotations

import re

from muniment.system import periods
from muniment.system.time_zones import local_tz

_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{1,2}(?:-[0-9]{1,2})?)?")
HOW = "Write a date as 2025, 2025-03 or 2025-03-14."


def period(typed: str) -> tuple[int, int]:
    """The first and the last second of a year, month or day, as a query has it (since 1970 UTC).

    Raises:
        ValueError: it is no date.
    """
    date = typed.strip()
    if _DATE.fullmatch(date) is None:
        raise ValueError(HOW)
    start, end = periods.period(date, 0, local_tz())
    return start, end - 1


def trouble(typed: str) -> str:
    """What is wrong with a date, in a sentence; "" where nothing is."""
    try:
        period(typed)
    except ValueError:
        return HOW
    return ""
