"""Disposal through the service: exactly what was listed goes, and nothing that is protected."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from muniment import api
from muniment.archive.erasure.erase import ErasureStopped
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.disposal import DisposalOrder, Disposing, list_due
from muniment.archive.retention.due import DueList, list_name
from muniment.archive.retention.holds import Actor, place_value
from muniment.archive.retention.selection import MailSelection
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError, VaultError
from muniment.service.access.roles import Caller
from muniment.service.daemon.disposal_task import DailyDisposal
from muniment.service.host.proof_turn import ProofTurn
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.past import DAY, archived_ago
from support.reports import line, plain, report
from support.served import served
from support.vaults import TestVault

ADA = Actor("ada", 7)
OTHER = Caller(61_009, 61_000, 1, "olga")


def mail(name: str, to: str = "bob@example.com") -> bytes:
    return report(plain(to=[to], subject=name, body=f"{name} {name}"), recipients=[line("To", to)])


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    """Two messages of 400 days ago, one of 40 days ago, and one of today; all go after a year."""
    made = TestVault(tmp_path / "vault")
    archived_ago(made, 400, [mail("oldbob"), mail("oldcarol", "carol@example.com")])
    archived_ago(made, 40, [mail("young")])
    made.archive([mail("new")])
    set_rule(made, "year")
    yield made
    made.client.close()


def set_rule(vault: TestVault, name: str, **fields: Any) -> None:
    spec = api.RuleSpec(**{"name": name, "kind": "dispose", "period": "1 year"} | fields)
    vault.client.call(api.SetRules(rules=(spec,)), api.RulesSet)


def simulated(vault: TestVault) -> api.Simulation:
    *_, answer = vault.client.stream(api.SimulateRetention())
    assert isinstance(answer, api.Simulation)
    return answer


def dispose(vault: TestVault, found: api.Simulation | None = None, **fields: Any) -> api.Disposed:
    found = found or simulated(vault)
    request = replace(api.DisposeMail(at=found.at, list=found.list), **fields)
    *_, answer = vault.client.stream(request)
    assert isinstance(answer, api.Disposed)
    return answer


def subjects(vault: TestVault) -> set[str]:
    return {hit.subject for hit in vault.messages()}


# --- what goes --------------------------------------------------------------------------------------------


def test_exactly_what_is_due_goes_and_the_record_names_the_rule(vault: TestVault) -> None:
    ids = {hit.subject: hit.id for hit in vault.messages()}
    found = simulated(vault)
    assert (found.goes.messages, found.listed) == (2, 2)
    answer = dispose(vault, found)
    assert (answer.message, answer.messages, answer.refused) == ("2 messages are erased.", 2, {})
    assert subjects(vault) == {"young", "new"}
    with pytest.raises(NotFound, match="erased"):
        vault.show(ids["oldbob"])
    with closing(open_vault(vault.folder, write=False)) as opened:
        (one,) = committed_redactions(opened.segments)
        assert one.redaction.rule == ("year", 1)
        assert one.redaction.basis == "retention rule year, version 1"
        assert {sha.hex() for sha in one.redaction.messages} == {ids["oldbob"], ids["oldcarol"]}
    assert answer.records == (one.sequence,)
    vault.sound()
    assert simulated(vault).goes.messages == 0


def test_a_hold_and_a_minimum_keep_what_is_due(vault: TestVault) -> None:
    criteria = api.MailCriteria(people=("carol@example.com",))
    vault.client.call(api.PlaceHold(name="case", reason="lawsuit", mail=criteria), api.HoldWord)
    found = simulated(vault)
    assert (found.goes.messages, found.held, found.kept) == (1, 1, 0)
    set_rule(vault, "books", kind="keep", period="10 years", mail=api.MailCriteria(query="oldbob"))
    found = simulated(vault)
    assert (found.goes.messages, found.held, found.kept) == (0, 1, 1)
    vault.client.call(api.EndRule(name="books"), api.Done)
    assert simulated(vault).goes.messages == 0, "an ended rule keeps its minimum"
    vault.client.call(api.ReleaseHold(name="case", reason="over"), api.Decided)
    dispose(vault)
    assert subjects(vault) == {"oldbob", "young", "new"}


def test_a_hold_that_is_placed_after_the_simulation_stops_the_disposal(vault: TestVault) -> None:
    found = simulated(vault)
    criteria = api.MailCriteria(people=("carol@example.com",))
    vault.client.call(api.PlaceHold(name="case", reason="lawsuit", mail=criteria), api.HoldWord)
    with pytest.raises(UsageError, match="not what the list had"):
        dispose(vault, found)
    assert len(subjects(vault)) == 4


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"list": "2:" + "0" * 64}, "not what the list had"),
        ({"list": "all"}, "is not the name of a list"),
        ({"at": int(time.time()) + 3 * DAY}, "in the future"),
        ({"at": int(time.time()) - 300 * DAY}, "not what the list had"),
    ],
)
def test_another_list_is_refused(vault: TestVault, fields: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        dispose(vault, **fields)
    assert len(subjects(vault)) == 4


# --- in the middle ----------------------------------------------------------------------------------------


@pytest.fixture
def opened(vault: TestVault) -> Iterator[Vault]:
    vault.client.close()
    with closing(open_vault(vault.folder, write=True)) as made:
        yield made


def listed(opened: Vault) -> DueList:
    due = DueList(opened)
    for _ in list_due(opened, due, int(time.time())):
        pass
    return due


def test_a_hold_that_is_placed_in_the_middle_keeps_its_mail(opened: Vault) -> None:
    """The records of the mail are found already; only the commit is left."""
    carol = next(row for row in opened.catalog.messages_after(-1, 9) if row.subject == "oldcarol")
    order = DisposalOrder(int(time.time()), list_name(listed(opened).hashes), ADA)
    disposing = Disposing(opened, order, lambda: int(time.time()))
    selection = MailSelection(domains=("example.com",), query="oldcarol")
    for stage in disposing.dispose():
        if str(stage).startswith("erasing") and not opened.catalog.decisions(RecordKind.HOLD):
            hold = place_value([], "h", "", "why", selection, ADA)
            opened.decide(RecordKind.HOLD, lambda rows, hold=hold: [hold], 1)  # type: ignore[misc]
    assert disposing.result.messages == 1
    assert disposing.result.refused == {carol.sha: "held by h"}
    assert opened.catalog.message_by_sha(carol.sha) is not None


@pytest.mark.parametrize("approval", ["", "12ab34cd"])
def test_a_stopped_disposal_is_resumed_by_running_it_again(opened: Vault, approval: str) -> None:
    """A version of each rule is a batch of its own; the work is stopped after the first."""
    row = next(row for row in opened.catalog.messages_after(-1, 9) if row.subject == "oldbob")
    at, due = int(time.time()), listed(opened)
    (numbers,) = due.rules.values()
    order = DisposalOrder(at, list_name(due.hashes), ADA, approval)
    stop: list[bool] = []
    disposing = Disposing(opened, order, lambda: at, lambda: bool(stop))
    for stage in disposing._erase(("year", 1), numbers[:1]):
        if str(stage).startswith("removing"):
            stop.append(True)
            break
    assert opened.catalog.message_by_sha(row.sha) is None
    with pytest.raises(VaultError) as stopped:
        list(Disposing(opened, order, lambda: at, lambda: True).dispose())
    assert isinstance(stopped.value, ErasureStopped)
    again = Disposing(opened, order, lambda: at)
    if approval:
        list(again.dispose())
    else:
        with pytest.raises(UsageError, match="not what the list had"):
            list(again.dispose())
        rest = DisposalOrder(at, list_name(listed(opened).hashes), ADA)
        again = Disposing(opened, rest, lambda: at)
        list(again.dispose())
    assert again.result.messages == 1
    assert {one.subject for one in opened.catalog.messages_after(-1, 9)} == {"young", "new"}
    assert not (opened.folder / "erasing").exists()


# --- a service --------------------------------------------------------------------------------------------


def test_a_service_disposes_between_its_works_and_records_who_began_it(vault: TestVault) -> None:
    vault.client.close()
    with served(vault.folder) as (client, _):
        found = simulated_by(client)
        words = list(client.stream(api.DisposeMail(at=found.at, list=found.list, reason="yearly")))
        assert isinstance(words[-1], api.Disposed)
        assert words[-1].messages == 2
        assert all(isinstance(word, api.Step) for word in words[:-1])
        audit = client.call(api.GetAudit(), api.Audit)
    (event,) = (one for one in audit.events if one.word == "DisposeMail")
    assert (event.event, event.detail["reason"], event.detail["list"]) == ("started", "yearly", found.list)
    assert {hit.subject for hit in TestVault(vault.folder).messages()} == {"young", "new"}


def simulated_by(client: Any) -> api.Simulation:
    *_, answer = client.stream(api.SimulateRetention())
    assert isinstance(answer, api.Simulation)
    return answer


# --- a second person --------------------------------------------------------------------------------------


@pytest.fixture
def house(vault: TestVault) -> Iterator[tuple[ClientSession, ClientSession]]:
    """Two administrators of a vault where a disposal needs a second person."""
    vault.client.close()
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('[access]\nadministrators = ["olga"]\n[approvals]\nneed = ["retention dispose"]\n')
    with ClientSession(vault.folder).writing() as opened:
        yield ClientSession(vault.folder, opened), ClientSession(vault.folder, opened, OTHER)


def asked_by(session: ClientSession, reason: str = "yearly") -> api.Disposed:
    *_, found = answers(session, api.SimulateRetention())
    assert isinstance(found, api.Simulation)
    *_, answer = answers(session, api.DisposeMail(at=found.at, list=found.list, reason=reason))
    assert isinstance(answer, api.Disposed)
    return answer


def approved(session: ClientSession, id_: str) -> api.Decided:
    (answer,) = answers(session, api.AnswerApproval(id=id_, answer="approve"))
    assert isinstance(answer, api.Decided)
    return answer


def remaining(session: ClientSession) -> set[str]:
    with session.reading() as opened:
        return {row.subject for row in opened.catalog.messages_after(-1, 99)}


def test_a_disposal_waits_for_a_second_person(house: tuple[ClientSession, ClientSession]) -> None:
    first, second = house
    answer = asked_by(first)
    assert answer.messages == 0
    assert "erase 2 messages that were due on" in answer.message
    assert len(remaining(first)) == 4
    with pytest.raises(AccessRefused, match="another administrator"):
        approved(first, answer.approval)
    done = approved(second, answer.approval)
    assert done.message.startswith("2 messages are erased. It was asked for by")
    assert remaining(first) == {"young", "new"}
    with first.reading() as opened:
        (one,) = committed_redactions(opened.segments)
    assert one.redaction.request == answer.approval
    assert one.redaction.who == first.caller.name


def test_an_approval_is_of_exactly_one_list(house: tuple[ClientSession, ClientSession]) -> None:
    first, second = house
    answer = asked_by(first)
    answers(first, api.PlaceHold(name="h", reason="why", mail=api.MailCriteria(query="oldbob")))
    with pytest.raises(VaultError, match="is approved, but the act failed: what is due is not what"):
        approved(second, answer.approval)
    assert len(remaining(first)) == 4
    answers(first, api.ReleaseHold(name="h", reason="over"))
    assert approved(second, answer.approval).message.startswith("2 messages are erased.")


def test_a_disposal_that_needs_a_second_person_needs_a_reason(
    house: tuple[ClientSession, ClientSession],
) -> None:
    with pytest.raises(UsageError, match="must know the reason"):
        asked_by(house[0], "")
    with pytest.raises(UsageError, match="not what the list had"):
        answers(house[0], api.DisposeMail(at=1, list="2:" + "0" * 64, reason="x"))


# --- every day --------------------------------------------------------------------------------------------


class Daily:
    """The daily disposal of a vault, at a clock that a test sets."""

    def __init__(self, session: ClientSession, at: str) -> None:
        path = session.settings_path
        text = path.read_text()
        path.write_text(text + f'[retention]\ndispose = "{at}"\n')
        self.now = time.time()
        self.said: list[str] = []
        self.session = session
        self.task = DailyDisposal(session, session.settings, self.said.append, lambda: self.now)

    def look(self) -> set[str]:
        """What is left after a look."""
        assert self.task.look()
        return remaining(self.session)


@pytest.fixture
def owner(vault: TestVault) -> Iterator[ClientSession]:
    vault.client.close()
    with ClientSession(vault.folder).writing() as opened:
        yield ClientSession(vault.folder, opened)


@pytest.fixture
def noon() -> Iterator[int]:
    """Noon of yesterday, in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield int(time.time()) // DAY * DAY - DAY // 2
    time.tzset()


def test_mail_goes_once_a_day_from_the_second_day_on(owner: ClientSession, noon: int) -> None:
    daily = Daily(owner, "02:30")
    daily.now = noon
    assert len(daily.look()) == 4, "there is none on the first day"
    daily.now = noon + DAY // 2 + 3600
    assert len(daily.look()) == 4, "it is one in the morning"
    daily.now += 2 * 3600
    assert daily.look() == {"young", "new"}
    assert daily.said == ["daily disposal: 2 messages are erased."]
    daily.now += 3600
    daily.look()
    assert len(daily.said) == 1


def daily_problem(session: ClientSession) -> str:
    """What health says of the daily disposal."""
    (health,) = answers(session, api.GetHealth())
    assert isinstance(health, api.Health)
    return next((one.text for one in health.problems if one.key == "disposal-failed"), "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VaultError("the index can't be written"), "The index can't be written"),
        (RuntimeError("dear ada"), "An unexpected error (RuntimeError)"),
    ],
)
def test_a_daily_disposal_that_fails_is_a_finding_until_one_succeeds(
    owner: ClientSession, noon: int, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_: object) -> Iterator[Any]:
        raise error

    daily = Daily(owner, "02:30")
    daily.now = noon - DAY
    daily.look()
    daily.now = noon
    assert daily_problem(owner) == ""
    with monkeypatch.context() as broken:
        broken.setattr("muniment.service.daemon.disposal_task.disposal_words", fail)
        with pytest.raises(type(error)):
            daily.task.look()
    assert daily_problem(owner).startswith("The daily disposal of 20")
    assert f"failed: {words}" in daily_problem(owner)
    assert "dear ada" not in daily_problem(owner)
    assert len(daily.look()) == 4, "it is tried once a day"
    daily.now = noon + DAY // 2 + 3 * 3600
    assert daily.look() == {"young", "new"}
    assert daily_problem(owner) == ""


def test_the_daily_disposal_waits_for_a_backup(owner: ClientSession, noon: int) -> None:
    daily = Daily(owner, "02:30")
    daily.now = noon
    daily.look()
    daily.now = noon + DAY // 2 + 3 * 3600
    with ProofTurn(owner.folder, "a backup") as turn:
        list(turn.wait())
        assert len(daily.look()) == 4
    assert daily.look() == {"young", "new"}


def test_the_daily_disposal_asks_once_for_a_second_person(
    house: tuple[ClientSession, ClientSession], noon: int
) -> None:
    first, second = house
    daily = Daily(first, "02:30")
    for days in (-1, 0):
        daily.now = noon + DAY // 2 + days * DAY + 3 * 3600
        assert len(daily.look()) == 4
    (said,) = daily.said
    assert "another administrator must approve" in said
    (waiting,) = answers(first, api.ListApprovals())
    assert isinstance(waiting, api.Approvals)
    (approval,) = waiting.approvals
    assert (approval.act, approval.reason) == ("retention dispose", "daily disposal by the service")
    assert approval.of["messages"] == 2
    approved(second, approval.id)
    assert remaining(first) == {"young", "new"}


def test_a_service_without_a_time_has_no_task(owner: ClientSession) -> None:
    assert DailyDisposal(owner, owner.settings, print).tasks() == []
    daily = Daily(owner, "02:30")
    (task,) = daily.task.tasks()
    assert (task.name, task.enabled) == ("retention", True)
    assert json.dumps(task.every) == "60.0"
