"""`approvals list`, `show`, `approve`, `refuse`, `withdraw` and `relax`, with an engine of fixed answers."""

from __future__ import annotations

import json
from typing import Any

from muniment.api import (
    AnswerApproval,
    Approvals,
    ApprovalWord,
    CountHold,
    Decided,
    HoldCountWord,
    HoldWord,
    ListApprovals,
    MailCountWord,
    RelaxApprovals,
    ShowApproval,
)
from support.engine_double import EngineDouble, invoke

ONE = ApprovalWord(
    id="3f9a01c2", act="hold release", what="release the hold 'Fall 7'", of={"name": "Fall 7", "hold": 9},
    reason="settled", asked=1736186997, by="ada", state="waiting", until=1738778997,
)  # fmt: skip
HOLD = HoldWord(
    number=9, name="Fall 7", case="", reason="x", mail="all mail", selection={}, placed=1, by="ada"
)
COUNT = HoldCountWord(hold=HOLD, mail=MailCountWord(messages=5, bytes=5), alone=3, others={"Other": 2})


def engine(one: ApprovalWord = ONE) -> EngineDouble:
    return EngineDouble(
        {
            ListApprovals: Approvals(
                total=1, waiting=1, approvals=(one,), needed=("approvals relax", "erase"), left_out=("erase",)
            ),
            ShowApproval: one,
            AnswerApproval: Decided(message="The hold Fall 7 is released."),
            RelaxApprovals: Decided(message="This needs a second person.", approval="00aa11bb"),
            CountHold: [COUNT],
        }
    )


def sent(double: EngineDouble, kind: type[Any]) -> list[Any]:
    return [one for one in double.asked if isinstance(one, kind)]


def test_list() -> None:
    result = invoke(engine(), "approvals", "list")
    _, row, needed = result.out.splitlines()
    assert row.startswith("3f9a01c2  waiting  2025-01-0")
    assert needed == "A second person is needed for: approvals relax, erase."
    assert "vault.toml no longer names erase" in result.err
    value = json.loads(invoke(engine(), "approvals", "list", "--json").out)
    assert (value["waiting"], value["left_out"], value["approvals"][0]["used"]) == (1, ["erase"], None)
    empty = EngineDouble({ListApprovals: Approvals(total=0, waiting=0, approvals=(), needed=("erase",))})
    assert invoke(empty, "approvals", "list").out.startswith("Nothing waits for a second person.\n")


def test_show() -> None:
    text = invoke(engine(), "approvals", "show", "3f9a").out
    assert "Act        release the hold 'Fall 7'" in text
    assert "State      waiting, until 2025-02-0" in text
    failed = ApprovalWord(
        id="3f9a01c2", act="erase", what="erase", of={}, reason="x", asked=1, by="ada", state="approved",
        answered=2, answered_by="eve", answer_reason="yes", error="The disk is full.",
    )  # fmt: skip
    text = invoke(engine(failed), "approvals", "show", "3f9a").out
    assert "by eve" in text
    assert "Failed     The disk is full." in text
    assert (
        json.loads(invoke(engine(), "approvals", "show", "3f9a", "--json").out)["asked"]
        == "2025-01-06T18:09:57Z"
    )


def test_approve_says_what_it_would_do() -> None:
    double = engine()
    text = invoke(double, "approvals", "approve", "3f9a", "--yes", "--reason", "checked").out
    assert "Fall 7 covers 5 messages. 3 messages lose protection. Still held: 2 by Other." in text
    assert text.endswith("The hold Fall 7 is released.\n")
    assert sent(double, AnswerApproval) == [AnswerApproval(id="3f9a01c2", answer="approve", reason="checked")]


def test_approve_asks_first_and_never_by_itself() -> None:
    double = engine()
    for more in ((), ("--json",)):
        result = invoke(double, "approvals", "approve", "3f9a", *more)
        assert (result.code, "--yes" in result.err) == (2, True)
    assert sent(double, AnswerApproval) == []


def test_the_other_answers() -> None:
    double = engine()
    assert invoke(double, "approvals", "refuse", "3f9a", "--reason", "no").code == 0
    assert invoke(double, "approvals", "withdraw", "3f9a").code == 0
    assert [(one.answer, one.reason) for one in sent(double, AnswerApproval)] == [
        ("refuse", "no"),
        ("withdraw", ""),
    ]
    result = invoke(double, "approvals", "relax", "erase", "--reason", "one of us left", "--json")
    assert json.loads(result.out)["approval"] == "00aa11bb"
    assert sent(double, RelaxApprovals) == [RelaxApprovals(act="erase", reason="one of us left")]
