"""The measurement of a disposal: its vault is made in steps, and the report has the figures."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks import large_vault
from benchmarks.disposal import AIM_SEARCH, AIM_WAIT, TITLE, Measured, Pace, measure, stored
from benchmarks.large_vault import MARK, LargeVault
from benchmarks.watch import put_in
from muniment.archive.vault.open_vault import open_vault
from support.vaults import TestVault

FOUND = Measured(
    python="3.11.7",
    count=1_000_000,
    disposed=100_000,
    simulated=60.0,
    seconds=1_000.0,
    stages={"read": 100.0, "erase": 300.0},
    runs={"before": [0.1], "during": [0.2, 12.5]},
    searches={
        "before": {"count": 100, "p50": 0.002, "p99": 0.01},
        "during": {"count": 900, "p50": 0.004, "p99": 0.04},
    },
    memory={"before": 100_000_000, "during": 250_000_000},
)


class Stopped(Exception):
    """Somebody stops the making."""


def test_a_vault_is_made_in_steps_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    large = LargeVault(tmp_path, 20, 10, step=8)
    said: list[str] = []

    def stop(text: str) -> None:
        said.append(text)
        if len(said) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        large.make(stop)
    large.make(said.append)
    assert [text.split(" of ")[0] for text in said] == ["8", "10", "18", "20"]
    vault = TestVault(large.vault)
    assert len(vault.messages()) == 20
    assert len(vault.search(MARK)) == 10
    with closing(open_vault(large.vault, write=False)) as opened:
        received = [row.received for row in opened.catalog.messages_after(-1, 100)]
    ages = [round((time.time() - one) / large_vault.DAY) for one in received]
    assert ages == [large_vault.OLD] * 10 + [large_vault.YOUNG] * 10
    large.make(said.append)
    assert len(said) == 4


def test_the_report_says_what_was_measured_and_whether_it_is_good_enough() -> None:
    section = FOUND.section()
    page = put_in("# Benchmarks\n\n| Aim | Measured | Met |\n| --- | ---: | ---: |\n", section)
    assert f"## {TITLE}" in page
    assert f"| {AIM_WAIT} | 12.5 s at most | yes |" in page
    assert f"| {AIM_SEARCH} | 4.0x | **no** |" in page
    assert "| Messages disposed of a second | 100 |" in page
    assert "| Memory, MB | 100.0 | 250.0 |" in page
    assert put_in(page, replace(FOUND, disposed=5).section()).count(f"## {TITLE}") == 1


def test_without_figures_there_is_no_section(tmp_path: Path) -> None:
    assert stored(tmp_path / "none.json") is None


@pytest.mark.slow
def test_a_small_disposal_is_measured_through_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUNIMENT_RUNTIME", os.environ["MUNIMENT_RUNTIME"])  # the measurement sets it
    large = LargeVault(tmp_path, 40, 15)
    large.make(lambda text: None)
    said: list[str] = []
    found = measure(large, said.append, Pace(before=3.0, run_every=0.2, run_of=2, search_every=0.05))
    assert (found.count, found.disposed) == (40, 15)
    assert found.seconds > 0
    assert all(found.searches[when]["count"] for when in ("before", "during"))
    assert any(found.runs.values())
    assert found.memory["during"] > 10_000_000
    assert "lists 15 messages" in "\n".join(said)
    assert len(TestVault(large.vault).messages()) == 40
