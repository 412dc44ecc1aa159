"""Dates of mail as seconds since 1970 UTC; whatever can't be believed is None."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate_tz

from muniment.mail.headers import remembered

EARLIEST = 315_532_800
"""1980-01-01: no mail is older than this and still has a date that is right."""
SLACK = 2 * 86_400
"""Seconds that a date may be ahead of its receipt: clocks and time zones that are set wrong."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_YEARS = range(1970, 2200)
_LONGEST = 200
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_USUAL = re.compile(
    rb"(?:[A-Za-z]{3}, )?([0-3]?\d) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) "
    rb"(?:([+-])(\d\d)(\d\d)|GMT\b|UTC?\b|Z\b)"
)


@remembered
def parse_date(value: bytes | str) -> int | None:
    """Seconds since 1970 UTC of a Date value (RFC 5322 3.3, and the odd ways it is written).

    None for what is no date, and for years that no mail is from. A date without a zone is UTC.
    """
    raw = value.encode("ascii", "replace") if isinstance(value, str) else value
    match = _USUAL.match(raw)
    if match is None:
        return _unusual(raw)
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    shift = 0
    if sign is not None:
        shift = int(zone_hours) * 3600 + int(zone_minutes) * 60
        shift = -shift if sign == b"-" else shift
    return _seconds(
        int(year), _MONTHS.get(month.lower(), 0), int(day), int(hour), int(minute), int(second), shift
    )


def _unusual(raw: bytes) -> int | None:
    text = raw[:_LONGEST].decode("ascii", "replace")
    try:
        parsed = parsedate_tz(text)
    except (ValueError, IndexError, TypeError, OverflowError, AttributeError):
        return None
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    return _seconds(year, month, day, hour, minute, second, parsed[9] or 0)


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int, shift: int) -> int | None:
    """`shift` is the zone's, in seconds east of UTC; one of more than a day is taken as UTC."""
    if year not in _YEARS or hour > 24 or minute > 59 or second > 60:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except (ValueError, OverflowError):
        return None
    shift = shift if -86_400 < shift < 86_400 else 0
    return days * 86_400 + hour * 3600 + minute * 60 + second - shift


def clamp(date: int | None, report: int | None, received: int) -> int:
    """The date that a message sorts by: its own if sane, else its report's, else its receipt's.

    Sane is from 1980 to two days after the receipt. All are seconds since 1970 UTC.
    """
    for candidate in (date, report):
        if candidate is not None and EARLIEST <= candidate <= received + SLACK:
            return candidate
    return received
