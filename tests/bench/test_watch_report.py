"""The report of the benchmarks has the result of the eight-hour watch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.report import aims_table, document
from benchmarks.settings import Settings
from benchmarks.watch import AIM, GROWTH, TITLE, Watch, put_in, store, stored

STEADY = [(100, 200), (110, 200), (111, 205), (112, 206)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def test_growth_is_counted_from_the_peak_of_the_first_hours() -> None:
    watch = Watch("3.13.5", [100, 110, 111, 121], [200, 200, 204, 208])
    assert watch.growth == pytest.approx((0.1, 0.04))
    assert not watch.section().aims[0].met
    assert Watch("3.13.5", [100, 110, 111, 115], [200, 200, 204, 208]).section().aims[0].met


def test_a_result_is_put_into_the_report_and_replaced(tmp_path: Path) -> None:
    report, kept = tmp_path / "report.md", tmp_path / "watch.json"
    report.write_text(document(Settings(), []))
    first = store([(10, 10), (10, 10), (11, 10)], report, kept)
    before = report.read_text()
    assert f"| {AIM} | app +10.0%, service +0.0% | **no** |" in before
    second = store(STEADY, report, kept)
    after = report.read_text()
    assert second == stored(kept) != first
    assert after.count(TITLE) == after.count(AIM) == 1
    assert f"| {AIM} | app +1.8%, service +3.0% | yes |" in after
    assert put_in(after, second.section()) == after
    assert put_in(after, first.section()) == before


def test_the_page_has_the_stored_result_which_is_within_its_bound() -> None:
    watch, page = stored(), PAGE.read_text(encoding="utf-8")
    assert max(watch.growth) <= GROWTH
    assert put_in(page, watch.section()) == page
    assert "\n".join(watch.section().markdown()).strip() in page
    assert aims_table(watch.section().aims).markdown()[2] in page
