"""Who may answer a person's request, what seals and a second person change, and what the audit trail says."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.client.receiving import receive
from muniment.errors import AccessRefused, ReasonNeeded, UsageError
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.dispatch import guard
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.operations.audit import list_audit
from support.asking import answers
from support.subjects import fill
from support.vaults import TestVault

ADA, AUDREY, BOB, EVE, COUNCIL = (
    Caller(61_000 + number, 61_000, 1, name)
    for number, name in enumerate(("ada", "audrey", "bob", "eve", "council"))
)
NAME = "anna@example.com"
ACCESS = """
[access]
administrators = ["ada", "eve"]
auditors = ["audrey", "council"]
[access.users]
bob = "bob@example.com"
"""


@dataclass
class House:
    """A vault that is open as in a service."""

    vault: Vault
    folder: Path

    def send(self, caller: Caller, request: Request) -> list[WireWord]:
        return answers(ClientSession(self.folder, self.vault, caller), request)

    def ask(self, caller: Caller, request: Request) -> Any:
        return self.send(caller, request)[-1]

    def open(self, caller: Caller = AUDREY, **more: Any) -> api.SubjectWord:
        fields = {"people": (NAME,), "reason": "letter"} | more
        made = self.ask(caller, api.OpenSubject(**fields))
        assert isinstance(made, api.SubjectWord)
        return made

    def decide(self, caller: Caller, decision: str, *ids: str, **more: Any) -> api.SubjectDecided:
        request = api.DecideSubject(name=NAME, decision=decision, reason="looked", ids=ids, **more)
        made = self.ask(caller, request)
        assert isinstance(made, api.SubjectDecided)
        return made

    def messages(self, caller: Caller, **more: Any) -> list[api.SubjectMessageWord]:
        return list(self.ask(caller, api.ListSubjectMessages(name=NAME, **more)).messages)

    def states(self, caller: Caller) -> dict[str, int]:
        found = self.ask(caller, api.ShowSubject(name=NAME)).states
        return {name: number for name, number in found.items() if number}

    def package(self, caller: Caller, path: Path, **more: Any) -> api.Done:
        """Make a package as a client of the service does."""
        request = api.PackageSubject(name=NAME, path=str(path), **more)
        *_, done = receive(iter(self.send(caller, request)), path)
        assert isinstance(done, api.Done)
        return done

    def trail(self, word: str) -> list[api.AuditEvent]:
        audit_trail.trail_of(self.vault)._flush()
        found = list_audit(ClientSession(self.folder, self.vault), api.GetAudit(limit=1_000)).events
        return [event for event in found if event.word == word]

    def need(self, *acts: str) -> None:
        with (self.folder / "vault.toml").open("a") as file:
            file.write(f"[approvals]\nneed = {list(acts)}\n".replace("'", '"'))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    vault = TestVault(tmp_path / "vault")
    fill(vault)
    vault.client.close()
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with closing(open_vault(vault.folder, write=True)) as opened:
        yield House(opened, vault.folder)


def subjects(found: list[api.SubjectMessageWord]) -> list[str]:
    return [one.subject for one in found]


# --- roles and events -----------------------------------------------------------------------------


def test_auditors_and_administrators_answer_requests_and_plain_users_do_not(
    house: House, tmp_path: Path
) -> None:
    house.open(AUDREY)
    assert house.decide(ADA, "include", rest=True).decided == 4
    assert house.package(AUDREY, tmp_path / "a.zip").message.startswith("4 messages")
    for request in (
        api.OpenSubject(people=("bob@example.com",), reason="mine"),
        api.ListSubjects(),
        api.ShowSubject(name=NAME),
        api.ListSubjectMessages(name=NAME),
        api.DecideSubject(name=NAME, decision="include", reason="mine", rest=True),
        api.ListSubjectDecisions(name=NAME),
        api.PackageSubject(name=NAME, path=str(tmp_path / "b.zip")),
        api.CloseSubject(name=NAME),
    ):
        with pytest.raises(AccessRefused):
            house.send(BOB, request)
    found = house.ask(AUDREY, api.ListSubjectDecisions(name=NAME))
    assert [(one.by, one.messages) for one in found.decisions] == [("ada", 4)]


def test_every_act_is_in_the_audit_trail(house: House, tmp_path: Path) -> None:
    house.open(AUDREY, texts=("plums",), case="DS-1")
    house.open(AUDREY, name="dry", check=True)
    house.decide(ADA, "withhold", "1")
    house.decide(ADA, "include", rest=True, query="subject:former", check=True)
    house.decide(ADA, "include", rest=True)
    house.messages(AUDREY)
    done = house.package(ADA, tmp_path / "a.zip")
    house.ask(ADA, api.CloseSubject(name=NAME, reason="done"))
    dry, opened = house.trail("OpenSubject")
    assert (dry.event, opened.event, opened.role) == ("read", "changed", "auditor")
    assert (opened.detail["texts"], opened.detail["total"], opened.detail["case"]) == (["plums"], 5, "DS-1")
    assert opened.people == (NAME,)
    rest, searched, one = house.trail("DecideSubject")
    assert (rest.event, searched.event, one.detail["items"]) == ("changed", "read", ["1"])
    assert (rest.detail["total"], rest.detail["decision"], rest.who) == (4, "include", "ada")
    (listed,) = house.trail("ListSubjectMessages")
    assert (listed.event, listed.kind, listed.everybody) == ("read", "search", True)
    made, read = house.trail("PackageSubject")
    assert (made.event, made.kind, read.event, read.kind) == ("changed", "change", "read", "export")
    assert made.detail["sha256"] in done.message
    assert len(read.detail["messages"]) == 4
    assert set(read.people) > {NAME, "bob@example.com"}
    assert read.detail["reason"] == "letter"
    assert len(house.trail("CloseSubject")) == 1


def test_a_message_is_recorded_as_read_before_its_first_byte(house: House, tmp_path: Path) -> None:
    house.open(ADA)
    session = ClientSession(house.folder, house.vault, ADA)
    words = guard.stream(session, api.PackageSubject(name=NAME, path="a.zip", undecided="include"))
    for word in words:
        if isinstance(word, api.Chunk):
            break
    assert [event.event for event in house.trail("PackageSubject")] == ["read"]
    words.close()  # type: ignore[attr-defined]
    assert house.ask(ADA, api.ShowSubject(name=NAME)).packages == ()


def test_a_list_needs_a_reason_where_reads_do(house: House) -> None:
    house.open(ADA)
    text = (house.folder / "vault.toml").read_text()
    (house.folder / "vault.toml").write_text(text.replace("[access]", "[access]\nrequire_reason = true"))
    with pytest.raises(ReasonNeeded):
        house.messages(ADA)
    assert len(house.messages(ADA, reason="letter")) == 4


# --- seals ----------------------------------------------------------------------------------------


def seal(house: House, user: str = "carl@example.com") -> None:
    """Leave the mail of a person, who has written to Anna, to the council alone."""
    house.ask(ADA, api.SealMail(user=user, logins=("council",), reason="works council"))


def test_sealed_mail_is_counted_and_never_shown_decided_or_handed_over(house: House, tmp_path: Path) -> None:
    seal(house)
    assert house.open(AUDREY).messages == 4
    for caller in (AUDREY, ADA):
        assert house.states(caller) == {"undecided": 1, "sealed": 3}
        found = house.messages(caller)
        assert subjects(found) == ["sent", "(sealed)", "(sealed)", "(sealed)"]
        assert [(one.sender, one.to, one.parts, one.reason) for one in found[1:]] == [("", "", (), "")] * 3
        assert subjects(house.messages(caller, query="subject:former OR subject:sent")) == ["sent"]
    assert house.decide(ADA, "include", "1", "2").sealed == 1
    assert house.decide(ADA, "withhold", query="subject:former").decided == 0
    assert house.decide(ADA, "include", rest=True).decided == 0
    done = house.package(ADA, tmp_path / "a.zip", listed=True)
    assert any("3 messages are sealed from you" in one for one in done.warnings)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert sum(name.endswith(".eml") for name in packed.namelist()) == 1
        assert packed.read("withheld.csv").count(b"confidential") == 3
        assert b"3 messages are confidential" in packed.read("README.txt")


def test_whom_a_seal_names_answers_in_full(house: House, tmp_path: Path) -> None:
    seal(house)
    house.open(AUDREY)
    assert house.states(COUNCIL) == {"undecided": 4}
    assert house.decide(COUNCIL, "withhold", "2").decided == 1
    assert house.decide(COUNCIL, "include", rest=True).decided == 3
    assert house.messages(ADA)[1].reason == "", "the reason may tell what is sealed"
    rest, one = house.ask(ADA, api.ListSubjectDecisions(name=NAME)).decisions
    assert (rest.reason, one.reason, one.decision) == ("looked", "(sealed)", "withhold")
    with pytest.raises(AccessRefused, match="sealed"):
        house.ask(ADA, api.ListSubjectDecisions(name=NAME, id="2"))
    _, one = house.ask(COUNCIL, api.ListSubjectDecisions(name=NAME)).decisions
    assert one.reason == "looked"
    house.package(COUNCIL, tmp_path / "council.zip")
    house.package(ADA, tmp_path / "ada.zip")
    packages = house.ask(ADA, api.ShowSubject(name=NAME)).packages
    assert [(one.by, one.included, one.sealed) for one in packages] == [("ada", 1, 3), ("council", 3, 0)]


def test_a_request_tells_nothing_of_the_text_of_sealed_mail(house: House) -> None:
    found = [house.open(COUNCIL, name=f"c{n}", query=q).messages for n, q in enumerate(("former", "nowhere"))]
    assert found == [1, 0]
    seal(house)
    for number, query in enumerate(("former", "nowhere")):
        assert house.open(AUDREY, name=f"a{number}", query=query).messages == 3, "all that is sealed is in"
    assert house.open(AUDREY, name="text", texts=("plums",)).messages == 4
    assert house.open(COUNCIL, name="text 2", texts=("plums",)).messages == 5


# --- a second person ------------------------------------------------------------------------------


def approve(house: House, caller: Caller = EVE) -> None:
    (one, *_) = house.ask(ADA, api.ListApprovals()).approvals
    house.ask(caller, api.AnswerApproval(id=one.id, answer="approve"))


def test_a_package_waits_for_another_administrator(house: House, tmp_path: Path) -> None:
    house.need("hand over")
    house.open(AUDREY)
    house.decide(AUDREY, "include", rest=True)
    out = tmp_path / "out"
    asked = house.package(AUDREY, out / "a.zip")
    assert "another administrator must approve" in asked.message
    assert "hand over 4 messages of 'anna@example.com'" in asked.message
    assert not out.exists()
    with pytest.raises(UsageError, match="waits already"):
        house.package(AUDREY, out / "a.zip")
    approve(house)
    assert house.package(AUDREY, out / "a.zip").message.startswith("4 messages")
    (made,) = house.ask(AUDREY, api.ShowSubject(name=NAME)).packages
    (one,) = house.ask(ADA, api.ListApprovals(answered=True)).approvals
    assert (made.approval, one.state) == (one.id, "done")
    assert "must approve" in house.package(AUDREY, out / "b.zip").message, "an approval is good once"
    assert [path.name for path in out.iterdir()] == ["a.zip"]


def erase(house: House, id_: str) -> None:
    session = ClientSession(house.folder, house.vault)
    with closing(RunHost(session, in_service=True)) as host:
        answers(ClientSession(house.folder, house.vault, ADA, host), api.Erase(ids=(id_,), basis="Art. 17"))


@pytest.mark.parametrize("change", ["decision", "options", "login", "erased"])
def test_an_approval_is_for_one_package_alone(house: House, tmp_path: Path, change: str) -> None:
    house.need("hand over")
    house.open(ADA)
    house.decide(ADA, "include", rest=True)
    house.package(ADA, tmp_path / "a.zip")
    approve(house)
    more: dict[str, Any] = {}
    caller = ADA
    if change == "decision":
        house.decide(ADA, "withhold", "1")
    elif change == "options":
        more = {"listed": True}
    elif change == "login":
        caller = AUDREY
    else:
        erase(house, house.messages(ADA)[0].id)
    assert "must approve" in house.package(caller, tmp_path / "a.zip", **more).message
    assert not (tmp_path / "a.zip").exists()


def test_a_stopped_package_does_not_use_up_its_approval(house: House, tmp_path: Path) -> None:
    house.need("hand over")
    house.open(ADA)
    house.decide(ADA, "include", rest=True)
    house.package(ADA, tmp_path / "a.zip")
    approve(house)
    session = ClientSession(house.folder, house.vault, ADA)
    words = guard.stream(session, api.PackageSubject(name=NAME, path="a.zip"))
    next(words)
    words.close()  # type: ignore[attr-defined]
    assert house.package(ADA, tmp_path / "a.zip").message.startswith("4 messages")
