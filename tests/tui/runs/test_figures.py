"""The figures of a run: speed, percentage, and the books as sums."""

from __future__ import annotations

from typing import Any

import pytest

from muniment_tui.runs import figures
from muniment_tui.runs.figures import RunPace, equations, last_end, last_run, news, standing
from support.running import failed, finished, going, profile
from support.screens import NOW


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, which the test sets."""
    clock = [0.0]
    monkeypatch.setattr(figures, "now", lambda: clock[0])
    return clock


def seen(pace: RunPace, at: list[float], *arrivals: int) -> RunPace:
    for number in arrivals:
        at[0] += 1
        pace.see(going(number))
    return pace


def test_the_rate_covers_the_last_seconds(at: list[float]) -> None:
    pace = seen(RunPace(), at, *range(0, 100_000, 1000))
    assert pace.rate() == pytest.approx(1000)
    seen(pace, at, *[99_000] * 30)
    assert pace.rate() == 0  # a stalled connection shows a rate of 0
    assert len(pace.speeds) == figures.SPEEDS
    assert pace.speeds[-1] == 0


def test_a_new_run_resets_the_rate(at: list[float]) -> None:
    pace = seen(RunPace(), at, 5000, 6000, 10)
    assert (pace.rate(), list(pace.speeds)) == (0.0, [0.0])
    assert seen(pace, at, 110).rate() == pytest.approx(100)


def test_the_percentage_of_a_stage_never_decreases() -> None:
    pace = RunPace()
    assert pace.percent("Fetch", 0, 0) is None
    assert [pace.percent("Fetch", 50, total) for total in (100, 200, 0, 60)] == [50, 50, 50, 83]
    assert pace.percent("Store", 1, 100) == 1


def test_each_line_of_the_books_is_a_sum() -> None:
    lines = equations(going().books).plain.split("\n")
    assert lines == [
        "listed   12,640 = 4,050 fetched + 310 already + 1 skipped + 8,279 pending  ✓",
        "fetched   4,050 = 3,947 new + 101 merged + 2 quarantined  ✓",
        "deleted       0 at the source, of 4,360 kept  ✓",
    ]


@pytest.mark.parametrize(
    ("changes", "line"), [({"listed": 1011}, 0), ({"new": 901}, 1), ({"deleted": 5000, "already": 10}, 2)]
)
def test_an_unbalanced_sum_is_marked(changes: dict[str, Any], line: int) -> None:
    lines = equations(finished(**changes), balanced=False).plain.split("\n")
    assert [text.endswith("✗ does not balance") for text in lines[:3]] == [n == line for n in range(3)]
    assert "do not balance" in lines[3]


def test_the_result_in_a_few_words() -> None:
    assert news(finished()) == "900 new, 99 merged, 1 quarantined"
    assert news(finished(new=0, merged=0, quarantined=0)) == "nothing new"
    assert news(failed()).startswith("37 times: mail.example.com refused")


def test_the_activity_of_a_profile(frozen: None) -> None:
    assert standing(profile()).plain == " ✓ scheduled "
    assert standing(profile(next_start=0)).plain == " ○ by hand only "
    assert standing(profile(next_start=0, tested=False)).plain == " ! not tested yet "
    assert standing(profile(running=going())).plain == " ▶ fetching 35% "
    assert standing(profile(running=going(stage="waiting"))).plain == " … queued "
    assert last_run(finished()).plain == "✓ 11:53  900 new, 99 merged, 1 quarantined"
    cancelled = finished(state="cancelled", ended=NOW - 86_400, new=0, merged=0, quarantined=0)
    assert last_run(cancelled).plain == " ■ cancelled  01-04 12:00 nothing new"
    assert last_run(finished(state="unheard of")).plain.startswith(" ! unheard of ")
    assert last_run(None).plain == last_end(None).plain == "○ never ran"
    assert last_end(finished()).plain == "✓ 11:53"
    assert last_end(cancelled).plain == "■ 01-04 12:00"
