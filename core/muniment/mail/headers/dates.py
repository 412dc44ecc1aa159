"""Dates of mail as seconds since 1970 UTC; whatever can't be believed is None."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from email.utils import parsedate_tz
from functools import lru_cache
from itertools import islice

from muniment.mail.headers.date_forms import DAY, LONGEST, readings, seconds_at, time_of_day
from muniment.mail.headers.fields import remembered

EARLIEST = 315_532_800
"""1980-01-01: no mail is older than this and still has a date that is right."""
SLACK = 2 * 86_400
"""Seconds that a date may be ahead of its receipt: clocks and time zones that are set wrong."""
HOPS = 8
"""Received fields that are read, from the newest."""
_NEAR = 3 * 86_400
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
    """Seconds since 1970 UTC of a Date value: RFC 5322 3.3, ISO 8601, and the odd ways it is written.

    None for what is no date, and for years that no mail is from. A date without a zone is UTC. Where day
    and month can't be told apart, the reading next to one of `near`, when the mail came, counts; where that
    does not help, the rule of `date_forms.readings`.
    """
    raw = value.encode("utf-8", "replace") if isinstance(value, str) else value
    found = _read(raw)
    if len(found) > 1 and near:
        distances = [min(abs(reading - one) for one in near) for reading in found]
        if min(distances) <= _NEAR:
            return found[distances.index(min(distances))]
    return found[0] if found else None


def received_dates(values: Iterable[bytes]) -> tuple[int, ...]:
    """When a message came, by its first HOPS Received fields in their order, the newest first."""
    dates = (_read(value.rpartition(b";")[2].strip()) for value in islice(values, HOPS) if b";" in value)
    return tuple(found[0] for found in dates if found)


def _read(raw: bytes) -> tuple[int, ...]:
    """What a date may mean, the likeliest first."""
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
    """When a day begins in UTC; mail after mail is of the same days."""
    return seconds_at((int(year), _MONTHS.get(month.lower(), 0), int(day)), 0, 0, 0, 0)


@lru_cache(maxsize=128)
def _shift(sign: bytes, zone: bytes) -> int:
    """The seconds that a zone is east of UTC; one of a day or more counts as none."""
    shift = int(zone[:2]) * 3600 + int(zone[2:]) * 60
    return 0 if shift >= DAY else -shift if sign == b"-" else shift


@remembered
def _odd(raw: bytes) -> tuple[int, ...]:
    """As `_read`, of a date in another form than the usual one."""
    return readings(raw) or _fallback(raw)


def _fallback(raw: bytes) -> tuple[int, ...]:
    """What the standard library makes of it."""
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
    """The date that a message is listed and found by, as seconds since 1970 UTC.

    It is the first of these that is sane: what its Date field states, its first Received field (`hops`, the
    newest first), the date of the journal report that brought it, what its source says, its receipt. Sane is
    from 1980 to two days after the receipt. A Date is not believed either if it is more than two days later
    than every Received field and the report: they say when the mail was there. What a source says sets no
    such bound, since a file's time may be older than its mail.
    """
    arrivals = [one for one in (*hops, report) if one is not None and is_sane(one, received)]
    if stated is not None and EARLIEST <= stated <= max(arrivals, default=received) + SLACK:
        return stated
    return clamp(next(iter(arrivals), None), source, received)


def clamp(date: int | None, other: int | None, received: int) -> int:
    """The first of two dates that is sane, else the receipt's. All are seconds since 1970 UTC."""
    for candidate in (date, other):
        if candidate is not None and is_sane(candidate, received):
            return candidate
    return received


def is_sane(date: int, received: int) -> bool:
    """Whether mail that was received then may be from that date: from 1980 to two days after the receipt."""
    return EARLIEST <= date <= received + SLACK
