"""How fast a vault grows, from its size on several days, and when its disk will be full."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

import msgspec

DAY = 86400
WINDOW = 30 * DAY
"""Only this last part of the samples counts, since an archive grows at another rate than a year ago."""
LEAST = 2 * DAY
"""Seconds that the samples must span. Less than this says nothing about a week."""
FAR = 3650
"""Days beyond which there is no forecast."""


class SizeSample(msgspec.Struct, frozen=True):
    """The size of a vault at one moment."""

    time: int
    """Seconds since 1970 UTC."""
    bytes: int
    """Ledger, catalog and index on disk."""


def growth(samples: Sequence[SizeSample]) -> float | None:
    """Return how many bytes a vault grows a day; None if the samples do not span two days.

    It is the median of the growth between all pairs of samples, so that the import of an old mailbox does not
    count as the growth of every day.

    Args:
        samples: Sizes in the order of their times.
    """
    recent = [one for one in samples if one.time > samples[-1].time - WINDOW]
    if not recent or recent[-1].time - recent[0].time < LEAST:
        return None
    rates = [
        (later.bytes - earlier.bytes) * DAY / (later.time - earlier.time)
        for earlier, later in combinations(recent, 2)
        if later.time > earlier.time
    ]
    return median(rates)


def days_left(free: int, a_day: float | None) -> int | None:
    """Return the days until a disk is full; None if that is not known, or far away.

    Args:
        free: Free bytes.
        a_day: Growth in bytes a day; None if it is not known.
    """
    if a_day is None or a_day <= 0:
        return None
    days = free / a_day
    return int(days) if days <= FAR else None


def thinned(samples: Sequence[SizeSample], new: SizeSample, days: int) -> tuple[SizeSample, ...]:
    """Return the samples with a new one: the newest of each day in UTC, for a number of days."""
    by_day = {one.time // DAY: one for one in (*samples, new)}
    return tuple(by_day[day] for day in sorted(by_day)[-days:])
