"""The lines that separate messages in an mbox file: `From ADDRESS DATE`.

There is no single standard. RFC 4155 wants an address and a date in the format of asctime. Programs also
write the zone before or after the year, no seconds, a date of RFC 5322 or ISO 8601, `-` or `MAILER-DAEMON`
for the address (Thunderbird, mail transfer agents), and `remote from HOST` at the end (UUCP). Thunderbird of
2024 writes neither address nor date. Any other line without a date is text that happens to begin with `From
`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST = 1000
"""Most bytes of a separator."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SENDER = (
    rb"(?:([^\s\"<]\S*+"  # a word: an address, a name, `-`, `MAILER-DAEMON`, `???@???`
    rb"|\S++ (?:at|AT) \S++"  # as archives of lists hide addresses
    rb"|[^\r\n@]{0,200}+@[^\s@]++)[ \t]++)?"  # an address with blanks before it: `John Doe <john@host>`
)
_ZONE = rb"(?:[A-Za-z]{1,5}|[+-]\d\d:?\d\d)"
_BEFORE, _BEHIND = rb"(?:[ \t]+(?P<zone>" + _ZONE + rb"))?", rb"(?:[ \t]*(?P<behind>" + _ZONE + rb"))?"
_TIME = rb"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
_MONTH = rb"(?P<month>" + b"|".join(name.encode() for name in _MONTHS) + rb")"
_DAY, _YEAR = rb"(?P<day>\d{1,2})", rb"(?P<year>\d{4}|\d\d)"
_WEEKDAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_FORMS = (
    # asctime, with the zone before or behind the year; RFC 5322; ISO 8601.
    rb"[ \t]+".join((_WEEKDAY + rb",?", _MONTH, _DAY, _TIME)) + _BEFORE + rb"[ \t]+" + _YEAR + _BEHIND,
    rb"(?:" + _WEEKDAY + rb",?[ \t]+)?"
    + rb"[ \t-]+".join((_DAY, _MONTH, _YEAR)) + rb"[ \t]+" + _TIME + _BEHIND,
    rb"(?P<year>\d{4})-(?P<number>\d\d)-(?P<day>\d\d)[Tt \t]+" + _TIME + _BEHIND,
)  # fmt: skip
_END = rb"(?:[ \t]+\([^()\r\n]{0,60}\))?(?:[ \t]+remote from [^\r\n]{1,200})?[ \t]*\Z"
_LINES = tuple(re.compile(rb"From[ \t]+" + _SENDER + form + _END, re.IGNORECASE) for form in _FORMS)
_DATED = re.compile(rb"\d:\d\d")
_BARE = re.compile(rb"From -?[ \t]*\Z")
_FIELD = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
_ZONES = {
    zone: hours
    for hours, zones in {
        -8: "PST", -7: "PDT MST", -6: "MDT CST", -5: "CDT EST", -4: "EDT AST", 0: "UT UTC GMT Z WET",
        1: "CET MET BST WEST", 2: "CEST MEST EET", 3: "EEST MSK", 9: "JST KST", 10: "AEST", 11: "AEDT",
    }.items()
    for zone in zones.split()
}  # fmt: skip
_NEWEST = 69
"""The last two-digit year that belongs to this century."""
_OLDEST = 1970


@dataclass(frozen=True, slots=True)
class MboxSeparator:
    """A line that begins a message."""

    date: int | None
    """When the message was delivered or stored, in seconds since 1970 UTC; None if the line does not say."""


def separator(line: bytes) -> MboxSeparator | None:
    """The separator in a line, which must be without its line end; None if the line is text."""
    if not line.startswith(b"From ") or len(line) > LONGEST or not _DATED.search(line):
        return None
    for pattern in _LINES:
        found = pattern.match(line)
        if found is not None:
            return MboxSeparator(_date(found))
    return None


def is_bare(line: bytes) -> bool:
    """Whether a line is a separator without address and date, as Thunderbird writes it."""
    return _BARE.match(line) is not None


def is_field(line: bytes) -> bool:
    """Whether a line begins like a header field."""
    return _FIELD.match(line) is not None


def _date(found: re.Match[bytes]) -> int | None:
    parts = {name: value.decode("ascii") for name, value in found.groupdict().items() if value is not None}
    month = _MONTHS.index(parts["month"].lower()) + 1 if "month" in parts else int(parts["number"])
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 2000 if year <= _NEWEST else 1900
    try:
        stated = datetime(year, month, int(parts["day"]), tzinfo=UTC)
    except ValueError:
        return None
    hour, minute, second = (int(parts.get(name, 0)) for name in ("hour", "minute", "second"))
    if year < _OLDEST or hour > 23 or minute > 59 or second > 60:
        return None
    return int(stated.timestamp()) + hour * 3600 + minute * 60 + second - _offset(parts)


def _offset(parts: dict[str, str]) -> int:
    """Seconds east of UTC; 0 if the line names no zone or an unknown one."""
    zone = parts.get("zone") or parts.get("behind") or ""
    if zone.startswith(("+", "-")):
        seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        return -seconds if zone.startswith("-") else seconds
    return _ZONES.get(zone.upper(), 0) * 3600
