"""Dates of mail in seconds since 1970 UTC. A date that is not plausible is None."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import parsedate_tz
from functools import lru_cache
from itertools import islice

from muniment.mail.headers.date_forms import DAY, LONGEST, readings, seconds_at, time_of_day
from muniment.mail.headers.fields import remembered

EARLIEST = 315_532_800
"""1980-01-01 in seconds since 1970 UTC. A date before this is wrong: there was no mail to archive."""
SLACK = 2 * 86_400
"""Seconds that a date may be later than its receipt, for clocks and time zones that are set wrong."""
HOPS = 8
"""Received fields that are read, newest first."""
_NEAR = 3 * 86_400
"""Seconds between a date and an arrival that still let the arrival decide between two readings."""
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_USUAL = re.compile(
    rb"(?:[A-Za-z]{3}, {1,2})?([0-3]?\d) ([A-Za-z]{3}) ([12]\d{3}) (\d\d):(\d\d):(\d\d) "
    rb"(?:([+-])(\d{4})(?!\d)|(?:GMT|UTC?|Z)(?=[ (]|\Z))"
)


def parse_date(value: bytes | str, near: Sequence[int] = ()) -> int | None:
    """The time of a Date value: RFC 5322 3.3, ISO 8601, and the odd forms in which it is written.

    Never raises.

    A date without a zone is in UTC.

    Args:
        value: the field's value.
        near: times at which the mail arrived. Where day and month could be exchanged, the reading next to one
            of them counts. Without such a reading, the rule of `date_forms.readings` decides.

    Returns:
        Seconds since 1970 UTC; None for what is no date, and for years outside `date_forms.YEARS`.
    """
    raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
    found = _read(raw)
    if len(found) > 1 and near:
        distances = [min(abs(reading - one) for one in near) for reading in found]
        if min(distances) <= _NEAR:
            return found[distances.index(min(distances))]
    return found[0] if found else None


def received_dates(values: Iterable[bytes]) -> tuple[int, ...]:
    """When a message arrived, by its first HOPS Received fields, newest first.

    The values are in seconds since 1970 UTC.
    """
    dates = (_read(value.rpartition(b";")[2].strip()) for value in islice(values, HOPS) if b";" in value)
    return tuple(found[0] for found in dates if found)


def _read(raw: bytes) -> tuple[int, ...]:
    """The possible meanings of a date, the likeliest first."""
    match = _USUAL.match(raw)
    if match is None:
        return _odd(raw)
    day, month, year, hour, minute, second, sign, zone = match.groups()
    midnight, time = _midnight(day, month, year), time_of_day(int(hour), int(minute), int(second))
    if midnight is None or time is None:
        return ()
    return (midnight + time - (_shift(sign, zone) if sign else 0),)


@lru_cache(maxsize=512)
def _midnight(day: bytes, month: bytes, year: bytes) -> int | None:
    """When a day begins in UTC. Cached, since successive mails are of the same days."""
    return seconds_at((int(year), _MONTHS.get(month.lower(), 0), int(day)), 0, 0, 0, 0)


@lru_cache(maxsize=128)
def _shift(sign: bytes, zone: bytes) -> int:
    """The seconds that a zone is east of UTC. An offset of a day or more counts as none."""
    shift = int(zone[:2]) * 3600 + int(zone[2:]) * 60
    return 0 if shift >= DAY else -shift if sign == b"-" else shift


@remembered
def _odd(raw: bytes) -> tuple[int, ...]:
    """As `_read`, for a date that is not in the usual form."""
    return readings(raw) or _fallback(raw)


def _fallback(raw: bytes) -> tuple[int, ...]:
    """The standard library's reading."""
    text = raw[:LONGEST].decode("ascii", "replace")
    try:
        parsed = parsedate_tz(text)
    except (ValueError, IndexError, TypeError, OverflowError, AttributeError):
        return ()
    if parsed is None:
        return ()
    year, month, day, hour, minute, second = parsed[:6]
    found = seconds_at((year, month, day), hour, minute, second, parsed[9] or 0)
    return () if found is None else (found,)


def message_date(
    stated: int | None, hops: Sequence[int], report: int | None, source: int | None, received: int
) -> int:
    """The date by which a message is listed and found, in seconds since 1970 UTC.

    It is the first of these that is plausible: the Date field, the first Received field, the date of the
    journal report, the date from the source, the receipt. Plausible means from 1980 to two days after the
    receipt. A Date field must also not be more than two days later than every Received field and the report,
    since the mail existed by then. The date from the source sets no such limit, since a file may be older
    than its mail.

    Args:
        stated: the time in the Date field; None if there is none.
        hops: the times of the Received fields, newest first.
        report: the date of the journal report that brought the message; None without one.
        source: the date that the source gives; None if it gives none.
        received: when the copy was fetched.
    """
    arrivals = [one for one in (*hops, report) if one is not None and is_sane(one, received)]
    if stated is not None and EARLIEST <= stated <= max(arrivals, default=received) + SLACK:
        return stated
    return clamp(next(iter(arrivals), None), source, received)


def clamp(date: int | None, other: int | None, received: int) -> int:
    """The first of two dates that is plausible, otherwise the receipt's.

    All are in seconds since 1970 UTC.
    """
    for candidate in (date, other):
        if candidate is not None and is_sane(candidate, received):
            return candidate
    return received


def is_sane(date: int, received: int) -> bool:
    """Whether a date is plausible for mail received then: from 1980 to two days after the receipt.

    Both are in seconds since 1970 UTC.
    """
    return EARLIEST <= date <= received + SLACK
