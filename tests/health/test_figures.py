"""Arrivals by days and hours, growth of the disk, silent users, and the file of sizes: plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.health.arrivals import day_starts, hour_starts, summed
from muniment.health.growth import DAY, SizeSample, days_left, growth, thinned
from muniment.health.silence import ReportTimes, WatchedUser, silent_since, silent_users
from muniment.health.sizes import NAME, load, note_size

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")


def at(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def test_days_begin_at_midnight_of_the_zone_also_when_clocks_change() -> None:
    now = at("2026-10-26T01:30", BERLIN)  # the 25th had 25 hours
    starts = day_starts(now, BERLIN, 3)
    assert starts == [at(f"2026-10-{day}T00:00", BERLIN) for day in (24, 25, 26)]
    assert [later - earlier for earlier, later in pairwise(starts)] == [86400, 90000]


def test_hours_begin_by_the_clocks_of_the_zone() -> None:
    now = at("2026-03-01T10:20", KOLKATA)  # UTC and a half hour
    assert hour_starts(now, KOLKATA, 2) == [at("2026-03-01T09:00", KOLKATA), at("2026-03-01T10:00", KOLKATA)]
    assert hour_starts(now, UTC, 1) == [now // 3600 * 3600]


def test_counts_are_summed_in_their_periods() -> None:
    assert summed([10, 20, 30], [(9, 1), (10, 2), (19, 4), (20, 8), (500, 16)]) == [6, 8, 16]
    assert summed([10], []) == [0]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 99))), st.integers(1, 40))
def test_nothing_after_the_first_start_is_lost(counts: list[tuple[int, int]], days: int) -> None:
    starts = day_starts(5 * 10**5, BERLIN, days)
    assert sum(summed(starts, counts)) == sum(count for time, count in counts if time >= starts[0])


def daily(*sizes: int) -> list[SizeSample]:
    return [SizeSample(day * DAY, size) for day, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("samples", "a_day"),
    [
        ([], None),
        (daily(100), None),
        (daily(100, 200), None),  # one day says little
        (daily(100, 200, 300), 100),
        (daily(0, 9000, 9100, 9200, 9300, 9400), 100),  # an import on the first day
        (daily(900, 800, 700), -100),
        (daily(*[5] * 40, *range(10, 320, 10)), 10),  # only the last 30 days count
    ],
)
def test_growth(samples: list[SizeSample], a_day: int | None) -> None:
    assert growth(samples) == a_day


@pytest.mark.parametrize(
    ("free", "a_day", "days"),
    [
        (1000, None, None),
        (1000, 0, None),
        (1000, -5, None),
        (1000, 100, 10),
        (1099, 100, 10),
        (0, 1, 0),
        (10**12, 1, None),
    ],
)
def test_the_disk_is_full_in_days(free: int, a_day: float | None, days: int | None) -> None:
    assert days_left(free, a_day) == days


def test_one_size_is_kept_for_each_day_and_old_ones_are_dropped() -> None:
    samples = daily(1, 2, 3)
    later = SizeSample(2 * DAY + 5, 4)
    assert thinned(samples, later, 2) == (samples[1], later)
    assert thinned((), later, 2) == (later,)


USERS = [WatchedUser("a", "ada@x.example", 0), WatchedUser("b", "bob@x.example", 5000)]


@pytest.mark.parametrize(
    ("heard", "reports", "silent"),
    [
        ({"a", "b"}, ReportTimes(10, 9000), ""),
        ({"b"}, ReportTimes(10, 9000), "a"),
        (set(), ReportTimes(10, 9000), "a"),  # bob was added after that
        (set(), ReportTimes(0, 0), ""),  # no report ever
        (set(), ReportTimes(2000, 9000), ""),  # reports come since a short time
        (set(), ReportTimes(10, 900), ""),  # none come at all, which is another problem
    ],
)
def test_silent_users(heard: set[str], reports: ReportTimes, silent: str) -> None:
    assert "".join(user.id for user in silent_users(USERS, heard, reports, 1000)) == silent


def test_silence_begins_some_days_ago() -> None:
    assert silent_since(20 * DAY, 14) == 6 * DAY


def test_sizes_are_noted_at_most_once_an_hour(tmp_path: Path) -> None:
    for now, size in ((0, 1), (3599, 2), (3600, 3), (DAY, 4), (DAY - 7200, 5)):
        note_size(tmp_path, now, lambda size=size: size)  # type: ignore[misc]
    assert [one.bytes for one in load(tmp_path, DAY)] == [5, 4]


FUTURE = 400 * DAY


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[]",
        b'{"samples": 3}',
        b'{"version": 2}',
        b'{"version": 2, "samples": [[1, 1]]}',
        b"[" * 100_000,
        b'{"samples": ' + b"[" * 100_000,
        b'{"x": "\xff"}',
        b'{"samples": [[%d, 1], [-1, 1], [1, -1], [1, %d]]}' % (FUTURE, 10**30),
    ],
)
def test_a_broken_file_counts_as_empty_and_is_written_again(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / NAME).write_bytes(broken)
    assert load(tmp_path, 5) == ()
    note_size(tmp_path, 5, lambda: 7)
    assert load(tmp_path, 5) == (SizeSample(5, 7),)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_can_not_be_written_keeps_nothing(tmp_path: Path) -> None:
    note_size(tmp_path / "gone", 5, lambda: 7)
    assert load(tmp_path / "gone", 5) == ()


def test_a_size_of_the_future_stops_neither_the_forecast_nor_the_notes(tmp_path: Path) -> None:
    """The clock was wrong for a while, or has been set back."""
    for day in range(5):
        note_size(tmp_path, day * DAY, lambda day=day: 100 * day)  # type: ignore[misc]
    note_size(tmp_path, FUTURE, lambda: 400)
    assert growth(load(tmp_path, 4 * DAY)) == 100
    note_size(tmp_path, 5 * DAY, lambda: 500)
    assert [one.bytes for one in load(tmp_path, FUTURE)] == [0, 100, 200, 300, 400, 500]
    note_size(tmp_path, 5 * DAY - 60, lambda: 999)
    assert load(tmp_path, FUTURE)[-1].bytes == 500, "at most once an hour"
