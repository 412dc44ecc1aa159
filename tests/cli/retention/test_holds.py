"""`hold place`, `list`, `show`, `report` and `release`, with an engine of fixed answers."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from muniment.api import (
    CountHold,
    Decided,
    HeldByWord,
    HeldEnd,
    HeldMessage,
    HeldPerson,
    HeldReport,
    HoldCountWord,
    Holds,
    HoldWord,
    ListHeld,
    ListHolds,
    MailCountWord,
    MailCriteria,
    PlaceHold,
    ReleaseHold,
    ReportHeld,
    Step,
)
from muniment.cli.retention.hold_json import cover_words
from support.engine_double import EngineDouble, invoke

HOLD = HoldWord(
    number=9, name="Fall 7", case="7 O 12", reason="lawsuit", mail="mail of ada@example.com", selection={},
    placed=1736186997, by="ines",
)  # fmt: skip
OLD = HoldWord(
    number=3, name="Old", case="", reason="tax", mail="all mail", selection={}, placed=1736000000, by="ines",
    released=1736186997, released_by="ines", release_reason="over", approval="3f9a01c2",
)  # fmt: skip
MAIL = MailCountWord(messages=1200, bytes=5000, unsure=2, oldest=1736000000, newest=1736186997)
COUNT = HoldCountWord(
    hold=HOLD, mail=MAIL, alone=1000, others={"Other (case 8)": 200},
    people=(HeldPerson(user="ada@example.com", mail=MAIL),),
    reasons={"the index does not have it yet": 2},
)  # fmt: skip
NONE = MailCountWord(messages=0, bytes=0)


def engine(count: HoldCountWord = COUNT, decided: str = "") -> EngineDouble:
    answer = Decided(message="The hold Fall 7 is released.", approval=decided)
    return EngineDouble(
        {
            PlaceHold: HOLD,
            ListHolds: Holds(total=2, open=1, holds=(HOLD, OLD)),
            CountHold: [Step(text="50%", percent=50), count],
            ReleaseHold: answer,
            ReportHeld: [HeldReport(holds=(COUNT,), mail=MAIL, examined=5000)],
        }
    )


def out(*words: str, double: EngineDouble | None = None) -> str:
    result = invoke(double or engine(), *words)
    assert result.code == 0, result.err
    return result.out


def sent(double: EngineDouble, kind: type[Any]) -> Any:
    (request,) = [one for one in double.asked if isinstance(one, kind)]
    return request


def test_place_sends_what_was_typed() -> None:
    double = engine()
    text = out(
        "hold", "place", "Fall 7", "--case", "7 O 12", "--reason", "lawsuit", "--person", "ada@example.com",
        "--person", "x@else.org", "--domain", "rival.org", "--direction", "in", "--folder", "Inbox",
        "--profile", "gw", "--min-size", "5M", "--file-kind", "pdf", "--received-from", "2025",
        "--received-until", "2026-03",
        "--query", "plum pie", "--attachments", double=double,
    )  # fmt: skip
    assert "The hold Fall 7 (case 7 O 12) is placed." in text
    assert 'muniment hold show "Fall 7"' in text
    request = sent(double, PlaceHold)
    assert (request.name, request.case, request.reason, request.everything, request.check) == (
        "Fall 7", "7 O 12", "lawsuit", False, False,
    )  # fmt: skip
    assert request.mail == MailCriteria(
        people=("ada@example.com", "x@else.org"), domains=("rival.org",), direction="in", folders=("Inbox",),
        profiles=("gw",), least=5 << 20, attachments=True, kinds=("pdf",), since="2025", until="2026-03",
        query="plum pie",
    )  # fmt: skip


def test_place_needs_a_reason_and_tries_without_recording() -> None:
    assert invoke(engine(), "hold", "place", "x", "--everything").code == 2
    double = engine()
    text = out("hold", "place", "x", "--reason", "y", "--everything", "--dry-run", double=double)
    assert "nothing was recorded" in text
    assert sent(double, PlaceHold).everything
    assert sent(double, PlaceHold).check


def test_list() -> None:
    title, first, second = out("hold", "list", "--all").splitlines()
    assert title.split() == ["Hold", "Case", "Held", "from", "to", "Mail"]
    assert first.split()[:2] == ["Fall", "7"]
    assert " now " in first
    assert "2025-01-06" in second
    values = json.loads(out("hold", "list", "--json"))
    assert [(one["name"], one["open"], one["released"]) for one in values] == [
        ("Fall 7", True, None), ("Old", False, "2025-01-06T18:09:57Z"),
    ]  # fmt: skip
    empty = EngineDouble({ListHolds: Holds(total=0, open=0, holds=())})
    assert out("hold", "list", double=empty) == "There are no open legal holds.\n"


def test_show() -> None:
    text = out("hold", "show", "Fall 7")
    for part in (
        "covers 1,200, 5.0 kB", "2 of these: the index does not have it yet", "200 by Other (case 8)",
        "ada@example.com  1,200", "Reason      lawsuit",
    ):  # fmt: skip
        assert part in text
    value = json.loads(out("hold", "show", "Fall 7", "--json"))
    assert (value["alone"], value["mail"]["oldest"]) == (1000, "2025-01-04T14:13:20Z")
    assert value["people"][0]["user"] == "ada@example.com"
    old = HoldCountWord(hold=OLD, mail=NONE)
    text = out("hold", "show", "Old", double=engine(old))
    assert "released by ines, approval 3f9a01c2" in text
    assert "would cover 0" in text


def test_release_says_what_loses_protection() -> None:
    double = engine()
    text = out("hold", "release", "fall 7", "--reason", "settled", "--yes", double=double)
    assert "Fall 7 (case 7 O 12) covers 1,200 messages. 1,000 messages lose protection." in text
    assert "2 may not be covered, and are held to be safe (`muniment hold show`). Still held: 200" in text
    request = sent(double, ReleaseHold)
    assert (request.name, request.number, request.reason) == ("Fall 7", 9, "settled")
    alone = HoldCountWord(hold=HOLD, mail=MailCountWord(messages=1, bytes=1), alone=1)
    text = out("hold", "release", "x", "--reason", "y", "--yes", double=engine(alone))
    assert "1 message. 1 message loses protection. No other hold covers any of them." in text


def test_what_is_sealed_from_the_caller_is_said_to_be_left_out() -> None:
    sealed = HoldCountWord(hold=HOLD, mail=NONE, sealed=2)
    double = engine(sealed)
    double.answers[ReportHeld] = [HeldReport(holds=(sealed,), mail=NONE, examined=5, sealed=1)]
    double.answers[ListHeld] = [HeldEnd(messages=0, sealed=1)]
    said = "The mail of 2 people is sealed from you, and left out here. Holds cover it all the same."
    assert said in " ".join(out("hold", "show", "x", double=double).split())
    text = " ".join(out("hold", "release", "x", "--reason", "y", "--yes", double=double).split())
    assert f"{said} Its release leaves nothing else unprotected." in text
    for words in ([], ["--csv"], ["--json"], ["--csv", "--messages"], ["--json", "--messages"]):
        result = invoke(double, "hold", "report", *words)
        assert "the mail of 1 person is sealed from you" in " ".join(result.err.lower().split()), words
        assert "sealed from you" not in result.out, "a load file has data alone"


def test_release_asks_first_and_never_by_itself() -> None:
    double = engine()
    result = invoke(double, "hold", "release", "Fall 7", "--reason", "settled")
    assert (result.code, "--yes" in result.err) == (2, True)
    assert not [one for one in double.asked if isinstance(one, ReleaseHold)]
    old = invoke(
        engine(HoldCountWord(hold=OLD, mail=NONE)), "hold", "release", "Old", "--reason", "x", "--yes"
    )
    assert old.code == 2
    assert "released already" in old.err


def test_release_in_json() -> None:
    value = json.loads(
        out("hold", "release", "x", "--reason", "y", "--yes", "--json", double=engine(decided="3f9a01c2"))
    )
    assert (value["approval"], value["unprotected"], value["others"]) == (
        "3f9a01c2", 1000, {"Other (case 8)": 200},
    )  # fmt: skip


def test_report() -> None:
    text = out("hold", "report")
    assert "1,200 of 5,000 messages are held, 5.0 kB." in text
    assert "2 of these may not be covered, and are held to be safe" in text
    rows = list(csv.DictReader(io.StringIO(out("hold", "report", "--csv"))))
    assert [(row["hold"], row["user"], row["messages"], row["oldest"]) for row in rows] == [
        ("Fall 7", "", "1200", "2025-01-04T14:13:20Z"),
        ("Fall 7", "ada@example.com", "1200", "2025-01-04T14:13:20Z"),
    ]
    value = json.loads(out("hold", "report", "--json"))
    assert (value["examined"], value["holds"][0]["hold"]["name"]) == (5000, "Fall 7")


def test_report_of_messages() -> None:
    held = (HeldByWord(name="Fall 7", case="7", since=1), HeldByWord(name="Old", since=2, unsure="moved"))
    word = HeldMessage(
        id="3f",
        received=1736186997,
        date=1736000000,
        size=5,
        sender="=cmd()",
        to="b",
        subject="s",
        holds=held,
    )
    double = EngineDouble({ListHeld: [word, word]})
    rows = list(
        csv.DictReader(
            io.StringIO(out("hold", "report", "--csv", "--messages", "--reason", "7 O 12", double=double))
        )
    )
    assert len(rows) == 2
    assert (rows[0]["from"], rows[0]["holds"], rows[0]["not_sure"]) == (
        "'=cmd()",
        "Fall 7 (case 7); Old",
        "moved",
    )
    assert sent(double, ListHeld).reason == "7 O 12"
    double = EngineDouble({ListHeld: [word, word]})
    lines = [
        json.loads(line) for line in out("hold", "report", "--json", "--messages", double=double).splitlines()
    ]
    assert [line["holds"][1]["until"] for line in lines] == [None, None]


@pytest.mark.parametrize("options", [("--csv", "--json"), ("--messages",)])
def test_report_takes_one_form(options: tuple[str, ...]) -> None:
    assert invoke(engine(), "hold", "report", *options).code == 2


def test_how_a_message_says_its_holds() -> None:
    assert cover_words(HeldByWord(name="A", case="7", since=1736186997)).startswith(
        "held by A (case 7) since 2025"
    )
    assert "not sure: moved" in cover_words(HeldByWord(name="A", since=1, unsure="moved"))
    assert cover_words(HeldByWord(name="A", since=1736000000, until=1736186997)).startswith(
        "was held by A from 2025"
    )
