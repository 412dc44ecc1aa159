"""Periods by the calendar: their forms, leap days, ends of months, years of any age, and zones."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.retention.periods import NEVER, Anchor, Period, end_of
from muniment.errors import UsageError
from muniment.system.formatting import iso
from muniment.system.time_zones import zone_of

periods = st.builds(Period, st.integers(0, 1_000), st.integers(0, 12_000), st.integers(0, 400_000)).filter(
    lambda period: bool(period.value)
)
moments = st.integers(-62_135_596_800, 253_402_300_799)
zones = st.sampled_from(["", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "-12:00", "+14:00"])
anchors: st.SearchStrategy[Anchor] = st.sampled_from(["received", "year"])


def seconds(*at: int) -> int:
    return int(datetime(*at, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10 years", {"years": 10}),
        ("1 year", {"years": 1}),
        ("6 months", {"months": 6}),
        ("90days", {"days": 90}),
        ("10y", {"years": 10}),
        ("1y 6m", {"years": 1, "months": 6}),
        ("2 Years, 3 Months 4 days", {"years": 2, "months": 3, "days": 4}),
    ],
)
def test_a_period_is_read_as_people_type_it(text: str, value: dict[str, int]) -> None:
    assert Period.read(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "years",
        "0 days",
        "-1 year",
        "1.5 years",
        "1 year 2 years",
        "1001 years",
        "ten years",
        "1 week",
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a period"):
        Period.read(text)


@pytest.mark.parametrize("value", [None, [], {}, {"years": 1.0}, {"years": True}, {"weeks": 1}, {"days": -1}])
def test_a_record_with_another_period_is_refused(value: Any) -> None:
    with pytest.raises(UsageError):
        Period.of(value)


@given(periods)
def test_a_period_is_read_back_from_its_text_and_its_value(period: Period) -> None:
    assert Period.read(str(period)) == period == Period.of(period.value)


@pytest.mark.parametrize(
    ("received", "period", "anchor", "end"),
    [
        # The last day is whole, so the period is over with the first second of the next.
        ((2026, 3, 5, 10), Period(years=10), "received", "2036-03-06T00:00:00Z"),
        ((2026, 3, 5, 10), Period(years=10), "year", "2037-01-01T00:00:00Z"),
        ((2026, 1, 1), Period(years=6), "year", "2033-01-01T00:00:00Z"),
        ((2026, 12, 31, 23, 59, 59), Period(years=6), "year", "2033-01-01T00:00:00Z"),
        # A leap day leads to the last day of February.
        ((2024, 2, 29, 12), Period(years=1), "received", "2025-03-01T00:00:00Z"),
        ((2024, 2, 29, 12), Period(years=4), "received", "2028-03-01T00:00:00Z"),
        ((2096, 2, 29), Period(years=4), "received", "2100-03-01T00:00:00Z"),
        # Ends of months.
        ((2026, 1, 31), Period(months=1), "received", "2026-03-01T00:00:00Z"),
        ((2027, 8, 31), Period(months=6), "received", "2028-03-01T00:00:00Z"),
        ((2026, 11, 30), Period(months=1, days=1), "received", "2027-01-01T00:00:00Z"),
        # Years before 1970 and after 2100.
        ((1931, 7, 1), Period(years=30), "received", "1961-07-02T00:00:00Z"),
        ((1969, 12, 31, 23), Period(days=1), "received", "1970-01-02T00:00:00Z"),
        ((2099, 12, 31), Period(years=100), "year", "2200-01-01T00:00:00Z"),
        ((2101, 2, 28), Period(days=1), "received", "2101-03-02T00:00:00Z"),
    ],
)
def test_when_a_period_is_over(received: tuple[int, ...], period: Period, anchor: Anchor, end: str) -> None:
    assert iso(end_of(period, anchor, seconds(*received), UTC)) == end


def test_days_and_years_are_those_of_the_zone() -> None:
    new_year = seconds(2026, 12, 31, 23, 30)  # in Berlin it is 2027
    berlin = zone_of("Europe/Berlin")
    assert iso(end_of(Period(years=1), "year", new_year, UTC)) == "2028-01-01T00:00:00Z"
    assert iso(end_of(Period(years=1), "year", new_year, berlin)) == "2028-12-31T23:00:00Z"
    assert iso(end_of(Period(months=6), "received", new_year, berlin)) == "2027-07-01T22:00:00Z"


def test_a_day_without_midnight_begins_when_the_clock_was_changed() -> None:
    """In Sao Paulo, 15 October 2017 began at 1 in the morning."""
    zone = zone_of("America/Sao_Paulo")
    assert iso(end_of(Period(days=1), "received", seconds(2017, 10, 13, 12), zone)) == "2017-10-15T03:00:00Z"


def test_a_period_beyond_the_calendar_never_ends() -> None:
    assert end_of(Period(years=1_000), "received", seconds(9500, 1, 1), UTC) == NEVER
    assert end_of(Period(days=400_000), "year", seconds(9000, 1, 1), UTC) == NEVER
    assert end_of(Period(years=1), "received", seconds(9998, 12, 31), UTC) == NEVER


@given(periods, anchors, moments, zones)
def test_a_period_is_over_after_the_receipt(period: Period, anchor: Anchor, received: int, zone: str) -> None:
    assert received < end_of(period, anchor, received, zone_of(zone)) <= NEVER


@given(periods, anchors, moments, zones, st.sampled_from(["years", "months", "days"]), st.integers(1, 500))
def test_a_longer_period_is_never_over_earlier(
    period: Period, anchor: Anchor, received: int, zone: str, unit: str, more: int
) -> None:
    longer = Period(
        **{"years": 0, "months": 0, "days": 0} | period.value | {unit: getattr(period, unit) + more}
    )
    tz = zone_of(zone)
    assert end_of(period, anchor, received, tz) <= end_of(longer, anchor, received, tz)


@given(periods, moments, zones)
def test_the_end_of_the_year_is_never_earlier_than_the_receipt(
    period: Period, received: int, zone: str
) -> None:
    tz = zone_of(zone)
    assert end_of(period, "received", received, tz) <= end_of(period, "year", received, tz)


@given(st.dates(date(1000, 1, 1), date(9000, 1, 1)), st.integers(1, 900))
def test_years_lead_to_the_same_day_or_from_a_leap_day_to_its_eve(day: date, years: int) -> None:
    reached = Period(years=years).after(day)
    assert reached is not None
    assert reached.year == day.year + years
    if (day.month, day.day) == (2, 29) and not isleap(reached.year):
        assert (reached.month, reached.day) == (2, 28)
    else:
        assert (reached.month, reached.day) == (day.month, day.day)


@given(st.dates(date(1000, 1, 1), date(8000, 1, 1)), st.integers(1, 400_000))
def test_days_are_counted_one_by_one(day: date, days: int) -> None:
    assert Period(days=days).after(day) == day + timedelta(days=days)
