"""The possible meanings of a date in any form that mail programs wrote.

A date is taken apart in this order: the time of day, the zone behind it, the day. What was read is blanked
out, so that no digit counts twice. Words that no table has are ignored. At most LONGEST characters are read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from muniment.mail.charsets.decode import to_text
from muniment.mail.headers.date_words import MONTHS, WEEKDAYS, ZONES, folded
from muniment.mail.headers.fields import decode_words

LONGEST = 256
"""Characters of a date that are read."""
YEARS = range(1970, 2200)
"""Years that a date may have."""
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY = 86_400
_END = (date(YEARS.stop, 1, 1).toordinal() - EPOCH_DAY) * DAY

_COMMENT = re.compile(r"\(([^()]*)\)")
_NESTED = 4
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925}
_ERA = re.compile(r"(令和|平成|昭和)\s{0,3}(\d{1,2}|元)\s{0,3}年")
_IDEOGRAPHIC_DAY = re.compile(
    r"(\d{2,4})\s{0,3}[年년]\s{0,3}(\d{1,2})\s{0,3}[月월]\s{0,3}(\d{1,2})\s{0,3}[日일号]?"
)
_IDEOGRAPHIC_TIME = re.compile(
    r"(\d{1,2})\s{0,3}[時时点點시]\s{0,3}(\d{1,2})\s{0,3}[分분](?:\s{0,3}(\d{1,2})\s{0,3}[秒초])?"
)
_MORNING = re.compile(r"上午|午前|오전|\bvorm\b|π[.]?μ\b")
_AFTERNOON = re.compile(r"下午|午後|오후|\bnachm\b|μ[.]?μ\b")
_BASIC = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([01]\d)([0-3]\d)"
    r"(?:[t_ -]?([0-2]\d)([0-5]\d)([0-5]\d)?(?:[.,]\d{1,9})?)?(?!\d)"
)
"""ISO 8601 without separators."""
_JOINED = re.compile(r"(?<=\d)t(?=\d\d:)|(?<=\d{4}):(?=\d\d:\d\d)")
"""The separator of day and time: the T of ISO 8601, the colon of web servers' logs."""

_COLON_TIME = re.compile(r"(?<!\d)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,:]\d{1,9})?)?(?!\d)")
_LETTER_TIME = re.compile(r"(?<!\d)(\d{1,2})\s?h\s?(\d{2})(?:\s?m(?:in)?\s?(\d{2})(?:\s?s)?)?(?!\d)")
_DOTTED_TIME = re.compile(r"(?<![\d.])(\d{1,2})[.](\d{2})(?:[.](\d{2}))?(?![.]?\d)")
"""Sought once the day is known."""
_HOUR_ALONE = re.compile(r"(?<![\d:.])(\d{1,2})()()\s{0,3}(?=[ap]\.?\s?m\b)")
_HALF_BEHIND = re.compile(r"\s{0,3}([ap])\.?\s?m\b\.?")
_HALF_BEFORE = re.compile(r"\b([ap])\.?\s?m\b\.?\s{0,3}\Z")

_OFFSET = r"(?:(?:gmt|utc|ut|z)\s{0,3})?([+-])\s?(\d{1,2}):?(\d\d)?(?::\d\d)?(?![\d:])"
_OFFSET_BEHIND = re.compile(rf"\s{{0,3}}{_OFFSET}")
_OFFSET_ANYWHERE = re.compile(rf"(?:(?<![\w/.,-])(?=[+-]\d\d:?\d\d)|\b(?=gmt|utc)){_OFFSET}")
_ZONE_BEHIND = re.compile(r"\s{0,3}([a-z]{1,5})\b")
_ZONE_WORD = re.compile(r"\b([a-z]{3,5})\b")
_SIGNLESS = re.compile(r"\s{1,3}([01]\d)([0-5]\d)(?!\d)")
"""An offset without its plus sign."""

_TOKEN = re.compile(r"(\d+)|([^\W\d_]+)")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s{0,2}[-/.]\s{0,2}(\d{1,2})\s{0,2}[-/.]\s{0,2}(\d{1,2})(?!\d)")
_NUMBERS = re.compile(r"(?<!\d)(\d{1,2})\s{0,2}([-/. ])\s{0,2}(\d{1,2})\s{0,2}[-/. ]\s{0,2}'?(\d{2,5})(?!\d)")
_SECONDS = re.compile(r"\s{0,9}@?(\d{9,10})(?:\d{3})?\s{0,9}\Z")

_Day = tuple[int, int, int]
"""Year, month and day of the month."""


@dataclass(slots=True)
class _Time:
    """A time of day, and what is written beside it."""

    seconds: int
    american: bool = False
    """Whether it is on a 12-hour clock."""
    shift: int | None = None
    """The zone's offset in seconds east of UTC."""


def seconds_at(day: _Day, hour: int, minute: int, second: int, shift: int) -> int | None:
    """Seconds since 1970 UTC of a time; None if there is no such time.

    `shift` is in seconds east of UTC. A `shift` of a day or more counts as none.
    """
    time = time_of_day(hour, minute, second)
    if day[0] not in YEARS or time is None:
        return None
    try:
        days = date(*day).toordinal() - EPOCH_DAY
    except (ValueError, OverflowError):
        return None
    return days * DAY + time - (shift if -DAY < shift < DAY else 0)


def readings(raw: bytes) -> tuple[int, ...]:
    """The possible meanings of a date, in seconds since 1970 UTC, the likeliest first. Never raises.

    There are several only if day and month are numbers, and neither their order nor a weekday decides. Then
    the day comes first, as in most of the world. Before a time with AM or PM, and with slashes, the month
    comes first, as in the United States.

    Returns:
        The empty tuple for what is no date.
    """
    text, comments = _prepared(raw)
    alone = _SECONDS.match(text)
    if alone is not None:
        return (int(alone[1]),) if int(alone[1]) < _END else ()
    line = _Line(text)
    time = line.time()
    shift = line.zone() if time is None or time.shift is None else time.shift
    days = line.days(american=time is not None and time.american)
    if time is None:
        time = line.dotted_time()
    if not days or line.broken:
        return ()
    if shift is None:
        shift = time.shift if time.shift is not None else line.signless_zone()
    if shift is None:
        shift = _zone_named(comments)
    found = (seconds_at(day, 0, 0, 0, 0) for day in _of_weekday(days, line.weekday))
    return tuple(dict.fromkeys(start + time.seconds - (shift or 0) for start in found if start is not None))


def _prepared(raw: bytes) -> tuple[str, str]:
    """The text in lower case with its usual signs, and its comments."""
    text = decode_words(to_text(raw[: 4 * LONGEST]))[:LONGEST]
    text = unicodedata.normalize("NFKC", text).lower()[:LONGEST].replace("\u2212", "-")
    comments = ""
    for _ in range(_NESTED):
        comments += " ".join(_COMMENT.findall(text)) + " "
        text = _COMMENT.sub(" ", text)
    if not text.isascii():
        text = _ERA.sub(_of_era, text)
        text = _IDEOGRAPHIC_DAY.sub(r"\1-\2-\3 ", text)
        text = _IDEOGRAPHIC_TIME.sub(lambda t: f"{t[1]}:{t[2]}:{t[3] or 0} ", text)
    text = _AFTERNOON.sub(" pm ", _MORNING.sub(" am ", text))
    return _JOINED.sub(" ", _BASIC.sub(_separated, text)), comments


def _of_era(found: re.Match[str]) -> str:
    return f"{_ERAS[found[1]] + (1 if found[2] == '元' else int(found[2]))}年"


def _separated(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second = found.groups()
    return f"{year}-{month}-{day}" + (f" {hour}:{minute}:{second or '00'} " if hour else " ")


class _Line:
    """The text of a date, from which each call takes one piece."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._behind = -1
        """Offset behind the time."""
        self.weekday: int | None = None
        self.broken = False
        """Whether its time of day is impossible."""

    def _blank(self, start: int, end: int) -> None:
        self._text = self._text[:start] + " " * (end - start) + self._text[end:]

    # --- time and zone

    def time(self) -> _Time | None:
        """The time of day, recognised by its colons, its h or its AM."""
        for pattern in (_COLON_TIME, _LETTER_TIME, _HOUR_ALONE):
            for found in pattern.finditer(self._text):
                if found[3] or self._text[found.start() - 1 : found.start()] not in ("+", "-"):
                    return self._taken(found)  # otherwise it is an offset: +01:00
        return None

    def dotted_time(self) -> _Time:
        """A time with dots; midnight if there is none."""
        found = _DOTTED_TIME.search(self._text)
        return _Time(0) if found is None else self._taken(found)

    def _taken(self, found: re.Match[str]) -> _Time:
        start, end = found.span()
        before = _HALF_BEFORE.search(self._text[max(start - 8, 0) : start])
        behind = _HALF_BEHIND.match(self._text, end)
        hour = int(found[1])
        if half := behind or before:
            if hour < 13:
                hour = hour % 12 + 12 * (half[1] == "p")
            end = behind.end() if behind else end
            start = start if behind else max(start - 8, 0) + half.start()
        self._behind = end
        time = time_of_day(hour, int(found[2] or 0), int(found[3] or 0))
        shift = self._zone_behind(end)
        self._blank(start, end)
        self.broken = time is None
        return _Time(time or 0, half is not None, shift)

    def _zone_behind(self, at: int) -> int | None:
        """The zone directly behind the time."""
        found = _OFFSET_BEHIND.match(self._text, at)
        if found is not None:
            self._blank(*found.span())
            return _shift(found)
        named = _ZONE_BEHIND.match(self._text, at)
        if named is not None and named[1] in ZONES:
            self._blank(*named.span())
            return ZONES[named[1]]
        return None

    def zone(self) -> int | None:
        """A zone anywhere else."""
        found = _OFFSET_ANYWHERE.search(self._text)
        if found is None:
            return _zone_named(self._text)
        self._blank(*found.span())
        return _shift(found)

    def signless_zone(self) -> int | None:
        """Four digits behind the time that are no year, as an offset in seconds."""
        found = _SIGNLESS.match(self._text, self._behind) if self._behind >= 0 else None
        return None if found is None else int(found[1]) * 3600 + int(found[2]) * 60

    # --- the day

    def days(self, american: bool) -> list[_Day]:
        """The possible days, the likeliest first."""
        days = self._named_day()
        return self._numbered_days(american) if days is None else days

    def _named_day(self) -> list[_Day] | None:
        """The day in a month that is named; None if no month is."""
        numbers: list[re.Match[str]] = []
        months: list[tuple[int, re.Match[str]]] = []
        for token in _TOKEN.finditer(self._text):
            if token[1]:
                numbers.append(token)
                continue
            word = folded(token[2])
            if word in MONTHS:
                months.append((MONTHS[word], token))
            elif word in WEEKDAYS and self.weekday is None:
                self.weekday = WEEKDAYS[word]
        if len(months) > 1:  # the French write mar. for Tuesday
            months = [one for one in months if folded(one[1][2]) not in WEEKDAYS] or months[-1:]
        if not months:
            return None
        month, name = months[0]
        found = []
        for day, year in _pairs(numbers, name.start()):
            read = (_full_year(year[0]), month, int(day[0]))
            if _is_day(read):
                found.append(read)
                self._blank(*day.span())
                self._blank(*year.span())
                break
        return found

    def _numbered_days(self, american: bool) -> list[_Day]:
        found = _YEAR_FIRST.search(self._text)
        if found is not None:
            year, one, other = int(found[1]), int(found[2]), int(found[3])
            days = [day for day in ((year, one, other), (year, other, one)) if _is_day(day)][:1]
            self._blank(*found.span())
            return days
        matches = sorted(_NUMBERS.finditer(self._text), key=lambda match: len(match[4]) < 3)
        for match in matches:
            days = [day for day in _orders(match, american) if _is_day(day)]
            if days:
                self._blank(*match.span())
                return days
        return []


def _pairs(numbers: list[re.Match[str]], at: int) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Which numbers around a month's name at offset `at` may be day and year."""
    before = [one for one in numbers if one.start() < at]
    behind = [one for one in numbers if one.start() > at]
    if before and behind:
        yield before[-1], behind[0]
        yield behind[0], before[-1]
    for side in (behind, before[::-1]):
        if len(side) > 1:
            yield side[0], side[1]
            yield side[1], side[0]


def _orders(match: re.Match[str], american: bool) -> Iterator[_Day]:
    """The days that three numbers may mean, by the separators between them."""
    one, other, last = int(match[1]), int(match[3]), match[4]
    day_first, month_first = (_full_year(last), other, one), (_full_year(last), one, other)
    yield from (month_first, day_first) if american and match[2] == "/" else (day_first, month_first)
    if len(last) == 2:
        yield _full_year(match[1]), other, int(last)


def _of_weekday(days: list[_Day], weekday: int | None) -> list[_Day]:
    """The days that fall on that weekday; all of them if none does."""
    return [day for day in days if date(*day).weekday() == weekday] or days


def _is_day(day: _Day) -> bool:
    return seconds_at(day, 0, 0, 0, 0) is not None


def _full_year(digits: str) -> int:
    """A year as RFC 5322 4.3 reads it, or as programs wrote it that counted from 1900: 100, 19100, 20103."""
    if len(digits) > 5:
        return 0
    year = int(digits)
    if len(digits) == 5:
        return 1900 + year % 1000 if digits[:3] in ("191", "201") else 0
    if len(digits) == 4 and year >= 100:
        return year
    if year < 50:
        return 2000 + year
    return 1900 + year


def time_of_day(hour: int, minute: int, second: int) -> int | None:
    """Seconds since midnight; None if there is no such time. 24:00 is midnight, second 60 a leap second."""
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and minute + second):
        return None
    return hour * 3600 + minute * 60 + second


def _shift(found: re.Match[str]) -> int:
    """An offset by its sign, hours and minutes, in seconds. An offset of a day or more counts as none."""
    shift = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return (-shift if found[1] == "-" else shift) if shift < DAY else 0


def _zone_named(text: str) -> int | None:
    """The offset of the first zone that a text names, as a number or a word."""
    offset = _OFFSET_ANYWHERE.search(text)
    if offset is not None:
        return _shift(offset)
    return next((ZONES[word] for word in _ZONE_WORD.findall(text) if word in ZONES), None)
