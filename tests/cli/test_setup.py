"""`muniment setup`: the checklist on the command line."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest

from muniment.api import (
    AffirmSetup,
    CheckSetup,
    GetSetup,
    PutSetup,
    Request,
    Setup,
    SetupField,
    SetupFinding,
    SetupStep,
    WireWord,
)
from muniment.cli import setup
from support.engine_double import HOSTILE, EngineDouble, assert_harmless, assert_shown_harmlessly, invoke

RULE = SetupStep(
    key="journal-rule",
    title="Journal rule",
    state="to do",
    guide="- Purview > Journal rules > New\nThen say so.",
    command="New-JournalRule -Name 'Größe' -Enabled $true\nGet-JournalRule\n",
    language="powershell",
    detail="No report has proven the rule yet.",
    affirm="the rule exists and is enabled",
    fields=(SetupField(name="scope", label="Messages", value="Global", choices=("Global", "Internal")),),
)
REPORT = SetupStep(
    key="first-report", title="First report arrived", state="to do", guide="Wait.", detail="Waiting."
)
SETUP = Setup(steps=(RULE, REPORT), platform="microsoft-365")


def changed(step: SetupStep, **fields: object) -> SetupStep:
    return msgspec.structs.replace(step, **fields)


def engine(setup: Setup = SETUP, **more: object) -> EngineDouble:
    return EngineDouble({GetSetup: setup, PutSetup: setup, AffirmSetup: setup})


def test_the_list_shows_each_step_and_the_next_one() -> None:
    result = invoke(engine(), "setup")
    assert result.code == 0
    assert "[ ]" in result.out
    assert "journal-rule" in result.out
    assert result.out.endswith("Next: muniment setup journal-rule\n")


def test_all_steps_done_and_health_warnings() -> None:
    steps = tuple(changed(step, state="done", proven=1_700_000_000) for step in SETUP.steps)
    result = invoke(engine(Setup(steps=steps, platform="x", health=("Eve is silent.",))), "setup")
    assert "[x]" in result.out
    assert "the first report has arrived" in result.out
    assert "Eve is silent." in result.err
    assert result.code == 0


def test_json() -> None:
    done = Setup(steps=(changed(RULE, state="done", proven=1_700_000_000),), platform="microsoft-365")
    data = json.loads(invoke(engine(done), "setup", "--json").out)
    assert (data["done"], data["platform"], data["health"]) == (True, "microsoft-365", [])
    (step,) = data["steps"]
    assert step["proven"] == "2023-11-14T22:13:20Z"
    assert step["affirmed"] is None
    assert step["fields"][0] == {
        "name": "scope",
        "label": "Messages",
        "value": "Global",
        "choices": ["Global", "Internal"],
        "hint": "",
    }
    assert json.loads(invoke(engine(), "setup", "journal-rule", "--json").out)["key"] == "journal-rule"


def test_a_step_is_a_guide_with_values_and_a_command() -> None:
    result = invoke(engine(), "setup", "journal-rule")
    assert "Purview > Journal rules > New" in result.out
    assert "New-JournalRule -Name 'Größe' -Enabled $true\n" in result.out
    assert "scope           Global   (Global | Internal)" in result.out
    assert "muniment setup journal-rule --done" in result.out


def test_the_command_can_be_printed_or_written_to_a_file(tmp_path: Path) -> None:
    assert invoke(engine(), "setup", "journal-rule", "--command").out == RULE.command
    path = tmp_path / "rule.ps1"
    assert invoke(engine(), "setup", "journal-rule", "--to", str(path)).code == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + RULE.command.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o600
    again = invoke(engine(), "setup", "journal-rule", "--to", str(path))
    assert again.code == 2
    assert "exists already" in again.err
    assert invoke(engine(), "setup", "first-report", "--command").code == 10


def test_values_are_set_and_steps_marked_done() -> None:
    double = engine()
    assert invoke(double, "setup", "--set", "domains=a.example, b.example", "--set", "name=").code == 0
    assert PutSetup(values={"domains": "a.example, b.example", "name": ""}) in double.asked
    assert invoke(double, "setup", "journal-rule", "--done").code == 0
    assert invoke(double, "setup", "journal-rule", "--not-done").code == 0
    assert [one.done for one in double.asked if isinstance(one, AffirmSetup)] == [True, False]


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--set", "domains"), 2, "NAME=VALUE"),
        (("--done",), 2, "Name the step"),
        (("--command",), 2, "Name the step"),
        (("coffee",), 10, "journal-rule"),
        (("coffee", "--done"), 10, "journal-rule"),
    ],
)
def test_wrong_options_and_unknown_steps(words: tuple[str, ...], code: int, part: str) -> None:
    answer = invoke(engine(), "setup", *words)
    assert answer.code == code
    assert part in answer.err


def test_a_check_prints_each_finding_and_fails_if_one_is_wrong() -> None:
    double = engine()
    failed = Setup(steps=(changed(RULE, state="failed", detail="Bad."), REPORT), platform="x")
    double.answers[CheckSetup] = [
        changed(RULE, state="checking"),
        SetupFinding(text="Fine.", verdict="fine"),
        SetupFinding(text="Later.", verdict="missing"),
        SetupFinding(text="Bad.", verdict="wrong"),
        failed.steps[0],
        failed,
    ]
    result = invoke(double, "setup", "journal-rule", "--check")
    assert result.code == 1
    assert "Journal rule\n  ok      Fine.\n  to do   Later.\n  FAILED  Bad.\n" in result.out
    assert "[!] Journal rule: failed" in result.out
    data = invoke(double, "setup", "--check", "--json")
    assert data.code == 1
    assert json.loads(data.out)["steps"][0]["state"] == "failed"


def test_waiting_for_the_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_awaited", partial(setup._awaited, poll=0.01))
    arrived = Setup(steps=(RULE, changed(REPORT, state="done", detail="Of Ada.")), platform="x")
    answers = iter([SETUP, SETUP, SETUP, arrived])

    class Arriving(EngineDouble):
        def call(self, request: Request) -> WireWord:
            return next(answers)

    result = invoke(Arriving(), "setup", "first-report", "--wait", "60")
    assert result.code == 0
    assert "Of Ada." in result.out
    assert result.err.count("Waiting.") == 1
    assert invoke(engine(), "setup", "--wait", "0").code == 1


def test_hostile_text_in_a_step_is_made_harmless() -> None:
    hostile = changed(RULE, title=HOSTILE, guide=HOSTILE, detail=HOSTILE, command=HOSTILE, affirm=HOSTILE)
    double = engine(Setup(steps=(hostile, REPORT), platform="x", health=(HOSTILE,)))
    for words in (("setup",), ("setup", "journal-rule"), ("setup", "journal-rule", "--command")):
        result = invoke(double, *words)
        assert_shown_harmlessly(result.out.replace("\n", ""))
        assert_harmless(result.err.replace("\n", ""))
