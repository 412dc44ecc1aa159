"""Sums arrivals by the days and hours of a time zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo

HOUR = 3600


def day_starts(now: float, zone: tzinfo, days: int) -> list[int]:
    """Return when each of the last days began in a zone, the oldest first; the last one is today.

    A day may have 23 or 25 hours.

    Args:
        now: Seconds since 1970 UTC.
        zone: The time zone.
        days: Number of days.
    """
    today = datetime.fromtimestamp(now, zone).date()
    dates = (today - timedelta(days=back) for back in range(days - 1, -1, -1))
    return [int(datetime(date.year, date.month, date.day, tzinfo=zone).timestamp()) for date in dates]


def hour_starts(now: float, zone: tzinfo, hours: int) -> list[int]:
    """Return when each of the last hours began by the clocks of a zone, the oldest first; the last is now.

    Args:
        now: Seconds since 1970 UTC.
        zone: The time zone.
        hours: Number of hours.
    """
    shift = int((datetime.fromtimestamp(now, zone).utcoffset() or timedelta()).total_seconds())
    current = (int(now) + shift) // HOUR * HOUR - shift
    return [current - back * HOUR for back in range(hours - 1, -1, -1)]


def summed(starts: Sequence[int], counts: Iterable[tuple[int, int]]) -> list[int]:
    """Return the sum of counts in each period.

    Args:
        starts: When each period begins, in order; the last one has no end.
        counts: A time and a count each. Those before the first period are left out.
    """
    sums = [0] * len(starts)
    for time, count in counts:
        period = bisect_right(starts, time) - 1
        if period >= 0:
            sums[period] += count
    return sums
