"""When a source received a message, in seconds since 1970 UTC.

The time comes from a file or from a service. An impossible time is None: a file of 1970 or 1980 was unpacked
by a program that did not know its time.
"""

from __future__ import annotations

import calendar
import os
import re
from datetime import UTC, date, datetime

EARLIEST = 315_532_800 + 2 * 86_400
"""1980-01-03 UTC. Files from archives without times have 1980-01-01 in some time zone."""
_DELIVERED = re.compile(r"(\d{9,10})\.")
"""The time of delivery at the beginning of a Maildir's unique name."""


def of_file(found: os.stat_result) -> int | None:
    """The time of a file's last change; None if it is impossible."""
    return _sane(int(found.st_mtime))


def of_maildir(name: str, found: os.stat_result) -> int | None:
    """The earlier of two times: the delivery in a Maildir file's name, and the file's own time.

    Copying makes the file's time later, and an upload by IMAP the name's. So the earlier one is right.
    """
    delivered = _DELIVERED.match(name)
    times = (_sane(int(delivered[1])) if delivered else None, of_file(found))
    return min((time for time in times if time is not None), default=None)


def of_instant(stamp: str) -> int | None:
    """The time of an ISO 8601 stamp of Graph or Exchange, such as 2026-01-31T12:00:00Z.

    Without a zone it is UTC. None if it can't be read.
    """
    try:
        found = datetime.fromisoformat(stamp)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def at(day: tuple[int, int, int], time: tuple[int, ...], shift: int) -> int | None:
    """The time of (year, month, day) and (hour, minute, second) in a zone `shift` seconds east of UTC.

    None if there is no such time.
    """
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
