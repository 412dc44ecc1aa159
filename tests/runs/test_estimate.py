"""The progress of a run: a percentage that never falls, for any counts, and a smoothed rate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.runs.pipeline.estimate import APART, WINDOW, RunEstimate

COUNTS = st.integers(0, 10**9)
EVENTS = st.lists(st.tuples(st.floats(0, 3600), COUNTS, COUNTS, st.booleans()), max_size=60)


@given(EVENTS)
def test_the_percentage_never_falls(events: list[tuple[float, int, int, bool]]) -> None:
    """For any sequence of counts, also totals that shrink and counts that fall."""
    estimate, at, seen = RunEstimate(), 0.0, []
    for passed, settled, total, known in events:
        at += passed
        estimate.see(at, settled, total, known)
        outlook = estimate.outlook(at)
        assert outlook.left is None or outlook.left >= 0
        if outlook.percent is not None:
            assert 0 <= outlook.percent <= 100
            seen.append(outlook.percent)
        else:
            assert not seen, "once it is known it stays known"
    assert all(before <= after for before, after in pairwise(seen))


def at_a_steady_pace(estimate: RunEstimate, speed: float, seconds: int, total: int) -> float:
    for second in range(seconds + 1):
        estimate.see(float(second), int(second * speed), total, known=True)
    return float(seconds)


def test_the_time_left_is_that_of_a_steady_pace() -> None:
    estimate = RunEstimate()
    outlook = estimate.outlook(at_a_steady_pace(estimate, 100, 120, 30_000))
    assert outlook.percent == 40
    assert outlook.rate == pytest.approx(100)
    assert outlook.left == pytest.approx(180)


def test_a_pause_lowers_the_rate_but_does_not_end_it() -> None:
    """For example while a source deletes a portion. The time left changes little."""
    estimate = RunEstimate()
    at = at_a_steady_pace(estimate, 100, 120, 30_000)
    assert 70 < estimate.outlook(at + 15).rate < 90
    assert estimate.outlook(at + 10 * WINDOW).rate < 20


def test_there_is_no_percentage_while_the_total_is_not_known() -> None:
    estimate = RunEstimate()
    for second in range(10):
        estimate.see(float(second), second * 100, 5000, known=False)
    outlook = estimate.outlook(10.0)
    assert (outlook.percent, outlook.left) == (None, None)
    assert outlook.rate > 0


def test_its_memory_is_bounded() -> None:
    estimate = RunEstimate()
    for step in range(100_000):
        estimate.see(step / 100, step, 100_000, known=True)
    assert len(estimate._samples) <= WINDOW / APART + 2
