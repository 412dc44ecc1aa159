"""`muniment setup`: the checklist on the command line."""

from __future__ import annotations

import json
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
    Word,
)
from support.engine_double import HOSTILE, EngineDouble, assert_harmless, invoke

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


def test_the_list_says_how_each_step_stands_and_what_is_next() -> None:
    said = invoke(engine(), "setup")
    assert said.code == 0
    assert "[ ]" in said.out
    assert "journal-rule" in said.out
    assert said.out.endswith("Next: muniment setup journal-rule\n")


def test_all_done_and_what_needs_care() -> None:
    steps = tuple(changed(step, state="done", proven=1_700_000_000) for step in SETUP.steps)
    said = invoke(engine(Setup(steps=steps, platform="x", health=("Eve is silent.",))), "setup")
    assert "[x]" in said.out
    assert "the first report has arrived" in said.out
    assert "Eve is silent." in said.err
    assert said.code == 0


def test_json() -> None:
    done = Setup(steps=(changed(RULE, state="done", proven=1_700_000_000),), platform="microsoft-365")
    told = json.loads(invoke(engine(done), "setup", "--json").out)
    assert (told["done"], told["platform"], told["health"]) == (True, "microsoft-365", [])
    (step,) = told["steps"]
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
    said = invoke(engine(), "setup", "journal-rule")
    assert "Purview > Journal rules > New" in said.out
    assert "New-JournalRule -Name 'Größe' -Enabled $true\n" in said.out
    assert "scope           Global   (Global | Internal)" in said.out
    assert "muniment setup journal-rule --done" in said.out


def test_the_command_alone_and_into_a_file(tmp_path: Path) -> None:
    assert invoke(engine(), "setup", "journal-rule", "--command").out == RULE.command
    path = tmp_path / "rule.ps1"
    assert invoke(engine(), "setup", "journal-rule", "--to", str(path)).code == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + RULE.command.replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o600
    again = invoke(engine(), "setup", "journal-rule", "--to", str(path))
    assert again.code == 2
    assert "is there already" in again.err
    assert invoke(engine(), "setup", "first-report", "--command").code == 10


def test_setting_and_saying() -> None:
    double = engine()
    assert invoke(double, "setup", "--set", "domains=a.example, b.example", "--set", "name=").code == 0
    assert PutSetup(values={"domains": "a.example, b.example", "name": ""}) in double.asked
    assert invoke(double, "setup", "journal-rule", "--done").code == 0
    assert invoke(double, "setup", "journal-rule", "--not-done").code == 0
    assert [one.done for one in double.asked if isinstance(one, AffirmSetup)] == [True, False]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--set", "domains"), 2, "NAME=VALUE"),
        (("--done",), 2, "Name the step"),
        (("--command",), 2, "Name the step"),
        (("coffee",), 10, "journal-rule"),
        (("coffee", "--done"), 10, "journal-rule"),
    ],
)
def test_what_makes_no_sense(words: tuple[str, ...], code: int, said: str) -> None:
    answer = invoke(engine(), "setup", *words)
    assert answer.code == code
    assert said in answer.err


def test_a_check_says_each_finding_and_fails_where_one_does() -> None:
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
    said = invoke(double, "setup", "journal-rule", "--check")
    assert said.code == 1
    assert "Journal rule\n  ok      Fine.\n  to do   Later.\n  FAILED  Bad.\n" in said.out
    assert "[!] Journal rule: failed" in said.out
    told = invoke(double, "setup", "--check", "--json")
    assert told.code == 1
    assert json.loads(told.out)["steps"][0]["state"] == "failed"


def test_waiting_for_the_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muniment.cli.setup.POLL", 0.01)
    arrived = Setup(steps=(RULE, changed(REPORT, state="done", detail="Of Ada.")), platform="x")
    answers = iter([SETUP, SETUP, SETUP, arrived])

    class Arriving(EngineDouble):
        def call(self, request: Request) -> Word:
            return next(answers)

    said = invoke(Arriving(), "setup", "first-report", "--wait", "60")
    assert said.code == 0
    assert "Of Ada." in said.out
    assert said.err.count("Waiting.") == 1
    assert invoke(engine(), "setup", "--wait", "0").code == 1


def test_nothing_that_a_step_says_acts_on_the_terminal() -> None:
    hostile = changed(RULE, title=HOSTILE, guide=HOSTILE, detail=HOSTILE, command=HOSTILE, affirm=HOSTILE)
    double = engine(Setup(steps=(hostile, REPORT), platform="x", health=(HOSTILE,)))
    for words in (("setup",), ("setup", "journal-rule"), ("setup", "journal-rule", "--command")):
        said = invoke(double, *words)
        assert_harmless(said.out.replace("\n", ""))
        assert_harmless(said.err.replace("\n", ""))
