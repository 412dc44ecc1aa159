"""The chart: heights are in proportion, nothing is lost, and it is as large as its place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.containers import Container
from textual.pilot import Pilot
from textual.widget import Widget

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.widgets.chart import BLANK, ChartView, Kind, chart
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import app_on, drive, text_of, until

KINDS: tuple[Kind, ...] = ("bars", "line")
anything = st.lists(st.none() | st.floats(), max_size=300)
amounts = st.lists(st.floats(0, 1e9), min_size=1, max_size=40)


def columns_of(drawn: str) -> list[int]:
    """The number of dots in each column of dots."""
    lines = drawn.split("\n")
    found = []
    for cell in range(len(lines[0])):
        bits = [0 if line[cell] == " " else ord(line[cell]) - BLANK for line in lines]
        for mask in (0x47, 0xB8):
            found.append(sum((bit & mask).bit_count() for bit in bits))
    return found


@given(anything, st.integers(0, 130), st.integers(0, 12), st.sampled_from(KINDS), st.text(max_size=20))
def test_a_chart_has_exactly_its_size(
    values: list[float | None], width: int, height: int, kind: Kind, label: str
) -> None:
    drawn = chart(values, width, height, kind=kind, first=label, last=label)
    lines = drawn.split("\n") if width and height else []
    assert len(lines) == (height if width else 0)
    assert {line.cell_length for line in lines} <= {width}


@given(amounts, st.integers(1, 8))
def test_bars_are_as_high_as_their_values(values: list[float], rows: int) -> None:
    drawn = chart(values, len(values), rows, number=lambda _: "x" * 99).plain
    high = rows * 4
    top = max(values)
    expected = [
        0 if value == 0 else min(max(round(value / top * high), 1), high)
        for value in values
        for _ in range(2)
    ]
    assert columns_of(drawn) == expected


@given(st.lists(st.floats(0, 1e6), min_size=41, max_size=500))
def test_the_largest_value_is_seen_however_many_there_are(values: list[float]) -> None:
    drawn = chart(values, 20, 1).plain
    shares = [values[at * len(values) // 40 : (at + 1) * len(values) // 40] for at in range(40)]
    assert [bool(dots) for dots in columns_of(drawn)] == [max(share) > 0 for share in shares]
    if any(values):
        assert max(columns_of(drawn)) == 4


@given(amounts, st.integers(1, 6))
def test_a_line_is_never_interrupted(values: list[float], rows: int) -> None:
    values = [value + 1 for value in values]
    drawn = chart(values, 40, rows, kind="line", number=lambda _: "x" * 99).plain
    assert all(columns_of(drawn))


def test_a_line_connects_its_steps() -> None:
    drawn = chart([1, 4, 1], 3, 1, kind="line").plain
    assert columns_of(drawn) == [1, 1, 3, 1, 3, 1]


def test_a_gap_is_left_where_nothing_is_known() -> None:
    for kind in KINDS:
        assert columns_of(chart([4, None, math.nan, 4], 2, 1, kind=kind).plain)[1:3] == [0, 0]


def test_bars_stand_apart_when_there_is_room() -> None:
    assert chart([1, 1, 1], 6, 1).plain == "⣿⡇⣿⡇⣿⡇"
    assert chart([1, 1, 1], 3, 1).plain == "⣿⣿⣿"


def test_the_axis() -> None:
    drawn = chart([0, 700, 1400], 20, 4, first="Mon", last="Wed").plain.split("\n")
    assert drawn[0].startswith("1,400 ")
    assert drawn[2].startswith("    0 ")
    assert drawn[3] == "      Mon        Wed"
    assert chart([7], 8, 2, first="Monday", last="today").plain.split("\n")[1].endswith("   today")
    narrow = chart([123456789.0], 8, 3).plain
    assert "1" not in narrow


def test_nothing_to_draw() -> None:
    for values in ([], [0, 0], [None], [math.nan]):
        assert chart(values, 4, 2).plain == "    \n    "
    assert chart([-5, math.inf, -math.inf, 1], 2, 1).plain.strip() != ""
    assert chart([2], 2, 1, top=4).plain == chart([2, 2], 2, 1, top=4).plain.replace("⣤⣤", "⣤⡄")


def test_labels_are_made_harmless() -> None:
    drawn = chart([1], 120, 5, first=HOSTILE, last=HOSTILE, number=lambda _: HOSTILE[:6])
    assert_harmless(drawn.plain.replace("\n", ""))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_chart_fills_its_place(tmp_path: Path, size: tuple[int, int]) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(OneChart())
        view = pilot.app.screen.query_one(ChartView)
        view.show([3, 1, 2], "first", "last")
        await until(pilot, lambda: "first" in text_of(pilot.app))
        lines = text_of(pilot.app).split("\n")
        assert view.size == (size[0], size[1] - 3)
        assert lines[1].startswith("3 ⣿")
        assert lines[-3].startswith("  first")
        assert lines[-3].endswith("last")
        assert len(lines[-4]) == size[0]

    drive(app_on(EngineDouble(), tmp_path / "v", blank=True), script, size)


class OneChart(FrameScreen):
    """A chart that is as large as the screen."""

    def inside(self) -> Iterable[Widget]:
        yield Container(ChartView())
