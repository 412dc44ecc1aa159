"""Dates as people type them, as spans of seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_DATE = re.compile(r"([0-9]{4})(?:([-/.])([0-9]{1,2})(?:\2([0-9]{1,2}))?)?", re.ASCII)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII
)
_YEARS = range(1900, 2200)


def period(text: str, now: float, zone: tzinfo) -> tuple[int, int]:
    """The span of a date as it was typed: a year, a month, a day or a minute.

    Args:
        text: the date.
        now: the time of the query, in seconds since 1970 UTC.
        zone: the time zone of the person who typed it.

    Returns:
        [start, end) in seconds since 1970 UTC.

    Raises:
        ValueError: it is no date.
    """
    if moment := _MOMENT.fullmatch(text):
        return _moment(moment, zone)
    days = _relative(text.lower())
    start, end = _calendar(text) if days is None else _day(days, now, zone)
    return _seconds(start, zone), _seconds(end, zone)


def _moment(match: re.Match[str], zone: tzinfo) -> tuple[int, int]:
    moment = datetime.fromisoformat(match[0])
    if moment.year not in _YEARS:
        raise ValueError(match[0])
    start = _seconds(moment, moment.tzinfo or zone)
    return start, start + (1 if match[1] else 60)


def _day(ago: int, now: float, zone: tzinfo) -> tuple[datetime, datetime]:
    if ago > 100 * 365:
        raise ValueError(ago)
    today = datetime.fromtimestamp(now, zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=ago), today - timedelta(days=ago - 1)


def _calendar(text: str) -> tuple[datetime, datetime]:
    match = _DATE.fullmatch(text)
    if match is None or int(match[1]) not in _YEARS:
        raise ValueError(text)
    year, month, day = (int(match[n] or 1) for n in (1, 3, 4))
    start = datetime(year, month, day)
    if match[4] is not None:
        return start, start + timedelta(days=1)
    if match[3] is not None:
        return start, datetime(year + month // 12, month % 12 + 1, 1)
    return start, datetime(year + 1, 1, 1)


def _relative(text: str) -> int | None:
    """Days ago; None if the text has another form."""
    if text in ("today", "yesterday"):
        return int(text == "yesterday")
    match = re.fullmatch(r"([0-9]{1,5})([dwmy])", text)
    return int(match[1]) * _DAYS[match[2]] if match else None


def _seconds(moment: datetime, zone: tzinfo) -> int:
    return int((moment.replace(tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
