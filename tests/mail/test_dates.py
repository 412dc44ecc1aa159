from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.dates import clamp, parse_date


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Tue, 14 Nov 2023 22:13:20 +0000", 1_700_000_000),
        ("Tue, 14 Nov 2023 23:13:20 +0100 (CET)", 1_700_000_000),
        ("14 Nov 2023 22:13:20 GMT", 1_700_000_000),
        ("14 Nov 23 22:13:20 UT", 1_700_000_000),
        ("Tue, 14 Nov 2023 17:13:20 EST", 1_700_000_000),
        ("Tue Nov 14 22:13:20 2023", 1_700_000_000),
        ("Tue, 14 Nov 2023 22:13:20", 1_700_000_000),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0),
        ("Tue, 31 Feb 2023 22:13:20 +0000", None),
        ("Tue, 14 Nov 2023 29:13:20 +0000", None),
        ("Tue, 14 Nov 0023 22:13:20 +0000", None),
        ("Tue, 14 Nov 9999 22:13:20 +0000", None),
        ("14 Nov 99999999999999999999 22:13:20", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_parse_date(value: str, seconds: int | None) -> None:
    assert parse_date(value) == seconds
    assert parse_date(value.encode()) == seconds


@given(st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30), timezones=st.timezones()))
def test_every_date_that_is_written_right_is_read_right(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    offset = whole.utcoffset()
    assert offset is not None
    if not offset.seconds % 60:
        assert parse_date(format_datetime(whole)) == int(
            (whole - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        )


@given(st.text(max_size=40) | st.text(alphabet="0123456789 :+-,JanFebMoEST()", max_size=40))
def test_parse_date_never_raises(value: str) -> None:
    found = parse_date(value)
    assert found is None or -86_400 <= found < 2**33


def test_clamp_takes_the_first_that_is_sane() -> None:
    received = 1_700_000_000
    assert clamp(received - 5, received - 1, received) == received - 5
    assert clamp(received + 86_400, None, received) == received + 86_400
    assert clamp(received + 3 * 86_400, received - 1, received) == received - 1
    assert clamp(300_000_000, None, received) == received
    assert clamp(None, 5, received) == received
    assert clamp(None, received - 1, received) == received - 1
