"""retention dispose: what is asked before anything is erased, and what is said after that."""

from __future__ import annotations

import json

import pytest

from muniment.api import Disposed, DisposeMail, MailShareWord, SimulateRetention, Simulation, Step
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

LIST = "2:" + "ab" * 32
DONE = Disposed(message="2 messages are erased.", messages=2, records=(7,))


def engine(listed: int = 2, answer: Disposed = DONE) -> EngineDouble:
    goes = MailShareWord(name="", messages=listed, bytes=4000, oldest=1736186997, newest=1736186999)
    found = Simulation(at=1736187000, examined=9, goes=goes, listed=listed, list=LIST)
    return EngineDouble({SimulateRetention: [found], DisposeMail: [Step(text="erasing 4 records"), answer]})


def test_a_dry_run_erases_nothing() -> None:
    double = engine()
    out = invoke(double, "retention", "dispose", "--dry-run").out
    assert "2 of 9 messages would go (4.0 kB)" in out
    assert [type(one) for one in double.asked] == [SimulateRetention]
    assert json.loads(invoke(engine(), "retention", "dispose", "--dry-run", "--json").out)["list"] == LIST


def test_exactly_what_was_simulated_is_erased() -> None:
    double = engine()
    result = invoke(double, "retention", "dispose", "--yes", "2", "--reason", "yearly")
    assert result.code == 0
    assert result.out.endswith("2 messages are erased.\nCertificates: muniment certificate 7\n")
    assert double.asked[-1] == DisposeMail(at=1736187000, list=LIST, reason="yearly")


def test_of_many_certificates_the_first_are_named() -> None:
    answer = Disposed(message="done.", messages=2000, records=(7, 9, 11, 13, 15))
    out = invoke(engine(answer=answer), "retention", "dispose", "--yes", "2").out
    assert out.endswith(
        "Certificates: muniment certificate 7, muniment certificate 9, muniment certificate 11 and 2 more\n"
    )


def test_the_result_in_json() -> None:
    answer = json.loads(invoke(engine(), "retention", "dispose", "--yes", "2", "--json").out)
    assert answer == {
        "message": "2 messages are erased.", "messages": 2, "records": [7], "refused": {}, "approval": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "Nobody can be asked here: add --yes 2"),
        (("--json",), "Nobody can be asked here: add --yes 2"),
        (("--yes", "3"), "2 messages are due, not 3: nothing was erased"),
        (("--yes", "0"), "--yes"),
    ],
)
def test_without_the_right_count_nothing_is_erased(words: tuple[str, ...], part: str) -> None:
    double = engine()
    result = invoke(double, "retention", "dispose", *words)
    assert result.code == 2
    assert part in result.err
    assert DisposeMail not in map(type, double.asked)


def test_nothing_is_due() -> None:
    double = engine(listed=0)
    result = invoke(double, "retention", "dispose", "--yes", "2")
    assert (result.code, result.out.endswith("none of 9 messages would go.\n")) == (0, True)
    assert len(double.asked) == 1


def test_what_stays_is_named() -> None:
    answer = Disposed(message="1 message is erased; 1 stay.", messages=1, refused={"ab" * 32: "held by case"})
    result = invoke(engine(answer=answer), "retention", "dispose", "--yes", "2")
    assert "abababababab stays: held by case." in result.err


def test_names_of_holds_are_shown_harmlessly() -> None:
    answer = Disposed(message=HOSTILE, messages=1, refused={"ab" * 32: HOSTILE})
    result = invoke(engine(answer=answer), "retention", "dispose", "--yes", "2")
    assert_shown_harmlessly(result.out)
    assert_shown_harmlessly(result.err)
