"""`muniment subject`: its words, its JSON, and a request from start to end with the program itself."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from muniment.api import (
    CloseSubject,
    DecideSubject,
    Done,
    ListSubjectDecisions,
    ListSubjectMessages,
    ListSubjects,
    OpenSubject,
    PackageSubject,
    ShowSubject,
    SubjectDecided,
    SubjectDecisions,
    SubjectDecisionWord,
    SubjectMessages,
    SubjectMessageWord,
    SubjectPackageWord,
    Subjects,
    SubjectState,
    SubjectWord,
)
from support.engine_double import EngineDouble, invoke
from support.program import Program
from support.subjects import fill
from support.vaults import TestVault

TIME = 1_767_614_400
WORD = SubjectWord(
    id="0a1b2c3d", name="Ada Reed", case="DS-1", reason="letter", mail="mail of ada@example.com",
    selection={}, texts=("Ada Reed",), opened=TIME, by="audrey", messages=3, undecided=1, included=1,
    withheld=1, packages=1, unread=2, unsearched=1,
)  # fmt: skip
MESSAGE = SubjectMessageWord(
    number=17, id="ab" * 32, state="withheld", reach="party", parts=("to",), date=TIME, sender="bob@x",
    to="ada@x", subject="Lunch\x1b[31m", size=100, attachments=1, reason="others", decided=TIME, by="ada",
)  # fmt: skip
PACKAGE = SubjectPackageWord(
    made=TIME, by="ada", sha256="cd" * 32, size=2048, included=1, changed=0, withheld=1, undecided="",
    erased=0, sealed=1, listed=True, approval="0a0b0c0d",
)  # fmt: skip
STATE = SubjectState(
    subject=WORD,
    states={"undecided": 0, "included": 1, "withheld": 1, "sealed": 1, "erased": 0},
    reaches={"party": 2, "unsure": 0, "named": 1},
    packages=(PACKAGE,),
)
DECIDED = SubjectDecided(decided=2, again=1, sealed=1, erased=1, unsearched=3, undecided=4)
DECISION = SubjectDecisionWord(
    number=9, time=TIME, by="ada", decision="withhold", reason="others", query="council", messages=2
)


def double() -> EngineDouble:
    return EngineDouble(
        {
            OpenSubject: [WORD],
            ListSubjects: Subjects(total=1, open=1, subjects=(WORD,)),
            ShowSubject: STATE,
            ListSubjectMessages: SubjectMessages(messages=(MESSAGE,), after=17, unsearched=3),
            DecideSubject: DECIDED,
            ListSubjectDecisions: SubjectDecisions(total=1, decisions=(DECISION,)),
            PackageSubject: [Done(message="1 message is in ada.zip.")],
            CloseSubject: WORD,
        }
    )


def sent(engine: EngineDouble, kind: type[Any]) -> Any:
    return next(one for one in reversed(engine.asked) if isinstance(one, kind))


def test_open_says_what_is_in_it_and_what_may_be_missing() -> None:
    engine = double()
    result = invoke(
        engine, "subject", "open", "Ada Reed", "a@x.org", "--reason", "letter", "--from", "2025", "--to",
        "2026-01", "--mentions", "--text", "4711",
    )  # fmt: skip
    assert "The request Ada Reed (case DS-1) is open." in result.out
    assert "It has 3 messages: mail of ada@example.com, or with the text 'Ada Reed'." in result.out
    assert "Not in it: 2 messages" in result.out
    assert "1 message could not be searched" in result.out
    request = sent(engine, OpenSubject)
    assert (request.people, request.since, request.until) == (("Ada Reed", "a@x.org"), "2025", "2026-01")
    assert (request.mentions, request.texts, request.check) == (True, ("4711",), False)
    result = invoke(double(), "subject", "open", "x@y", "--reason", "r", "--dry-run")
    assert "would be opened; nothing was recorded" in result.out


def test_list_and_show() -> None:
    assert "Ada Reed  DS-1" in invoke(double(), "subject", "list").out
    text = invoke(double(), "subject", "show", "ada reed").out
    for words in ("1  included", "1  sealed", "only their text names the person", "cd" * 32, "0a0b0c0d"):
        assert words in text
    none = EngineDouble({ListSubjects: Subjects(total=0, open=0, subjects=())})
    assert "no open requests" in invoke(none, "subject", "list").out


def test_messages_are_numbered_and_harmless() -> None:
    engine = double()
    result = invoke(
        engine, "subject", "messages", "Ada Reed", "--state", "withheld", "--why", "party", "--after", "3"
    )
    assert "17  abababababab" in result.out
    assert "\x1b" not in result.out
    assert "Next page: --after 17" in result.out
    assert "3 messages could not be searched" in result.err
    request = sent(engine, ListSubjectMessages)
    assert (request.state, request.reach, request.after) == ("withheld", "party", 3)


def test_decisions_are_said_in_words() -> None:
    engine = double()
    result = invoke(engine, "subject", "withhold", "Ada Reed", "1", "2", "--reason", "others")
    assert "2 messages are withheld, 1 of them decided before; left out: 1 sealed, 1 erased." in result.out
    assert "4 are undecided." in result.out
    request = sent(engine, DecideSubject)
    assert (request.decision, request.ids, request.reason) == ("withhold", ("1", "2"), "others")
    result = invoke(engine, "subject", "include", "Ada Reed", "--rest", "--reason", "x", "--dry-run")
    assert "2 messages would be included" in result.out
    assert sent(engine, DecideSubject).rest
    assert "withhold" in invoke(engine, "subject", "history", "Ada Reed", "17").out
    for words in (["1", "--rest"], []):
        refused = invoke(double(), "subject", "include", "Ada Reed", *words, "--reason", "x")
        assert (refused.code, "Say which messages" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["open", "x@y", "--reason", "r"], "opened"),
        (["list"], None),
        (["show", "x"], "states"),
        (["messages", "x"], "messages"),
        (["include", "x", "--rest", "--reason", "r"], "decided"),
        (["history", "x"], None),
        (["package", "x", "--out", "x.zip"], "message"),
        (["close", "x"], "closed"),
    ],
)
def test_json_has_plain_values(words: list[str], key: str | None) -> None:
    result = invoke(double(), "subject", *words, "--json")
    value = json.loads(result.out)
    assert key is None or key in value
    assert key is not None or len(value) == 1
    assert result.code == 0


def test_a_request_from_start_to_end(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    fill(vault)
    vault.client.close()
    program = Program(vault.folder)
    made = program.ask("subject", "open", "Anna Berg", "--mentions", "--reason", "letter", "--case", "DS-1")
    assert (made["messages"], made["open"]) == (5, True)
    refused = program.say("subject", "package", "Anna Berg", "--out", str(tmp_path / "a.zip"))
    assert (refused.code, "5 messages" in refused.err) == (2, True)
    page = program.ask("subject", "messages", "Anna Berg", "--limit", "3")
    rest = program.ask("subject", "messages", "Anna Berg", "--after", str(page["after"]))
    assert [one["number"] for one in page["messages"] + rest["messages"]] == [1, 2, 3, 4, 5]
    assert program.ask("subject", "withhold", "Anna Berg", "5", "--reason", "others")["decided"] == 1
    assert program.ask("subject", "include", "Anna Berg", "--rest", "--reason", "read")["undecided"] == 0
    done = program.say("subject", "package", "anna berg", "--out", str(tmp_path / "a.zip"), "--list-withheld")
    assert done.code == 0, done.err
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        text = packed.read("index.csv").decode()
        assert [row["number"] for row in csv.DictReader(io.StringIO(text))] == ["1", "2", "3", "4"]
        assert packed.read("withheld.csv").decode().splitlines() == ["number,reason", "5,others"]
    shown = program.ask("subject", "show", "Anna Berg")
    assert shown["packages"][0]["included"] == 4
    assert program.ask("subject", "close", "Anna Berg")["closed"]
    assert program.ask("subject", "list") == []
