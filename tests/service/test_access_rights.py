"""Grants and seals: who may read whose mail by them, what is recorded of it, and who could on a day."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.ledger.model import RecordKind
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, MunimentError, NotFound, ReasonNeeded, UsageError
from muniment.people.grants import grant_value
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from muniment.service.operations.access import readers, rights
from muniment.service.operations.audit import list_audit
from support.asking import answers
from support.reports import line, plain, report
from support.vaults import TestVault

ROOT, BOB, AUDREY, BEN = (
    Caller(uid, uid, 1, name)
    for uid, name in ((0, "root"), (61_000, "bob"), (61_001, "audrey"), (61_002, "ben"))
)
ADDRESSES = {name: f"{name}@example.com" for name in ("bob", "carol", "dora")}
DAY = 86_400


@dataclass
class House:
    """A vault that is open as in a service, with mail of bob, carol and dora."""

    vault: Vault
    folder: Path
    ids: dict[str, str]

    def send(self, caller: Caller, request: Request) -> list[WireWord]:
        """All replies to a request of a caller, through the guard."""
        return answers(ClientSession(self.folder, self.vault, caller), request)

    def ask(self, caller: Caller, request: Request) -> Any:
        """The only reply to a request."""
        (reply,) = self.send(caller, request)
        return reply

    def subjects(self, caller: Caller, query: str = "", user: str = "") -> set[str]:
        """The subjects that a search finds."""
        return {hit.subject for hit in self.ask(caller, api.Search(query=query, user=user, limit=100)).hits}

    def trail(self) -> list[api.AuditEvent]:
        """The audit trail, newest first, after all waiting events are committed."""
        audit_trail.trail_of(self.vault)._flush()
        return list(list_audit(ClientSession(self.folder, self.vault), api.GetAudit(limit=10_000)).events)

    def grant(self, login: str, user: str, **more: Any) -> str:
        """Grant a right, and return its id."""
        self.ask(ROOT, api.GrantAccess(login=login, user=user, reason="Case 7", **more))
        return str(self.ask(AUDREY, api.ListAccess()).grants[-1].id)

    def seal(self, user: str, *logins: str) -> None:
        self.ask(ROOT, api.SealMail(user=user, logins=logins, reason="Works council"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    vault = TestVault(tmp_path / "vault")
    vault.archive(
        [
            mail("anna", "bob"), mail("anna", "carol"), mail("anna", "dora"),
            mail("dora", "bob", bcc="carol"), mail("bob", "carol"),
        ]
    )  # fmt: skip
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access]\nauditors = ["audrey"]\n[access.users]\nbob = "bob@example.com"\n')
    with ClientSession(vault.folder).writing():
        pass
    ids = {hit.subject: hit.id for hit in vault.messages()}
    vault.client.close()
    opened = open_vault(vault.folder, write=True)
    yield House(opened, vault.folder, ids)
    opened.close()


def mail(sender: str, to: str, bcc: str = "") -> bytes:
    hidden = [line("Bcc", f"{bcc}@example.com")] if bcc else []
    written = plain(
        sender=f"{sender}@example.com", to=[f"{to}@example.com"], subject=f"{sender} to {to}",
        body=f"word{sender}{to}", bcc=[f"{bcc}@example.com"] if bcc else [],
    )  # fmt: skip
    return report(
        written, sender=f"{sender}@example.com", recipients=[line("To", f"{to}@example.com"), *hidden]
    )


# --- grants -----------------------------------------------------------------------------------------


def test_a_stranger_with_a_grant_reads_that_persons_mail_as_the_person_does(house: House) -> None:
    with pytest.raises(AccessRefused, match="ben may not use this vault"):
        house.ask(BEN, api.Search(query=""))
    grant = house.grant("ben", "carol@example.com")
    (tree,) = house.ask(BEN, api.GetTree()).users
    assert tree.user == "carol@example.com"
    hits = {hit.subject: hit.id for hit in house.ask(BEN, api.Search(query="")).hits}
    assert set(hits) == {"anna to carol", "dora to bob", "bob to carol"}
    listed = house.ask(BEN, api.ListMessages(user="carol@example.com", folder="Inbox"))
    assert {hit.id for hit in listed.hits} == set(hits.values())
    shown = house.ask(BEN, api.Show(id=hits["dora to bob"]))
    assert "Bcc" not in dict(shown.headers)
    assert not set(house.ids.values()) & set(hits.values()), "the ids are public ones"
    event = next(one for one in house.trail() if one.word == "Show")
    assert (event.who, event.people, event.detail["grant"]) == ("ben", ("carol@example.com",), grant)
    assert event.detail["messages"] == [house.ids["dora to bob"]]
    words = {one.word for one in house.trail() if one.who == "ben" and one.event == "read"}
    assert words == {"Search", "ListMessages", "Show"}


def test_a_grant_opens_nothing_else(house: House, tmp_path: Path) -> None:
    house.grant("ben", "carol@example.com")
    others = [house.ids["anna to bob"], house.ids["anna to dora"], house.ids["bob to carol"]]
    requests: list[Request] = [
        api.Search(query="", user="bob@example.com"),
        api.Search(query="user:dora@example.com"),
        api.Search(query="-user:dora@example.com"),
        api.ListMessages(user="bob@example.com", folder="Inbox"),
        api.ShowUser(user="bob@example.com"),
        api.GetAudit(), api.ListQuarantine(), api.ListAccess(), api.GetHistory(), api.ListProfiles(),
        api.GetReaders(id=others[0]), api.GetRightsOf(who="bob"),
        api.GrantAccess(login="ben", user="bob@example.com", reason="x"),
        api.SealMail(user="carol@example.com", logins=("ben",), reason="x"),
        *(api.Show(id=one) for one in others),
        *(api.ReadRaw(id=one) for one in others),
        *(api.ReadAttachment(id=one, number=1) for one in others),
        *(api.Export(query="", ids=(one,), path=str(tmp_path / "out")) for one in others),
        api.ReadRaw(id=house.ids["anna to carol"], what="report", report=1),
    ]  # fmt: skip
    for request in requests:
        with pytest.raises((AccessRefused, NotFound)):
            house.send(BEN, request)
    assert house.subjects(BEN, "wordannabob OR wordannadora") == set()


def test_a_user_with_a_grant_reads_both_and_only_the_others_mail_is_recorded(house: House) -> None:
    house.grant("bob", "carol@example.com")
    assert [one.user for one in house.ask(BOB, api.GetTree()).users] == [
        "bob@example.com", "carol@example.com",
    ]  # fmt: skip
    assert [one.user for one in house.ask(BOB, api.ListUsers()).users] == [
        "bob@example.com", "carol@example.com",
    ]  # fmt: skip
    assert house.subjects(BOB) == {"anna to bob", "dora to bob", "bob to carol"}
    assert house.subjects(BOB, user="carol@example.com") == {"anna to carol", "dora to bob", "bob to carol"}
    assert house.subjects(BOB, "user:carol@example.com subject:anna") == {"anna to carol"}
    (both,) = (hit for hit in house.ask(BOB, api.Search(query="subject:dora")).hits)
    house.ask(BOB, api.Show(id=both.id))
    assert not [one for one in house.trail() if one.word == "Show"], "it is bob's own message, too"
    (hers,) = (hit for hit in house.ask(BOB, api.Search(query="subject:anna", user="carol@example.com")).hits)
    house.ask(BOB, api.Show(id=hers.id))
    assert [one.people for one in house.trail() if one.word == "Show"] == [("carol@example.com",)]
    assert {one.word for one in house.trail() if one.who == "bob" and one.event == "read"} == {
        "Show", "Search",
    }  # fmt: skip


def test_one_with_several_grants_and_no_own_mail_says_whose_mail_a_search_is_about(house: House) -> None:
    house.grant("ben", "carol@example.com")
    house.grant("ben", "dora@example.com")
    with pytest.raises(AccessRefused, match="say whose mail"):
        house.ask(BEN, api.Search(query=""))
    assert house.subjects(BEN, user="dora@example.com") == {"anna to dora", "dora to bob"}
    hits = house.ask(BEN, api.Search(query="subject:anna", user="dora@example.com")).hits
    assert house.ask(BEN, api.Show(id=hits[0].id)).id == hits[0].id


def test_an_export_by_a_grant_is_the_public_form_and_recorded_before(house: House, tmp_path: Path) -> None:
    house.grant("ben", "carol@example.com")
    words = house.send(BEN, api.Export(query="", path="out"))
    assert any(isinstance(word, api.Chunk) for word in words)
    data = b"".join(word.data for word in words if isinstance(word, api.Chunk))
    assert b"wordannacarol" in data
    assert b"wordannabob" not in data
    event = next(one for one in house.trail() if one.word == "Export")
    assert event.people == ("carol@example.com",)


def test_a_reason_is_needed_for_mail_of_others_alone_where_access_requires_it(house: House) -> None:
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", "[access]\nrequire_reason = true\n"))
    house.grant("bob", "carol@example.com")
    assert house.subjects(BOB) == {"anna to bob", "dora to bob", "bob to carol"}
    with pytest.raises(ReasonNeeded):
        house.ask(BOB, api.Search(query="", user="carol@example.com"))
    found = house.ask(BOB, api.Search(query="", user="carol@example.com", reason="leave"))
    assert found.total == 3


def test_a_grant_is_over_at_once_when_it_is_revoked(house: House) -> None:
    grant = house.grant("ben", "carol@example.com")
    assert house.subjects(BEN)
    house.ask(ROOT, api.RevokeAccess(id=grant[:4], reason="done"))
    with pytest.raises(AccessRefused, match="ben may not use"):
        house.ask(BEN, api.Search(query=""))
    with pytest.raises(NotFound, match="no grant"):
        house.ask(ROOT, api.RevokeAccess(id=grant, reason="again"))
    assert house.ask(AUDREY, api.ListAccess()).grants == ()
    (former,) = house.ask(AUDREY, api.ListAccess(former=True)).grants
    assert (former.id, former.ended_by, former.active) == (grant, "root", False)


def test_a_grant_is_over_after_its_last_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    value = grant_value(
        "0123abcd", "ben", house.vault.directory.find("carol@example.com").id, "carol", now, "x", "root", 0
    )
    house.vault.decide(RecordKind.GRANT, lambda earlier: [value], now - DAY)
    with pytest.raises(AccessRefused, match="ben may not use"):
        house.ask(BEN, api.Search(query=""))
    with pytest.raises(UsageError, match="is over"):
        house.grant("ben", "carol@example.com", until="2020-01-01")
    with pytest.raises(UsageError, match="is no day"):
        house.grant("ben", "carol@example.com", until="soon")


def test_a_grant_follows_the_person_and_not_the_address(house: House) -> None:
    house.ask(ROOT, api.AddUser(name="Carol", addresses=("carol@example.com",)))
    house.grant("ben", "carol@example.com")
    house.ask(ROOT, api.AddUser(name="Carol", addresses=("c.new@example.com", "carol@example.com")))
    house.ask(ROOT, api.AddUser(name="Eve", addresses=("carol@example.com",)))
    assert "anna to carol" in house.subjects(BEN)
    (tree,) = house.ask(BEN, api.GetTree()).users
    assert tree.user == "c.new@example.com"


@pytest.mark.parametrize(
    "wrong", [{"login": "two words"}, {"login": ""}, {"reason": " "}, {"user": "catch-all"}]
)
def test_a_grant_without_a_login_a_reason_or_a_person_is_refused(house: House, wrong: dict[str, Any]) -> None:
    before = house.vault.head
    with pytest.raises((UsageError, NotFound)):
        house.ask(
            ROOT, api.GrantAccess(**({"login": "ben", "user": "bob@example.com", "reason": "x"} | wrong))
        )
    assert house.vault.head == before
    house.grant("ben", "bob@example.com")
    with pytest.raises(UsageError, match="already"):
        house.grant("ben", "bob@example.com")


def test_only_administrators_change_rights_and_each_change_is_one_batch_with_its_event(house: House) -> None:
    for request in (
        api.GrantAccess(login="ben", user="bob@example.com", reason="x"),
        api.RevokeAccess(id="ab", reason="x"),
        api.SealMail(user="bob@example.com", logins=("ben",), reason="x"),
        api.UnsealMail(user="bob@example.com", reason="x"),
    ):
        for caller in (BOB, AUDREY, BEN):
            with pytest.raises(AccessRefused):
                house.ask(caller, request)
    house.seal("dora@example.com", "ben", "carla")
    event = next(one for one in house.trail() if one.event == "changed")
    assert (event.word, event.detail["logins"], event.people) == (
        "SealMail", ["ben", "carla"], ("dora@example.com",),
    )  # fmt: skip


# --- a second person --------------------------------------------------------------------------------


INES = Caller(61_003, 61_003, 1, "ines")


def test_a_user_asks_and_an_administrator_grants(house: House) -> None:
    asked = house.ask(BOB, api.AskAccess(user="carol@example.com", until="2099-01-31", reason="Offer of May"))
    (waiting,) = house.ask(AUDREY, api.ListApprovals()).approvals
    assert (waiting.id, waiting.by, waiting.act) == (asked.approval, "bob", "access grant")
    assert waiting.what == "let bob read the mail of carol@example.com, until 2099-02-01 00:00 UTC"
    assert house.subjects(BOB) == {"anna to bob", "dora to bob", "bob to carol"}
    event = next(one for one in house.trail() if one.word == "AskAccess")
    assert (event.who, event.role, event.detail["approval"]) == ("bob", "user", asked.approval)
    for caller in (BOB, AUDREY):
        with pytest.raises(AccessRefused):
            house.ask(caller, api.AnswerApproval(id=asked.approval, answer="approve"))
    house.ask(ROOT, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert house.subjects(BOB, user="carol@example.com") == {"anna to carol", "dora to bob", "bob to carol"}
    (grant,) = house.ask(AUDREY, api.ListAccess()).grants
    assert (grant.login, grant.reason, grant.by) == ("bob", "Offer of May", "root")


@pytest.mark.parametrize("user", ["carol@example.com", "nobody@example.com"])
def test_a_request_reveals_nothing_of_the_person(house: House, user: str) -> None:
    asked = house.ask(BOB, api.AskAccess(user=user, until="2099-01-31", reason="x"))
    assert asked.message.startswith(f"This needs a second person: to let bob read the mail of {user}, until")
    for wrong in ({"until": ""}, {"until": "2020-01-01"}, {"user": " "}, {"reason": " "}):
        with pytest.raises(UsageError):
            house.ask(BOB, api.AskAccess(**{"user": user, "until": "2099-01-31", "reason": "y"} | wrong))


def test_a_request_for_nobody_fails_when_it_is_approved(house: House) -> None:
    asked = house.ask(BOB, api.AskAccess(user="nobody@else.example", until="2099-01-31", reason="x"))
    with pytest.raises(MunimentError, match="there is no user"):
        house.ask(ROOT, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert house.ask(AUDREY, api.ListAccess()).grants == ()


def test_grants_and_the_lifting_of_seals_wait_for_a_second_person(house: House) -> None:
    with (house.folder / "vault.toml").open("a") as file:
        file.write('\n[approvals]\nneed = ["access grant", "access unseal"]\n')
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", '[access]\nadministrators = ["ines"]\n'))
    house.seal("dora@example.com", "carla")
    acts: list[Request] = [
        api.GrantAccess(login="ben", user="carol@example.com", reason="Case 7"),
        api.UnsealMail(user="dora@example.com", reason="over"),
    ]
    for act in acts:
        asked = house.ask(INES, act)
        assert asked.approval
        with pytest.raises(AccessRefused):
            house.ask(INES, api.AnswerApproval(id=asked.approval, answer="approve"))
    rights = house.ask(AUDREY, api.ListAccess())
    assert (rights.grants, len(rights.seals)) == ((), 1)
    for waiting in house.ask(AUDREY, api.ListApprovals()).approvals:
        house.ask(ROOT, api.AnswerApproval(id=waiting.id, answer="approve"))
    rights = house.ask(AUDREY, api.ListAccess())
    assert ([one.login for one in rights.grants], rights.seals) == (["ben"], ())


def test_an_approval_to_unseal_is_for_one_seal_alone(house: House) -> None:
    with (house.folder / "vault.toml").open("a") as file:
        file.write('\n[approvals]\nneed = ["access unseal"]\n')
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", '[access]\nadministrators = ["ines"]\n'))
    house.seal("dora@example.com", "carla", "dan")
    asked = house.ask(INES, api.UnsealMail(user="dora@example.com", reason="over"))
    house.seal("dora@example.com", "dan")
    with pytest.raises(MunimentError, match="is another one by now"):
        house.ask(ROOT, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert len(house.ask(AUDREY, api.ListAccess()).seals) == 1


def test_nobody_grants_a_right_to_themselves(house: House) -> None:
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", '[access]\nadministrators = ["ines"]\n'))
    with settings.open("a") as file:
        file.write('\n[approvals]\nneed = ["access grant"]\n')
    asked = house.ask(ROOT, api.GrantAccess(login="ines", user="carol@example.com", reason="x"))
    with pytest.raises(MunimentError, match="to themselves"):
        house.ask(INES, api.AnswerApproval(id=asked.approval, answer="approve"))
    assert house.ask(AUDREY, api.ListAccess()).grants == ()


# --- seals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [ROOT, AUDREY], ids=["administrator", "auditor"])
def test_sealed_mail_is_neither_listed_nor_opened_nor_found(
    house: House, tmp_path: Path, caller: Caller
) -> None:
    house.seal("dora@example.com", "carla")
    assert "dora@example.com" not in {one.user for one in house.ask(caller, api.GetTree()).users}
    assert house.subjects(caller) == {"anna to bob", "anna to carol", "bob to carol"}
    assert house.subjects(caller, "worddorabob OR subject:dora") == set()
    assert house.ask(caller, api.Search(query="worddorabob")).total == 0
    sealed = house.ids["dora to bob"]
    requests: list[Request] = [
        api.ListMessages(user="dora@example.com", folder="Inbox"),
        api.Search(query="", user="dora@example.com"),
        api.Show(id=sealed), api.Show(id=house.ids["anna to dora"]), api.ReadRaw(id=sealed),
        api.ReadRaw(id=sealed, what="report", report=1), api.ReadRaw(id=sealed, what="headers"),
        api.ReadAttachment(id=sealed, number=1),
        api.Export(query="", ids=(house.ids["anna to bob"], sealed), path=str(tmp_path / "x.zip")),
        api.Export(query="", user="dora@example.com", path=str(tmp_path / "y.zip")),
        api.Prove(id=sealed, path=str(tmp_path / "proof.zip")), api.ShowRetention(id=sealed),
        api.CheckErasure(ids=(house.ids["anna to bob"], sealed)),
        api.Erase(ids=(sealed,), basis="a request"),
    ]  # fmt: skip
    for request in requests:
        may = caller is ROOT or not isinstance(request, api.CheckErasure | api.Erase)
        with pytest.raises(AccessRefused, match="is sealed" if may else "auditor"):
            house.send(caller, request)
    listed = house.ask(caller, api.ListMessages(user="bob@example.com", folder="Inbox"))
    assert {(hit.subject, hit.sender) for hit in listed.hits} >= {("(sealed)", "")}
    assert "dora to bob" not in {hit.subject for hit in listed.hits}


def hold_counts(house: House, caller: Caller) -> tuple[int, int, int]:
    """How many held messages are counted and listed, and of how many people mail is left out."""
    *_, counted = house.send(caller, api.CountHold(name="All"))
    *_, end = house.send(caller, api.ListHeld())
    assert isinstance(counted, api.HoldCountWord)
    assert isinstance(end, api.HeldEnd)
    assert counted.sealed == end.sealed
    return counted.mail.messages, end.messages, end.sealed


def test_counts_of_holds_have_what_the_caller_may_open(house: House) -> None:
    house.ask(ROOT, api.PlaceHold(name="All", reason="suit", everything=True))
    house.seal("dora@example.com", "audrey")
    house.seal("bob@example.com", "audrey")
    assert hold_counts(house, AUDREY) == (5, 5, 0)
    assert hold_counts(house, ROOT) == (1, 1, 2)
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", '[access]\nadministrators = ["bob"]\n'))
    assert hold_counts(house, BOB) == (4, 4, 1), "his own mail is open to him"


def test_a_simulation_names_neither_sealed_mail_nor_its_owner(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = api.RuleSpec(name="All", kind="dispose", period="1 day")
    house.ask(ROOT, api.SetRules(rules=(rule,)))
    house.seal("dora@example.com", "carla")
    later = time.time() + 9 * DAY
    monkeypatch.setattr("muniment.service.operations.retention.simulating.time.time", lambda: later)
    *_, found = house.send(ROOT, api.SimulateRetention())
    assert isinstance(found, api.Simulation)
    assert {one.subject for one in found.examples} == {"anna to bob", "anna to carol", "bob to carol"}
    assert "dora@example.com" not in {one.name for one in found.people}
    assert found.goes.messages == found.listed == 5, "a disposal takes what was counted"


def test_rules_that_are_only_tried_count_no_sealed_mail(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = api.RuleSpec(
        name="All", kind="dispose", period="1 day", mail=api.MailCriteria(query="worddorabob")
    )
    later = time.time() + 9 * DAY
    monkeypatch.setattr("muniment.service.operations.retention.simulating.time.time", lambda: later)
    for sealed, goes in ((False, 1), (True, 0)):
        if sealed:
            house.seal("dora@example.com", "carla")
        *_, found = house.send(AUDREY, api.SimulateRetention(rules=(tried,)))
        assert isinstance(found, api.Simulation)
        assert (found.goes.messages, found.unsure) == (goes, 0)
        event = next(one for one in house.trail() if one.word == "SimulateRetention")
        assert event.detail["rules"] == ["All: worddorabob"]
    sent = [one for one in house.trail() if one.word == "SetRules"]
    assert sent == [], "nothing was set"


def test_counts_and_questions_about_messages_are_recorded_without_a_reason(house: House) -> None:
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace("[access]\n", "[access]\nrequire_reason = true\n"))
    house.ask(ROOT, api.PlaceHold(name="All", reason="suit", everything=True))
    named = house.ids["anna to bob"]
    requests: list[Request] = [
        api.CountHold(name="All"), api.ReportHeld(), api.ShowRetention(id=named),
        api.CheckErasure(ids=(named, named)),
    ]  # fmt: skip
    for request in requests:
        house.send(ROOT, request)
    events = {one.word: one for one in house.trail() if one.event == "read"}
    assert set(events) >= {type(request).__name__ for request in requests}
    assert (events["CountHold"].detail["name"], events["CountHold"].everybody) == ("All", True)
    for word in ("ShowRetention", "CheckErasure"):
        assert events[word].detail["messages"] == [named]
        assert "bob@example.com" in events[word].people
    with pytest.raises(ReasonNeeded):
        house.send(ROOT, api.ListHeld())


@pytest.mark.parametrize("choice", [{}, {"user": "bob@example.com", "folder": "Inbox"}, {"query": "word*"}])
def test_an_export_leaves_sealed_mail_out(house: House, tmp_path: Path, choice: dict[str, Any]) -> None:
    house.seal("dora@example.com", "carla")
    house.send(ROOT, api.Export(**{"query": "", "path": str(tmp_path / "x.zip")} | choice))
    with zipfile.ZipFile(tmp_path / "x.zip") as made:
        content = b"".join(made.read(name) for name in made.namelist())
    assert b"wordannabob" in content
    assert b"worddorabob" not in content
    assert house.ids["dora to bob"].encode() not in content


def test_the_named_login_and_the_people_themselves_read_sealed_mail(house: House) -> None:
    house.seal("dora@example.com", "audrey")
    assert house.ask(AUDREY, api.Show(id=house.ids["dora to bob"])).id == house.ids["dora to bob"]
    assert "anna to dora" in house.subjects(AUDREY)
    assert "dora to bob" in house.subjects(BOB), "it is bob's own message"
    house.ask(ROOT, api.UnsealMail(user="dora@example.com", reason="for others"))
    house.seal("dora@example.com", "carla")
    with pytest.raises(AccessRefused):
        house.ask(AUDREY, api.Show(id=house.ids["dora to bob"]))
    house.ask(ROOT, api.UnsealMail(user="dora@example.com", reason="over"))
    assert house.ask(AUDREY, api.Show(id=house.ids["dora to bob"]))
    with pytest.raises(NotFound, match="not sealed"):
        house.ask(ROOT, api.UnsealMail(user="dora@example.com", reason="again"))


def test_a_new_seal_opens_nothing_that_the_present_one_closes(house: House) -> None:
    house.seal("dora@example.com", "carla", "dan")
    with pytest.raises(UsageError, match="max may not open it"):
        house.seal("dora@example.com", "carla", "max")
    house.seal("dora@example.com", "dan")
    (seal,) = house.ask(AUDREY, api.ListAccess()).seals
    assert seal.logins == ("dan",)


@pytest.mark.parametrize(
    "change",
    [
        api.RemoveUser(user="d@example.com"),
        api.RemoveUser(user="d@example.com", alias="dora@example.com"),
        api.AddUser(name="Eve", addresses=("dora@example.com",)),
        api.ImportUsers(text="name,address\nEve,dora@example.com\n"),
    ],
    ids=["removed", "an address removed", "moved", "imported"],
)
def test_a_change_of_people_takes_no_mail_from_under_a_seal(house: House, change: Any) -> None:
    house.ask(ROOT, api.AddUser(name="Dora", addresses=("d@example.com", "dora@example.com")))
    house.seal("d@example.com", "carla")
    with pytest.raises(UsageError, match="lift the seal first"):
        house.ask(ROOT, change)
    with pytest.raises(AccessRefused, match="is sealed"):
        house.ask(AUDREY, api.Show(id=house.ids["dora to bob"]))
    house.ask(ROOT, api.UnsealMail(user="d@example.com", reason="over"))
    house.ask(ROOT, change)


def test_a_grant_does_not_open_what_a_seal_closes(house: House) -> None:
    house.grant("ben", "bob@example.com")
    house.seal("dora@example.com", "carla")
    assert house.subjects(BEN) == {"anna to bob", "bob to carol"}
    listed = house.ask(BEN, api.ListMessages(user="bob@example.com", folder="Inbox"))
    assert {hit.subject for hit in listed.hits} == {"anna to bob", "(sealed)"}
    (closed,) = (hit.id for hit in listed.hits if hit.subject == "(sealed)")
    for request in (api.Show(id=closed), api.ReadRaw(id=closed)):
        with pytest.raises(AccessRefused, match="is sealed"):
            house.send(BEN, request)
    house.grant("ben", "dora@example.com")
    with pytest.raises(AccessRefused, match="only the mail of bob"):
        house.ask(BEN, api.Search(query="", user="dora@example.com"))
    with pytest.raises(AccessRefused, match="only the mail of bob"):
        house.ask(BEN, api.ListMessages(user="dora@example.com", folder="Sent"))
    assert [one.user for one in house.ask(BEN, api.GetTree()).users] == ["bob@example.com"]
    house.seal("bob@example.com", "carla")
    with pytest.raises(AccessRefused, match="is sealed"):
        house.ask(BEN, api.GetTree())


# --- who could read ---------------------------------------------------------------------------------


def named(found: api.Readers) -> set[tuple[str, str]]:
    return {(one.login, one.right) for one in found.readers}


ALWAYS = {("root", "owner"), ("audrey", "auditor")}


def test_who_could_read_a_message_follows_from_roles_logins_and_grants(house: House) -> None:
    house.grant("ben", "carol@example.com")
    found = house.ask(AUDREY, api.GetReaders(id=house.ids["bob to carol"]))
    assert named(found) == ALWAYS | {("bob", "own mail"), ("ben", "grant")}
    assert found.people == ("bob@example.com", "carol@example.com")
    assert found.archived > 0
    assert named(house.ask(AUDREY, api.GetReaders(id=house.ids["anna to dora"]))) == ALWAYS
    before = house.ask(AUDREY, api.GetReaders(id=house.ids["bob to carol"], on="yesterday"))
    assert (before.readers, before.gaps) == ((), ("the message was not archived yet on that day",))
    with pytest.raises(UsageError, match="is to come"):
        house.ask(AUDREY, api.GetReaders(id=house.ids["bob to carol"], on="2190-01-01"))


def test_the_answer_of_a_day_does_not_change_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = house.grant("ben", "carol@example.com")
    id_, now = house.ids["bob to carol"], time.time()
    today = time.strftime("%Y-%m-%d", time.gmtime(now))
    first = house.ask(AUDREY, api.GetReaders(id=id_, on=today))
    later = now + 10 * DAY
    for module in (rights, readers):
        monkeypatch.setattr(module.time, "time", lambda: later)
    house.ask(ROOT, api.RevokeAccess(id=grant, reason="over"))
    house.seal("carol@example.com", "carla")
    again = house.ask(AUDREY, api.GetReaders(id=id_, on=today))
    assert named(again) == named(first)
    later += 2 * DAY
    assert named(house.ask(AUDREY, api.GetReaders(id=id_))) == {("bob", "own mail")}
    later -= 2 * DAY
    (revoked,) = (one for one in again.readers if one.grant)
    assert revoked.until == int(later)
    between = time.strftime("%Y-%m-%d", time.gmtime(now + 5 * DAY))
    assert ("ben", "grant") in named(house.ask(AUDREY, api.GetReaders(id=id_, on=between)))


def test_what_a_login_could_read_and_who_could_read_a_persons_mail(house: House) -> None:
    house.grant("bob", "carol@example.com")
    mine = house.ask(AUDREY, api.GetRightsOf(who="bob"))
    assert {(one.right, one.person) for one in mine.readers} == {
        ("own mail", "bob@example.com"), ("grant", "carol@example.com"),
    }  # fmt: skip
    assert named(house.ask(AUDREY, api.GetRightsOf(who="audrey"))) == {("audrey", "auditor")}
    hers = house.ask(AUDREY, api.GetRightsOf(who="carol@example.com"))
    assert named(hers) == ALWAYS | {("bob", "grant")}
    with pytest.raises(NotFound, match="no login 'nobody'"):
        house.ask(AUDREY, api.GetRightsOf(who="nobody"))


def test_roles_of_the_settings_are_recorded_when_they_change(house: House) -> None:
    settings = house.folder / "vault.toml"
    settings.write_text(settings.read_text().replace('auditors = ["audrey"]', 'administrators = ["ines"]'))
    with ClientSession(house.folder, house.vault).writing():
        pass
    with ClientSession(house.folder, house.vault).writing():
        pass
    assert len(house.vault.catalog.decisions(RecordKind.GRANT)) == 2
    found = house.ask(ROOT, api.GetReaders(id=house.ids["anna to bob"]))
    assert {("audrey", "auditor"), ("ines", "administrator")} <= named(found), "both had a role on that day"
    with suppress(MunimentError):
        house.ask(AUDREY, api.GetTree())
        raise AssertionError("audrey is no auditor any more")
