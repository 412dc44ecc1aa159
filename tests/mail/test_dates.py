"""Dates in every form that mail programs write, and which date a message gets."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers.date_words import MONTHS, WEEKDAYS, ZONES
from muniment.mail.headers.dates import clamp, message_date, parse_date, received_dates

DAY = 86_400
MOMENT = 1_700_000_000
"""2023-11-14 22:13:20 UTC."""
RIGHT = """
Tue, 14 Nov 2023 22:13:20 +0000
Tue, 14 Nov 2023 23:13:20 +0100 (CET)
14 Nov 2023 22:13:20 GMT
14 Nov 23 22:13:20 UT
Tue Nov 14 22:13:20 2023
Tue, 14 Nov 2023 22:13:20
"Tue, 14 Nov 2023 22:13:20 +0000"
Date: Tue, 14 Nov 2023 22:13:20 +0000
Tue,  14  Nov   2023   22:13:20   +0000
Tue,14 Nov 2023 22:13:20 +0000
14 Nov 2023 22:13:20 Tue
22:13:20 14 Nov 2023
Tue, 14th Nov 2023 22:13:20
Tue, (of (all) days) 14 (of) Nov 2023 (that year) 22:13:20 +0000 (or (UTC))
=?utf-8?q?Tue=2C_14_Nov_2023_22=3A13=3A20_+0000?=
=?iso-8859-1?q?mar=2E_14_nov=2E?= 2023 22:13:20
14-Nov-2023 22:13:20 +0000
14-Nov-23 22:13:20
14Nov2023 22:13:20
14/Nov/2023:22:13:20 +0000
1700000000
2023-11-14T22:13:20Z
2023-11-14T22:13:20.123456+00:00
2023-11-14T22:13:20.1234567Z
2023-11-14T23:13:20,5+01
2023-11-14 22:13:20
2023-11-14 23:13:20 +01:00
20231114T221320Z
20231114221320
Tue, 14 Nov 2023 23:13:20 +01:00
Tue, 14 Nov 2023 17:43:20 -4:30
Tue, 14 Nov 2023 22:13:20 -0000
Tue, 14 Nov 2023 22:13:20 \u22120000
Tue, 14 Nov 2023 23:13:20 0100
Tue, 14 Nov 2023 23:13:20 GMT+0100 (Mitteleurop\u00e4ische Normalzeit)
Tue Nov 14 2023 23:13:20 GMT+0100 (CET)
Tue, 14 Nov 2023 23:13:20 GMT+01:00
Tue, 14 Nov 2023 23:13:20 UTC+1
Tue, 14 Nov 2023 14:13:20 -0800 (PST)
Tue, 14 Nov 2023 17:13:20 EST
Tue, 14 Nov 2023 23:13:20 CET
Tue, 14 Nov 2023 23:13:20 (CET)
Tue, 14 Nov 2023 23:13:20 MEZ
Wed, 15 Nov 2023 00:13:20 CEST
Wed, 15 Nov 2023 00:13:20 MESZ
Wed, 15 Nov 2023 07:13:20 JST
Wed, 15 Nov 2023 07:13:20 (JST)
Wed, 15 Nov 2023 03:43:20 IST
Tue Nov 14 22:13:20 UTC 2023
Tue Nov 14 23:13:20 +0100 2023
Tue, 14 Nov 2023 10:13:20 PM
Tue, 14 Nov 2023 10:13:20PM +0000
Tue, 14 Nov 2023 10:13:20 p.m. +0000
14 Nov 23 PM 10:13:20
Nov 14, 2023, 10:13:20 PM
Tuesday, November 14th, 2023 at 10:13:20 PM
11/14/2023 10:13:20 PM
11/14/2023 5:13:20 PM -0500
14.11.2023 22:13:20
14.11.2023 22.13.20
22.13.20 14.11.2023
14.11.23, 22:13:20
14/11/2023 22:13:20
22:13:20, 14/11/2023
14-11-2023 22:13:20
2023/11/14 22:13:20
2023.11.14 22:13:20
2023. 11. 14. 22:13:20
14 Nov 123 22:13:20 +0000
14 Nov 19123 22:13:20 +0000
14 Nov 20123 22:13:20 +0000
Tue, 14 Nov 0023 22:13:20 +0000
Di, 14. November 2023 22:13:20
Dienstag, 14. Nov. 2023 22:13:20 Uhr
mar. 14 nov. 2023 22:13:20
mardi 14 novembre 2023 \u00e0 22h13m20s
marted\u00ec 14 novembre 2023 22.13.20
martes, 14 de noviembre de 2023 22:13:20
ter, 14 de novembro de 2023 22:13:20
di 14 november 2023 22:13:20
tis 14 nov 2023 22.13.20
tirsdag den 14. november 2023 kl. 22.13.20
tir. 14. nov. 2023 22:13:20
ti 14. marraskuuta 2023 klo 22.13.20
wt., 14 lis 2023 22:13:20
wtorek, 14 listopada 2023 22:13:20
\u00fat, 14. listopadu 2023 22:13:20
\u0432\u0442, 14 \u043d\u043e\u044f\u0431\u0440\u044f 2023 \u0433. 22:13:20 +0000
14 \u039d\u03bf\u03b5\u03bc\u03b2\u03c1\u03af\u03bf\u03c5 2023 10:13:20 \u03bc.\u03bc.
14 Kas\u0131m 2023 22:13:20
2023\u5e7411\u670814\u65e5 22:13:20
2023\u5e7411\u670814\u65e5(\u706b) 22\u664213\u520620\u79d2
2023\u5e7411\u670814\u65e5 \u4e0b\u534810:13:20
\u4ee4\u548c5\u5e7411\u670814\u65e5 22:13:20
2023\ub144 11\uc6d4 14\uc77c (\ud654) \uc624\ud6c4 10:13:20
\uff12\uff10\uff12\uff13\uff0f\uff11\uff11\uff0f\uff11\uff14 22:13:20
""".strip().splitlines()


@pytest.mark.parametrize("value", RIGHT)
def test_a_date_is_read_in_each_form(value: str) -> None:
    assert parse_date(value) == MOMENT
    assert parse_date(value.encode()) == MOMENT


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("15 Dec 00 11:13:27 PM", datetime(2000, 12, 15, 23, 13, 27, tzinfo=UTC)),
        ("15 Dec 2000 12:13:27 AM", datetime(2000, 12, 15, 0, 13, 27, tzinfo=UTC)),
        ("15 Dec 2000 12:13:27 PM", datetime(2000, 12, 15, 12, 13, 27, tzinfo=UTC)),
        ("15 Dec 2000 23:13:27 PM", datetime(2000, 12, 15, 23, 13, 27, tzinfo=UTC)),
        ("15 Dec 2000 9 AM", datetime(2000, 12, 15, 9, tzinfo=UTC)),
        ("Sat, 1 Jan 100 00:00:00 GMT", datetime(2000, 1, 1, tzinfo=UTC)),
        ("Sat, 1 Jan 19100 00:00:00 GMT", datetime(2000, 1, 1, tzinfo=UTC)),
        ("Tue, 07 Jan 103 12:00", datetime(2003, 1, 7, 12, tzinfo=UTC)),
        ("14 Nov 49 00:00:00", datetime(2049, 11, 14, tzinfo=UTC)),
        ("14 Nov 99 00:00:00", datetime(1999, 11, 14, tzinfo=UTC)),
        ("Tue, 14 Nov 2023 22:13", datetime(2023, 11, 14, 22, 13, tzinfo=UTC)),
        ("2023-11-14T22:13Z", datetime(2023, 11, 14, 22, 13, tzinfo=UTC)),
        ("Tue, 14 Nov 2023", datetime(2023, 11, 14, tzinfo=UTC)),
        ("Tue, 14 Nov 2023 24:00:00 +0000", datetime(2023, 11, 15, tzinfo=UTC)),
        ("\u5e73\u621030\u5e7412\u670831\u65e5 \u5348\u524d9:00", datetime(2018, 12, 31, 9, tzinfo=UTC)),
        ("\u4ee4\u548c\u5143\u5e7412\u670831\u65e5 9:00", datetime(2019, 12, 31, 9, tzinfo=UTC)),
        ("Thu, 01 Jan 1970 00:00:00 -0000", datetime(1970, 1, 1, tzinfo=UTC)),
        ("29 Feb 2024 00:00:00 +2500", datetime(2024, 2, 29, tzinfo=UTC)),
        ("Fri, 03/04/2020 10:00", datetime(2020, 4, 3, 10, tzinfo=UTC)),
        ("Wed, 03/04/2020 10:00", datetime(2020, 3, 4, 10, tzinfo=UTC)),
        ("03/04/2020 10:00", datetime(2020, 4, 3, 10, tzinfo=UTC)),
        ("03/04/2020 10:00 AM", datetime(2020, 3, 4, 10, tzinfo=UTC)),
        ("03-04-2020 10:00 AM", datetime(2020, 4, 3, 10, tzinfo=UTC)),
        ("03.04.2020 10:00", datetime(2020, 4, 3, 10, tzinfo=UTC)),
        ("Mi, 15. M\u00e4rz 2023 9:00", datetime(2023, 3, 15, 9, tzinfo=UTC)),
        ("mer. 15 mars 2023 9:00", datetime(2023, 3, 15, 9, tzinfo=UTC)),
        ("mar. 14 mars 2023 9:00", datetime(2023, 3, 14, 9, tzinfo=UTC)),
    ],
)
def test_an_odd_date_is_read(value: str, moment: datetime) -> None:
    assert parse_date(value) == int(moment.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 5 Jul 2010 25:61:00 +0200",
        "5. Juli 2010 25:61",
        "Tue, 31 Feb 2023 22:13:20 +0000",
        "Tue, 14 Nov 2023 29:13:20 +0000",
        "2023-13-14 10:00:00",
        "2023-02-30",
        "45/45/2023",
        "Tue, 14 Nov 9999 22:13:20 +0000",
        "Fri, 1 Jan 1904 00:00:00",
        "14 Nov 99999999999999999999 22:13:20",
        "99999999999999999999999999",
        "22:13:20",
        "14 Nov",
        "Nov",
        "yesterday",
        "+0000",
        "",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_date(value) is None


def test_received_fields_decide_which_number_is_the_month() -> None:
    in_march = int(datetime(2020, 3, 4, 10, tzinfo=UTC).timestamp())
    in_april = int(datetime(2020, 4, 3, 10, tzinfo=UTC).timestamp())
    assert parse_date("03/04/2020 10:00", (in_march + 60,)) == in_march
    assert parse_date("03/04/2020 10:00", (in_april - 60, 5)) == in_april
    assert parse_date("03/04/2020 10:00 AM", (in_april - 60,)) == in_april
    assert parse_date("03/04/2020 10:00", (in_march + 300 * DAY,)) == in_april, "it does not help"
    assert parse_date("4 Mar 2020 10:00", (in_april,)) == in_march, "there is nothing to tell"
    in_2023 = int(datetime(2023, 11, 14, 9, tzinfo=UTC).timestamp())
    assert parse_date("23/11/14 09:00", (in_2023 + 5,)) == in_2023


FORMS = (
    "%a, %d %b %Y %H:%M:%S %z",
    "%A, %d-%b-%y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
    "%d %B %Y %I:%M:%S %p %z",
    "%B %d, %Y, %p %I:%M:%S %z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S.5 %z",
    "%Y%m%dT%H%M%S%z",
    "%Y/%m/%d %H:%M:%S GMT%z",
    "%d.%m.%Y %H:%M:%S %z",
    "%d.%m.%Y %H.%M.%S %z",
    "%H:%M:%S %z, %d.%m.%Y",
    "%a %d/%m/%Y %H:%M:%S %z",
    "%a %m/%d/%Y %I:%M:%S %p %z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y\u5e74%m\u6708%d\u65e5 %H\u6642%M\u5206%S\u79d2 %z",
)
ZONED = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
MOMENTS = st.datetimes(datetime(1970, 1, 3), datetime(2049, 12, 30), timezones=ZONED)


@given(MOMENTS, st.sampled_from(FORMS), st.booleans())
def test_each_form_of_any_moment_is_read_as_that_moment(moment: datetime, form: str, colon: bool) -> None:
    whole = moment.replace(microsecond=0)
    zone = f"{whole:%z}"
    written = whole.strftime(form.replace("%z", zone[:3] + ":" + zone[3:] if colon else "%z"))
    found, right = parse_date(written), int(whole.timestamp())
    if form.startswith(("%a %d/%m", "%a %m/%d")) and _both_ways(whole):
        assert found in (right, right + _swapped(whole))
    else:
        assert found == right, written


def _both_ways(moment: datetime) -> bool:
    """Whether day and month may be exchanged without contradicting the weekday."""
    return (
        moment.day < 13 and moment.replace(day=moment.month, month=moment.day).weekday() == moment.weekday()
    )


def _swapped(moment: datetime) -> int:
    return int((moment.replace(day=moment.month, month=moment.day) - moment).total_seconds())


@given(st.sampled_from(sorted(MONTHS)), st.integers(1, 28), st.integers(1990, 2039), st.booleans())
def test_each_month_is_read_in_each_language(name: str, day: int, year: int, first: bool) -> None:
    written = (
        f"{day}. {name.upper()} {year} 01:02" if first else f"{name.title()} {day:02}, {year} 01:02 +0000"
    )
    found = parse_date(written)
    assert found == int(datetime(year, MONTHS[name], day, 1, 2, tzinfo=UTC).timestamp())


def test_every_zone_is_read() -> None:
    for name, shift in ZONES.items():
        assert parse_date(f"Tue, 14 Nov 2023 22:13:20 {name.upper()}") == MOMENT - shift
        assert parse_date(f"Tue, 14 Nov 2023 22:13:20 ({name.upper()})") == MOMENT - shift
        assert parse_date(f"Tue, 14 Nov 2023 22:13:20 +0200 ({name.upper()})") == MOMENT - 7200
    assert not set(ZONES) & set(MONTHS)
    assert set(ZONES) & set(WEEKDAYS) <= {"cet"}


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.timezones()))
def test_every_correctly_written_date_is_read(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    offset = whole.utcoffset()
    assert offset is not None
    if not offset.seconds % 60:
        assert parse_date(format_datetime(whole)) == int(
            (whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        )


PIECES = (
    *("12", "0", "1999", "2023", "Nov", "mar", "Tue", ":", ".", "-", "/", "+01:00", "(", ")", "T", "Z", "PM"),
    *("\u5e74", "\u6708", "\u65e5", "\u6642", "\u5e73\u6210", "\u0663", "=?utf-8?q?1=3A1?=", "CET", ","),
    *(" ", "a.m.", "h"),
)


@given(
    st.text(max_size=40)
    | st.text(alphabet="0123456789 :+-,JanFebMoEST()", max_size=40)
    | st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=20).map(" ".join)
)
def test_parse_date_never_raises(value: str) -> None:
    found = parse_date(value)
    assert found is None or -DAY <= found < 2**33


@pytest.mark.parametrize("piece", [*PIECES, "1:1 ", "1/1/", "+0100", "((", "1h1m", "2023-", "1."])
def test_a_long_date_is_read_quickly(piece: str) -> None:
    started = time.process_time()
    parse_date(piece * (2_000_000 // len(piece)))
    assert time.process_time() - started < 1


def test_received_fields_are_read_in_their_order() -> None:
    fields = [
        b"from a by b with SMTP id 1; Thu, 12 Feb 2009 16:20:11 +0100 (CET)",
        b"by c; for <x;y@z>; Thu, 12 Feb 2009 15:20:01 +0000",
        b"from nothing",
        b"from d by e; garbage",
        b"(qmail 1 invoked by uid 0); 12 Feb 2009 15:20:00 -0000",
    ]
    at = int(datetime(2009, 2, 12, 15, 20, tzinfo=UTC).timestamp())
    assert received_dates(fields) == (at + 11, at + 1, at)
    assert len(received_dates(fields[:1] * 100)) == 8


def test_clamp_takes_the_first_plausible_date() -> None:
    received = MOMENT
    assert clamp(received - 5, received - 1, received) == received - 5
    assert clamp(received + DAY, None, received) == received + DAY
    assert clamp(received + 3 * DAY, received - 1, received) == received - 1
    assert clamp(300_000_000, None, received) == received
    assert clamp(None, 5, received) == received
    assert clamp(None, received - 1, received) == received - 1


def test_a_message_has_the_first_plausible_date() -> None:
    hop, report, source, received = MOMENT - 3000 * DAY, MOMENT - 2000 * DAY, MOMENT - 9 * DAY, MOMENT
    stated = hop - 500
    assert message_date(stated, (hop,), report, source, received) == stated
    assert message_date(None, (hop,), report, source, received) == hop
    assert message_date(None, (), report, source, received) == report
    assert message_date(None, (), None, source, received) == source
    assert message_date(None, (), None, None, received) == received
    for mad in (0, 300_000_000, MOMENT + 3 * DAY, 4_070_908_800):
        assert message_date(mad, (mad, hop), mad, source, received) == hop
        assert message_date(mad, (mad,), mad, source, received) == source
        assert message_date(mad, (), None, mad, received) == received


def test_a_date_later_than_all_arrivals_is_not_used() -> None:
    hop = MOMENT - 3000 * DAY
    assert message_date(hop + DAY, (hop,), None, None, MOMENT) == hop + DAY
    assert message_date(hop + 30 * DAY, (hop,), None, None, MOMENT) == hop
    assert message_date(hop + 30 * DAY, (hop, hop + 29 * DAY), None, None, MOMENT) == hop + 30 * DAY
    assert message_date(hop + 30 * DAY, (hop,), hop + 30 * DAY, None, MOMENT) == hop + 30 * DAY
    assert message_date(hop + 30 * DAY, (), hop, None, MOMENT) == hop
    assert message_date(hop + 30 * DAY, (), None, hop, MOMENT) == hop + 30 * DAY, "a file may be older"


@pytest.mark.parametrize("form", ["%d", "@%d", "%d000", " %d "])
def test_seconds_since_1970_end_with_the_last_year_that_a_date_may_have(form: str) -> None:
    last = int(datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    assert parse_date(form % last) == last
    assert parse_date(form % (last + 1)) is None
    assert parse_date(form % 9_999_999_999) is None
