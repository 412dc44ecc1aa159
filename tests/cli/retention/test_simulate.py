"""retention simulate: text and JSON."""

from __future__ import annotations

import json

from muniment.api import DueExample, MailShareWord, SimulateRetention, Simulation, Step
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

ID = "9be1770c" + "0" * 56
NEW_YEAR = 2051222400


def share(name: str, messages: int, version: int = 0) -> MailShareWord:
    return MailShareWord(
        name=name,
        messages=messages,
        bytes=messages * 1000,
        oldest=1736186997,
        newest=1736286997,
        version=version,
    )


def simulation(**fields: object) -> EngineDouble:
    values: dict[str, object] = {
        "at": NEW_YEAR, "examined": 5000, "goes": share("", 1200), "rules": (share("all", 1200, 3),),
        "people": tuple(share(f"user{n}@example.com", 1200 - n) for n in range(25)),
        "months": {f"20{n // 12 + 30}-{n % 12 + 1:02}": 10 for n in range(30)},
        "held": 1, "kept": 17, "unsure": 3, "doubts": {"the index does not have it yet": 3},
        "examples": (DueExample(
            id=ID, received=1736186997, due=NEW_YEAR, rule="all", version=3, size=77, sender="a@b.example",
            to="c@d.example", subject="lunch",
        ),),
        "listed": 1200, "list": "1200:" + "ab" * 32,
    }  # fmt: skip
    answer = Simulation(**values | fields)  # type: ignore[arg-type]
    return EngineDouble({SimulateRetention: [Step(text="7 of 5,000 messages", percent=1), answer]})


def test_a_simulation_as_text() -> None:
    out = invoke(simulation(), "retention", "simulate", "--at", "2035-01-01").out
    assert "1,200 of 5,000 messages would go (1.2 MB), received from 2025-01-0" in out
    assert "1 more would go, but a legal hold keeps it.\n" in out
    assert "17 more would go, but another rule keeps them.\n" in out
    assert "3 more may be meant by a rule, but the index does not have it yet: they stay.\n" in out
    assert "all (version 3)" in out
    assert "user19@example.com" in out
    assert "user20@example.com" not in out
    assert "and 5 more; --json names all" in out
    assert "and 6 more months; --json names all" in out
    assert "9be1770c0000" in out
    assert "lunch" in out


def test_what_was_typed_is_sent() -> None:
    double = simulation()
    invoke(double, "retention", "simulate", "--at", "2035", "--reason", "yearly check")
    (asked,) = double.asked
    assert isinstance(asked, SimulateRetention)
    assert (asked.at, asked.reason) == ("2035", "yearly check")


def test_a_simulation_in_json() -> None:
    answer = json.loads(invoke(simulation(), "retention", "simulate", "--json").out)
    assert answer["at"] == "2035-01-01T00:00:00Z"
    assert answer["goes"] == {
        "messages": 1200, "bytes": 1200000,
        "oldest": "2025-01-06T18:09:57Z", "newest": "2025-01-07T21:56:37Z",
    }  # fmt: skip
    assert answer["rules"][0]["version"] == 3
    assert len(answer["people"]) == 25
    assert answer["examples"][0]["due"] == "2035-01-01T00:00:00Z"
    assert (answer["held"], answer["kept"], answer["unsure"], answer["list"]) == (
        1,
        17,
        3,
        "1200:" + "ab" * 32,
    )


def test_nothing_would_go() -> None:
    empty = MailShareWord(name="", messages=0, bytes=0, oldest=0, newest=0)
    out = invoke(simulation(goes=empty, held=0, kept=0, doubts={}), "retention", "simulate").out
    assert out.endswith("none of 5,000 messages would go.\n")
    none = simulation(goes=empty, examined=0)
    assert invoke(none, "retention", "simulate").out == "No rule disposes of mail: nothing would go.\n"


def test_mail_is_shown_harmlessly() -> None:
    example = DueExample(
        id=ID, received=0, due=0, rule=HOSTILE, version=1, size=7, sender=HOSTILE, to=HOSTILE, subject=HOSTILE
    )
    double = simulation(examples=(example,), people=(share(HOSTILE, 1),), doubts={HOSTILE: 1})
    assert_shown_harmlessly(invoke(double, "retention", "simulate").out)
