"""Periods in calendar years, months and days, and the moment at which one that began with mail has ended."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Literal

from muniment.errors import UsageError
from muniment.system.formatting import moment

Anchor = Literal["received", "year"]
"""What a period begins with: the day on which a message was received, or the last day of that year."""

LONGEST = {"years": 1_000, "months": 12_000, "days": 400_000}
"""Largest number of each unit."""
NEVER = 253_402_300_800
"""The end of the year 9999, in seconds since 1970 UTC. A period that is not over by then never ends."""
_UNIT = re.compile(r"([0-9]{1,6}) ?(y|years?|m|months?|d|days?)", re.ASCII)
_UNITS = {"y": "years", "m": "months", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time by the calendar."""

    years: int = 0
    months: int = 0
    days: int = 0

    @classmethod
    def read(cls, text: str) -> Period:
        """Read a period as people type it: `10 years`, `6 months`, `1y 6m`, `90 days`.

        Raises:
            UsageError: The text is not a period, or the period is too long.
        """
        found: dict[str, int] = {}
        for word in re.sub(r"(?<=[0-9])\s+(?=[a-z])", "", text.lower().replace(",", " ")).split():
            match = _UNIT.fullmatch(word)
            unit = _UNITS[match[2][0]] if match else ""
            if match is None or unit in found:
                raise _no_period(text)
            found[unit] = int(match[1])
        return cls.of(found)

    @classmethod
    def of(cls, value: Any) -> Period:
        """Read the value that `value` makes.

        Raises:
            UsageError: It is no period, or one that is too long.
        """
        if not isinstance(value, dict) or not value or value.keys() - LONGEST.keys():
            raise _no_period(value)
        for unit, number in value.items():
            if type(number) is not int or number < 0 or number > LONGEST[unit]:
                raise _no_period(value)
        if not any(value.values()):
            raise _no_period(value)
        return cls(**value)

    @property
    def value(self) -> dict[str, int]:
        """The period as JSON, without the units that it does not have."""
        return {unit: number for unit in LONGEST if (number := getattr(self, unit))}

    def __str__(self) -> str:
        return " ".join(
            f"{number} {unit if number != 1 else unit[:-1]}" for unit, number in self.value.items()
        )

    def after(self, day: date) -> date | None:
        """Return the last day of the period that begins with `day`; None if that is after the year 9999.

        Years and months lead to the same day of another month, or to the last day of a month without it.
        """
        months = day.year * 12 + day.month - 1 + self.years * 12 + self.months
        year, month = divmod(months, 12)
        if year > date.max.year:
            return None
        reached = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
        try:
            return reached + timedelta(days=self.days)
        except OverflowError:
            return None


def _no_period(given: object) -> UsageError:
    return UsageError(
        f'{given!r} is not a period: write it in years, months or days, such as "10 years", "6 months" '
        'or "90 days", at most 1,000 years'
    )


def end_of(period: Period, anchor: Anchor, received: int, zone: tzinfo) -> int:
    """Return when a period is over: the first second after its last day, in seconds since 1970 UTC.

    Args:
        period: The period.
        anchor: What it begins with.
        received: When the message was received, in seconds since 1970 UTC.
        zone: The zone of days and years.

    Returns:
        The moment; NEVER if it is after the year 9999.
    """
    return _over(period, anchor, _local_day(received, zone), zone)


@lru_cache(maxsize=4096)
def _over(period: Period, anchor: Anchor, day: date, zone: tzinfo) -> int:
    """As `end_of`, by the day of receipt. Much mail was received on the same days."""
    last = period.after(date(day.year, 12, 31) if anchor == "year" else day)
    if last is None or last == date.max:
        return NEVER
    return _start_of(last + timedelta(days=1), zone)


def _local_day(received: int, zone: tzinfo) -> date:
    at = moment(received)
    try:
        return at.astimezone(zone).date()
    except OverflowError:  # in the first or last hours of the calendar
        return at.date()


def _start_of(day: date, zone: tzinfo) -> int:
    """The first second of a day; the latest that it can mean where the clock is changed at midnight."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return max(int((midnight.replace(fold=fold) - _EPOCH).total_seconds()) for fold in (0, 1))
