"""When a source received a message, as its files and its service say it; seconds since 1970 UTC.

What can't be right is None: a file of 1970 or 1980 was unpacked by a program that knew no time.
"""

from __future__ import annotations

import calendar
import os
import re
from datetime import UTC, date, datetime

EARLIEST = 315_532_800 + 2 * 86_400
"""1980-01-03: archives that keep no times unpack files of 1980-01-01 in any zone."""
_DELIVERED = re.compile(r"(\d{9,10})\.")
"""How a Maildir's unique name begins: with the time of delivery."""


def of_file(found: os.stat_result) -> int | None:
    """By a file's own time."""
    return _sane(int(found.st_mtime))


def of_maildir(name: str, found: os.stat_result) -> int | None:
    """By a file of a Maildir: its name has the time of delivery, the file's time may be that of its message.

    Copying sets the one later, an upload by IMAP the other: the earlier is nearer to the truth.
    """
    delivered = _DELIVERED.match(name)
    times = (_sane(int(delivered[1])) if delivered else None, of_file(found))
    return min((time for time in times if time is not None), default=None)


def of_instant(stamp: str) -> int | None:
    """By an instant of Graph's or Exchange's, such as 2026-01-31T12:00:00Z; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(stamp)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def at(day: tuple[int, int, int], time: tuple[int, ...], shift: int) -> int | None:
    """A day and a time of day in a zone `shift` seconds east of UTC; None where there is no such time."""
    try:
        date(*day)
    except (ValueError, OverflowError):
        return None
    hour, minute, second = time
    if hour > 23 or minute > 59 or second > 60 or not -86_400 < shift < 86_400:
        return None
    return calendar.timegm((*day, hour, minute, second)) - shift


def _sane(time: int) -> int | None:
    return time if time >= EARLIEST else None
