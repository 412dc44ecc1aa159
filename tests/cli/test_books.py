"""The books as sums, and the display of a run in progress."""

from typing import Any

import pytest

from muniment.cli.books import COUNTS, equation, stages, went_well
from support.words import progress, summary


def test_both_sides_of_the_equation_agree() -> None:
    for line in equation(summary())[1:3]:
        left, right = line.replace(",", "").split(" = ")
        assert int(left.split()[1]) == sum(int(term.split()[0]) for term in right.split(" + "))


def test_the_books_fit_80_columns_with_millions() -> None:
    big = dict.fromkeys(COUNTS, 12_345_678)
    lines = equation(summary(**big | {"skipped": 0, "pending": 0, "left": 0, "failed": 0, "quarantined": 5}))
    assert max(map(len, lines)) <= 80


def test_each_stage_has_one_line() -> None:
    head, drawn, *lines = stages(
        progress(arrived=500, expected=1000, total_known=True, percent=50, left=120.0, rate=160.4)
    )
    assert head == "gw: fetching, 500 of 1,000, 50%, about 2 min left"
    assert drawn == "  [##########..........]  1.0 MB in 3.2 s, 160/s"
    assert [line.split()[0] for line in lines] == [
        "listed", "fetched", "new", "merged", "quarantined", "indexed", "deleted",
    ]  # fmt: skip
    assert lines[1].split() == ["fetched", "512", "160/s"]


@pytest.mark.parametrize("changes", [{"state": "failed"}, {"state": "cancelled"}, {"balanced": False}])
def test_a_run_went_well_only_if_it_is_ok_and_balanced(changes: Any) -> None:
    assert went_well(summary())
    assert not went_well(summary(**changes))
