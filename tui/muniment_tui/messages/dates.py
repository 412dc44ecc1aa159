"""Dates as people type them to go somewhere in a list."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
HOW = "Write a date as 2025, 2025-03 or 2025-03-14."


def period(typed: str) -> tuple[int, int]:
    """The first and the last second of a year, month or day in this machine's time zone (since 1970 UTC).

    Raises:
        ValueError: it is no date.
    """
    match = _DATE.fullmatch(typed.strip())
    if match is None:
        raise ValueError(HOW)
    year, month, day = (int(part) if part else 0 for part in match.groups())
    start = datetime(year, month or 1, day or 1)
    if day:
        end = start + timedelta(days=1)
    elif month:
        end = start.replace(year=year + month // 12, month=month % 12 + 1)
    else:
        end = start.replace(year=year + 1)
    return int(start.timestamp()), int(end.timestamp()) - 1


def trouble(typed: str) -> str:
    """What is wrong with a date, in a sentence; "" where nothing is."""
    try:
        period(typed)
    except (ValueError, OverflowError, OSError):
        return HOW
    return ""
