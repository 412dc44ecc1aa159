"""Numbers, sizes and times as people read them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from muniment.system.time_zones import local_tz

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, the range of a datetime."""


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes in the largest unit that leaves a number of at least 1: `12.3 MB` (1 MB = 10^6 bytes)."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} PB"


def seconds(value: float) -> str:
    """A duration: `0.4 s`, `3 min 12 s`, `2 h 05 min`."""
    if value < 60:
        return f"{value:.1f} s"
    whole = int(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(timestamp: int) -> datetime:
    """Seconds since 1970 UTC as a datetime, limited to the years 1 to 9999."""
    return _EPOCH + timedelta(seconds=min(max(timestamp, _FIRST), _LAST))


def iso(timestamp: int) -> str:
    """ISO 8601 in UTC, such as `2025-01-06T18:09:57Z`."""
    return moment(timestamp).replace(tzinfo=None).isoformat() + "Z"


def local(timestamp: int) -> str:
    """Date and minute in this process's time zone, in which queries are read, too.

    It is UTC if that is impossible.
    """
    return f"{local_moment(timestamp):%Y-%m-%d %H:%M}"


def local_moment(timestamp: int) -> datetime:
    """As `moment`, in this process's time zone; in UTC if that is impossible."""
    at = moment(timestamp)
    with suppress(OverflowError, OSError, ValueError):
        return at.astimezone(local_tz())
    return at


def offset(timestamp: int) -> str:
    """The offset of this process's time zone at a time, such as `UTC-05:00`; `UTC` for none."""
    at = local_moment(timestamp).strftime("%z")
    return "UTC" if at in ("", "+0000") else f"UTC{at[:3]}:{at[3:5]}"


def localised(sentence: str, *, zone: bool = False) -> str:
    """A sentence of the engine, with times such as `2026-01-05 11:58 UTC` in this process's time zone.

    With `zone`, each time ends with its offset; without, the caller shows the offset once.
    """

    def here(found: re.Match[str]) -> str:
        try:
            at = int(datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp())
        except ValueError:
            return found[0]
        return f"{local(at)} {offset(at)}" if zone else local(at)

    return re.sub(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC\b", here, sentence)


def name_of(sender: str) -> str:
    """The name in `"Ada Quill" <ada@example.com>`; the address if there is none."""
    name, bracket, address = sender.rpartition("<")
    return name.strip().strip('"') or address.strip().removesuffix(">") or sender if bracket else sender
