"""The progress of a run in words."""

from typing import Any

import pytest

from muniment.api import ProgressWord
from muniment.cli.progress import bar, far, remaining, speed
from support.words import progress


def running(**changes: Any) -> ProgressWord:
    return progress(**{"arrived": 12_000, "expected": 30_000, "total_known": True, "percent": 40, **changes})


def test_progress_counts_the_whole_mailbox() -> None:
    assert far(running()) == "12,000 of 30,000, 40%"
    assert far(running(books={"already": 500, "skipped": 1, "failed": 2})) == "12,503 of 30,000, 40%"
    assert far(running(percent=None)) == "12,000 of 30,000"


def test_progress_says_that_the_source_is_still_listing() -> None:
    listing = running(total_known=False, percent=None, left=60.0)
    assert far(listing) == "12,000 so far, still listing"
    assert remaining(listing) == bar(listing) == ""


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (None, ""),
        (20.0, "less than a minute left"),
        (120.0, "about 2 min left"),
        (8149.0, "about 2 h 16 min left"),
    ],
)
def test_the_time_left_in_words(left: float | None, text: str) -> None:
    assert remaining(running(left=left)) == text


@pytest.mark.parametrize(("rate", "text"), [(0.0, ""), (0.4, ""), (0.6, "1/s"), (1234.5, "1,234/s")])
def test_the_speed_is_the_smoothed_one(rate: float, text: str) -> None:
    assert speed(running(rate=rate)) == text


@pytest.mark.parametrize(("percent", "full"), [(0, 0), (40, 8), (99, 19), (100, 20)])
def test_a_bar_always_has_the_same_length(percent: int, full: int) -> None:
    assert bar(running(percent=percent)) == f"[{'#' * full}{'.' * (20 - full)}]"
