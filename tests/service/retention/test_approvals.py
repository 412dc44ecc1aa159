"""Acts that need a second person: asked, answered by another, done once, and tried again after a failure."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention import approvals as engine
from muniment.archive.retention.approvals import GOOD, Approval, answer_values, ask_value, read_approvals
from muniment.archive.retention.holds import Actor
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, ConfigError, NotFound, UsageError, VaultError
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from muniment.service.operations.retention import approvals
from muniment.service.operations.retention.approving import Act
from muniment.service.operations.retention.waiting import WaitingDecisions, waiting_decisions
from support.asking import answers
from support.vaults import TestVault

ADA, EVE, OTHER_EVE, AUDREY = (
    Caller(uid, 61_000, 1, name)
    for uid, name in ((61_000, "ada"), (61_001, "eve"), (61_000, "ada2"), (61_002, "audrey"))
)
TOML = """
[access]
administrators = ["ada", "eve", "ada2"]
auditors = ["audrey"]
[approvals]
need = ["hold release"]
"""


@dataclass
class House:
    vault: Vault
    folder: Path

    def send(self, caller: Caller, request: api.Request) -> Any:
        *_, reply = answers(ClientSession(self.folder, self.vault, caller), request)
        return reply

    def approval(self) -> api.ApprovalWord:
        (one, *_) = self.send(AUDREY, api.ListApprovals(answered=True)).approvals
        assert isinstance(one, api.ApprovalWord)
        return one

    def answer(self, caller: Caller, answer: str = "approve", **more: Any) -> Any:
        return self.send(caller, api.AnswerApproval(id=self.approval().id[:4], answer=answer, **more))

    def release(self, caller: Caller = ADA, name: str = "Fall") -> Any:
        return self.send(caller, api.ReleaseHold(name=name, reason="settled"))

    def need(self, *acts: str) -> None:
        path = self.folder / "vault.toml"
        text = path.read_text().partition("[approvals]")[0]
        path.write_text(f"{text}[approvals]\nneed = {json.dumps(acts)}\n")

    def holds(self) -> list[api.HoldWord]:
        found = self.send(AUDREY, api.ListHolds(released=True))
        return list(found.holds)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = TestVault(tmp_path / "vault")
    made.client.close()
    with (made.folder / "vault.toml").open("a") as file:
        file.write(TOML)
    with closing(open_vault(made.folder, write=True)) as vault:
        found = House(vault, made.folder)
        found.send(ADA, api.PlaceHold(name="Fall", reason="lawsuit", everything=True))
        yield found


def test_a_release_waits_for_another_administrator(house: House) -> None:
    decided = house.release()
    one = house.approval()
    assert decided.approval == one.id
    assert one.id in decided.message
    assert (one.act, one.state, one.by, one.what) == (
        "hold release",
        "waiting",
        "ada",
        "release the hold 'Fall'",
    )
    assert one.of == {"hold": house.holds()[0].number, "name": "Fall", "reason": "settled"}
    assert one.until == one.asked + GOOD
    assert not house.holds()[0].released
    done = house.answer(EVE)
    assert "Fall is released" in done.message
    (hold,) = house.holds()
    assert (bool(hold.released), hold.released_by, hold.approval) == (True, "ada", one.id)
    one = house.approval()
    assert (one.state, one.answered_by, bool(one.used)) == ("done", "eve", True)
    with pytest.raises(UsageError, match="done already"):
        house.answer(EVE)


@pytest.mark.parametrize("same", [ADA, OTHER_EVE, Caller(61_009, 61_000, 1, "ada")])
def test_nobody_approves_what_they_asked_for(house: House, same: Caller) -> None:
    house.release()
    for answer in ("approve", "refuse"):
        with pytest.raises(AccessRefused, match="another administrator"):
            house.answer(same, answer)
    assert house.approval().state == "waiting"


def test_only_administrators_answer(house: House) -> None:
    house.release()
    with pytest.raises(AccessRefused):
        house.answer(AUDREY)
    assert house.send(AUDREY, api.ShowApproval(id=house.approval().id)).reason == "settled"


def test_a_refused_act_is_not_done(house: House) -> None:
    house.release()
    assert "nothing was done" in house.answer(EVE, "refuse", reason="the case goes on").message
    one = house.approval()
    assert (one.state, one.answer_reason) == ("refused", "the case goes on")
    assert not house.holds()[0].released
    with pytest.raises(UsageError, match="refused already"):
        house.answer(EVE)


def test_who_asked_may_withdraw(house: House) -> None:
    house.release()
    with pytest.raises(AccessRefused, match="only ada"):
        house.answer(EVE, "withdraw")
    house.answer(ADA, "withdraw")
    assert house.approval().state == "withdrawn"
    house.release()  # it can be asked for again
    assert house.approval().state == "waiting"


def test_the_same_act_is_asked_for_once(house: House) -> None:
    house.release()
    with pytest.raises(UsageError, match="waits already"):
        house.release(EVE)
    with pytest.raises(NotFound):
        house.release(name="Other")
    assert house.send(AUDREY, api.ListApprovals(answered=True)).total == 1


def test_an_approval_means_exactly_one_hold(house: House) -> None:
    house.release()
    house.need()
    # The hold is released and placed again before the answer: the approval is not for the new one.
    house.vault.decide(RecordKind.HOLD, lambda rows: [approvals_free_release(rows)], 1_900_000_000)
    house.send(ADA, api.PlaceHold(name="Fall", reason="again", everything=True))
    with pytest.raises(VaultError, match="placed again"):
        house.answer(EVE)
    assert not house.holds()[0].released
    assert house.approval().state == "approved"
    assert "placed again" in house.approval().error


def approvals_free_release(rows: list[DecisionRow]) -> dict[str, Any]:
    from muniment.archive.retention.holds import release_value

    return release_value(rows, "Fall", -1, "by hand", Actor("ada", 61_000))


def test_a_failed_act_can_be_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def perform(session: ClientSession, vault: Vault, one: Approval) -> str:
        tried.append(one.id)
        if len(tried) == 1:
            raise VaultError("The disk is full.")
        return "It is done."

    monkeypatch.setitem(approvals.ACTS, "hold release", Act("hold release", lambda of: "release", perform))
    house.release()
    with pytest.raises(VaultError, match=r"approved, but the act failed: The disk is full\."):
        house.answer(EVE)
    one = house.approval()
    assert (one.state, one.error, one.used) == ("approved", "The disk is full.", 0)
    assert house.send(AUDREY, api.ListApprovals()).waiting == 1
    assert "It is done." in house.answer(EVE).message
    one = house.approval()
    assert (one.state, one.error) == ("done", "")
    assert len(tried) == 2


def test_an_act_is_done_once_even_if_two_approve_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave, done = threading.Event(), threading.Event(), list[str]()

    def perform(session: ClientSession, vault: Vault, one: Approval) -> str:
        entered.set()
        assert leave.wait(20)
        done.append(one.id)
        return "It is done."

    monkeypatch.setitem(approvals.ACTS, "hold release", Act("hold release", lambda of: "release", perform))
    house.release()
    first = threading.Thread(target=house.answer, args=(EVE,))
    first.start()
    assert entered.wait(20)
    with pytest.raises(UsageError, match="right now"):
        house.answer(EVE)
    leave.set()
    first.join(20)
    with pytest.raises(UsageError, match="done already"):
        house.answer(EVE)
    assert len(done) == 1


def test_each_act_is_in_the_audit_trail(house: House) -> None:
    house.release()
    house.answer(EVE)
    events = [json.loads(row.event) for row in house.vault.catalog.audited(50)]
    told = [(e["word"], e["who"], e.get("answer", "")) for e in reversed(events) if e["event"] == "changed"]
    assert told == [
        ("vault.toml", events[-1]["who"], ""),
        ("PlaceHold", "ada", ""),
        ("ReleaseHold", "ada", "ask"),
        ("AnswerApproval", "eve", "approve"),
        ("ReleaseHold", "eve", ""),
        ("AnswerApproval", "eve", "done"),
    ]  # fmt: skip


def test_what_waits_is_counted_and_found_after_a_week(house: House) -> None:
    house.release()
    status = house.send(ADA, api.GetStatus())
    assert (status.holds, status.approvals) == (1, 1)
    settings = ClientSession(house.folder, house.vault, ADA).settings()
    asked = house.approval().asked
    week = 7 * 86_400
    assert waiting_decisions(house.vault, settings, asked + week).problems == ()
    (problem,) = waiting_decisions(house.vault, settings, asked + week + 1).problems
    assert f"{house.approval().id} (hold release, asked by ada) waits for 7 days" in problem
    assert waiting_decisions(house.vault, settings, asked + GOOD) == WaitingDecisions(holds=1)


def test_an_act_that_vault_toml_leaves_out_is_a_problem(house: House) -> None:
    house.need()
    texts = [one.text for one in house.send(ADA, api.GetHealth()).problems if one.key == "decision:0"]
    assert [text.partition(",")[0] for text in texts] == [
        "[approvals] in vault.toml no longer asks for a second person for 'hold release'"
    ]


def test_a_grant_waits_for_another_administrator(house: House) -> None:
    house.send(ADA, api.AddUser(name="Carl", addresses=("carl@example.com",)))
    house.need("access grant")
    grant = api.GrantAccess(login="ben", user="carl@example.com", reason="leave", until="2199-03-31")
    assert "second person" in house.send(ADA, grant).message
    one = house.approval()
    assert (one.act, one.what) == (
        "access grant", "let ben read the mail of carl@example.com, until 2199-04-01 00:00 UTC",
    )  # fmt: skip
    assert house.send(AUDREY, api.ListAccess()).grants == ()
    assert "ben may read the mail of carl@example.com" in house.answer(EVE).message
    (made,) = house.send(AUDREY, api.ListAccess()).grants
    assert (made.login, made.person, made.by, made.reason) == ("ben", "carl@example.com", "eve", "leave")
    with pytest.raises(UsageError, match="has this right already"):
        house.send(ADA, grant)


def test_a_grant_that_has_ended_meanwhile_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.send(ADA, api.AddUser(name="Carl", addresses=("carl@example.com",)))
    house.need("access grant")
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    house.send(ADA, api.GrantAccess(login="ben", user="carl@example.com", reason="leave", until=tomorrow))
    late = time.time() + 3 * 86_400
    monkeypatch.setattr(time, "time", lambda: late)
    with pytest.raises(VaultError, match="would have ended"):
        house.answer(EVE)
    assert house.send(AUDREY, api.ListAccess(former=True)).grants == ()


# --- the list of acts -------------------------------------------------------------------------------------


def test_an_act_that_vault_toml_leaves_out_still_needs_a_second_person(house: House) -> None:
    house.need()
    listed = house.send(AUDREY, api.ListApprovals())
    assert (listed.needed, listed.left_out) == (("approvals relax", "hold release"), ("hold release",))
    assert house.release().approval
    asked = house.send(ADA, api.RelaxApprovals(act="hold release", reason="one of us left"))
    assert house.approval().id == asked.approval
    assert "no second person any more" in house.answer(EVE).message
    listed = house.send(AUDREY, api.ListApprovals())
    assert (listed.needed, listed.left_out) == (("approvals relax",), ())
    waiting = [one for one in listed.approvals if one.state == "waiting"]
    house.send(EVE, api.AnswerApproval(id=waiting[0].id, answer="refuse"))
    assert house.release().approval == ""
    assert house.holds()[0].released


def test_relaxing_needs_the_setting_to_be_gone(house: House) -> None:
    with pytest.raises(UsageError, match="remove it there first"):
        house.send(ADA, api.RelaxApprovals(act="hold release", reason="x"))
    for act in ("erase", "approvals relax", "nonsense"):
        with pytest.raises(NotFound, match="needs no second person"):
            house.send(ADA, api.RelaxApprovals(act=act, reason="x"))


def test_a_named_act_needs_a_second_person_at_once(house: House) -> None:
    house.need("hold release", "erase")
    assert house.send(AUDREY, api.ListApprovals()).needed == ("approvals relax", "erase", "hold release")
    house.send(ADA, api.PlaceHold(name="Other", reason="x", everything=True))
    assert engine.approvals_of(house.vault).needed == {"hold release", "erase"}


def test_an_unknown_act_in_the_settings_is_refused(house: House) -> None:
    house.need("make coffee")
    with pytest.raises(ConfigError, match="make coffee"):
        ClientSession(house.folder, house.vault, ADA).settings()


# --- records ----------------------------------------------------------------------------------------------

A, B = Actor("ada", 7), Actor("eve", 8)


def rows(*values: dict[str, Any]) -> list[DecisionRow]:
    return [
        DecisionRow(number, 1000 + number, json.dumps({"v": 1} | value))
        for number, value in enumerate(values)
    ]


def test_an_approval_expires() -> None:
    asked = ask_value([], "erase", {"ids": ["a"]}, "why", A, 1000)
    (one,) = read_approvals(rows(asked)).approvals
    assert one.state(1000 + GOOD - 1) == "waiting"
    assert one.state(1000 + GOOD) == "expired"
    with pytest.raises(UsageError, match="expired already"):
        answer_values(rows(asked), one.id, "approve", "", B, 1000 + GOOD)
    assert ask_value(rows(asked), "erase", {"ids": ["a"]}, "why", A, 1000 + GOOD)["id"] != one.id
    approved = answer_values(rows(asked), one.id, "approve", "", B, 2000)
    (one,) = read_approvals(rows(asked, *approved)).approvals
    assert one.state(1001 + GOOD - 1) == "approved"
    assert one.state(1001 + GOOD) == "expired"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_second_person_must_know_the_reason(reason: str) -> None:
    with pytest.raises(UsageError):
        ask_value([], "erase", {}, reason, A, 1)


def test_arguments_of_another_order_are_the_same_act() -> None:
    asked = ask_value([], "erase", {"a": 1, "b": 2}, "why", A, 1)
    with pytest.raises(UsageError, match="waits already"):
        ask_value(rows(asked), "erase", {"b": 2, "a": 1}, "other", B, 2)
    assert ask_value(rows(asked), "erase", {"a": 1, "b": 3}, "why", A, 2)["of"] == {"a": 1, "b": 3}


@pytest.mark.parametrize("change", [{"op": "grant"}, {"more": 1}, {"of": 5}, {"id": None}])
def test_an_approval_that_cannot_be_read_stops_everything(change: dict[str, Any]) -> None:
    asked = ask_value([], "erase", {}, "why", A, 1)
    with pytest.raises(VaultError, match="newer"):
        read_approvals(rows(asked | change))
