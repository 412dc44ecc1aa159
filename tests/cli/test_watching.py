"""watch, cancel, history: with a double of the engine, and on a real vault."""

import json
from pathlib import Path
from typing import Any

import pytest

from muniment.api import (
    CancelRun,
    Done,
    GetHistory,
    History,
    LogLine,
    ProfileState,
    Request,
    RunRecord,
    RunsState,
    WatchRuns,
)
from support.engine_double import HOSTILE, Answer, EngineDouble, assert_shown_harmlessly, invoke
from support.program import Program
from support.reports import plain, report
from support.vaults import TestVault, put
from support.words import progress


def state(**changes: Any) -> RunsState:
    profile: dict[str, Any] = {"name": "gw", "source": "gateway", "enabled": True, "every": 300}
    return RunsState(
        profiles=(ProfileState(**(profile | changes)),), log=(LogLine(number=1, time=0, text="text"),)
    )


def record(**changes: Any) -> RunRecord:
    fields = {"profile": "gw", "state": "ok", "new": 7, "merged": 1, "seconds": 2.0, "v": 1}
    return RunRecord(sequence=40, time=1_700_000_000, summary=fields | changes)


def test_watch_once_prints_a_line_for_each_profile() -> None:
    run = progress(arrived=512, expected=2000, total_known=True, percent=25, left=20.0)
    double = EngineDouble({WatchRuns: [state(running=run), state()]})
    result = invoke(double, "watch", "--once")
    assert (result.code, result.err) == (0, "")
    text = "fetching: 512 of 2,000, 25%, less than a minute left, 500 new, 1.0 MB in 3.2 s"
    assert result.out == f"gw               {text}\n"
    assert double.cancelled == [WatchRuns()]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "never ran"),
        ({"last": {"state": "failed"}, "enabled": False}, "last run failed, runs by hand only"),
        ({"last": {"state": "ok"}, "next_start": 1_700_000_000}, "last run ok, next at 2023-11-1"),
    ],
)
def test_an_idle_profile_shows_its_last_and_next_run(changes: dict[str, Any], text: str) -> None:
    assert text in invoke(EngineDouble({WatchRuns: [state(**changes)]}), "watch").out


def test_watch_in_json_prints_only_changes() -> None:
    double = EngineDouble({WatchRuns: [state(), state(), state(every=5)]})
    lines = invoke(double, "watch", "--json").out.splitlines()
    assert [json.loads(line)["profiles"][0]["every"] for line in lines] == [300, 5]


def test_cancelling_by_name_or_all() -> None:
    double = EngineDouble({CancelRun: Done(message="Stopping gw.")})
    assert invoke(double, "cancel", "gw").out == "Stopping gw.\n"
    assert invoke(double, "cancel", "--all").code == 0
    assert double.asked == [CancelRun(profile="gw"), CancelRun()]
    assert invoke(double, "cancel").code == 2
    assert invoke(double, "cancel", "gw", "--all").code == 2


def test_history_is_a_table_and_names_the_next_page() -> None:
    failed = RunRecord(
        time=1_700_000_000,
        count=3,
        since=1_699_999_000,
        summary={"profile": "gw", "state": "failed", "error": "no such host"},
    )
    double = EngineDouble({GetHistory: History(runs=(failed, record()), after=40)})
    out = invoke(double, "history", "--profile", "gw", "--state", "failed", "--limit", "2").out
    assert double.asked == [GetHistory(profile="gw", state="failed", eventful=True, limit=2)]
    assert "3 times since" in out
    assert "Next page: --after 40" in out
    data = json.loads(invoke(double, "history", "--every", "--json").out)
    assert [run["state"] for run in data["runs"]] == ["failed", "ok"]
    assert (data["runs"][0]["in_a_row"], data["after"]) == (3, 40)
    assert "v" not in data["runs"][1]


def test_hostile_strings() -> None:
    hostile = state(name=HOSTILE, running=progress(profile=HOSTILE, stage=HOSTILE))
    answers: dict[type[Request], Answer] = {
        WatchRuns: [hostile],
        GetHistory: History(runs=(record(profile=HOSTILE, state=HOSTILE, error=HOSTILE),)),
        CancelRun: Done(message=HOSTILE),
    }
    for words in (["watch"], ["history"], ["cancel", HOSTILE]):
        assert_shown_harmlessly(invoke(EngineDouble(answers), *words).out)


def test_on_a_real_vault(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    put(vault.maildir("box"), [report(plain(subject="One"))])
    program = Program(vault.folder)
    assert "No such run" in program("history").out
    assert "never ran" in program("watch").out
    program("run", "box")
    program("run", "box")
    (run,) = program.ask("history")["runs"]
    assert (run["profile"], run["new"], run["state"]) == ("box", 1, "ok")
    assert len(program.ask("history", "--every")["runs"]) == 2
    assert program.ask("watch", "--once")["profiles"][0]["last"]["already"] == 1
    assert "nothing to cancel" in program("cancel", "box").out
    vault.client.close()
