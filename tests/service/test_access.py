"""Roles: every request, sent by three users of the system who share a vault."""

from __future__ import annotations

import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.cli.trail.event_lines import about
from muniment.client.receiving import receive
from muniment.config.model import AccessSection, Settings
from muniment.errors import (
    AccessRefused,
    ConfigError,
    MunimentError,
    NotFound,
    ReasonNeeded,
    UsageError,
    VaultError,
)
from muniment.service.access import audit_trail
from muniment.service.access.roles import AccessRole, Caller, authorise
from muniment.service.dispatch import guard
from muniment.service.dispatch.table import OPERATIONS, table_of
from muniment.service.host.session import ClientSession
from muniment.service.operations import reading
from muniment.service.operations.audit import list_audit
from muniment.service.operations.operation import AuditRule
from support.asking import answers, leave
from support.reports import EPOCH, fork, line, plain, report
from support.vaults import TestVault

BOB, CAROL, AUDITOR, STRANGER = (Caller(61_000 + n, 61_000, 1, name) for n, name in enumerate(
    ("bob", "carol", "audrey", "mallory")
))  # fmt: skip
ACCESS = """
[access]
auditors = ["audrey"]
[access.users]
bob = "bob@example.com"
carol = "carol@example.com"
"""
SECRETS = ("xyzzycarol", "eve@example.com", "hiddenlist", "carol@example.com")
"""What bob must not learn: words in carol's mail, and the Bcc recipients of his own mail."""
TO_BOB = plain(
    sender="Anna <anna@example.com>", to=["bob@example.com"], subject="plughbob", body="for bob",
    headers=["X-MS-Exchange-Organization-Recipients: eve@example.com", "Bcc: eve@example.com"],
)  # fmt: skip
BY_BOB = plain(
    sender="Bob <bob@example.com>", to=["anna@example.com"], bcc=["dora@example.com"], subject="sentbybob"
)
TO_CAROL = plain(
    sender="xyzzycarol <anna@example.com>", to=["carol@example.com"], subject="xyzzycarol", body="xyzzycarol"
)


@dataclass
class House:
    """A vault that is open as in a service."""

    vault: Vault
    folder: Path
    ids: dict[str, str]

    def send(self, caller: Caller, request: Request) -> list[WireWord]:
        """All replies to a request of a caller, through the guard."""
        return answers(ClientSession(self.folder, self.vault, caller), request)

    def own(self, caller: Caller) -> dict[str, str]:
        """The public ids of a plain user's messages, by subject."""
        (hits,) = self.send(caller, api.Search(query="", limit=1000))
        assert isinstance(hits, api.Hits)
        return {hit.subject: hit.id for hit in hits.hits}

    def trail(self) -> list[api.AuditEvent]:
        """The audit trail, after all waiting events are committed."""
        audit_trail.trail_of(self.vault)._flush()
        session = ClientSession(self.folder, self.vault)
        return list(list_audit(session, api.GetAudit(limit=10_000)).events)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A vault with mail of bob and carol, and an item in quarantine."""
    vault = TestVault(tmp_path_factory.mktemp("access") / "vault")
    vault.archive(
        [
            report(
                TO_BOB,
                recipients=[
                    line("To", "bob@example.com"),
                    line("Bcc", "eve@example.com", expanded="hiddenlist@example.com"),
                    "Bcc: hiddenlist",
                ],
            ),
            report(fork(TO_BOB, 7), recipients=[line("Bcc", "carol@example.com")]),
            report(BY_BOB, sender="bob@example.com", recipients=[
                line("To", "anna@example.com"), line("Bcc", "dora@example.com"),
            ]),
            report(TO_CAROL, recipients=[line("To", "carol@example.com")]),
            b"X-MS-Journal-Report:\r\nSubject: xyzzycarol\r\n\r\nno report",
        ]
    )  # fmt: skip
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with ClientSession(vault.folder).writing():
        pass
    hits = {hit.subject: hit.id for hit in vault.messages()}
    return vault.folder, hits


@pytest.fixture
def house(made: tuple[Path, dict[str, str]]) -> Iterator[House]:
    folder, ids = made
    vault = open_vault(folder, write=True)
    made_house = House(vault, folder, ids)
    yield made_house
    made_house.vault.close()


def request_types() -> list[type[Request]]:
    """The class of every request."""
    return Request.__subclasses__()


def test_every_request_has_an_operation() -> None:
    assert set(OPERATIONS) == set(request_types())


def test_what_plain_users_may_ask_has_an_answer_from_their_own_mail() -> None:
    assert {one.request for one in OPERATIONS.values() if one.own_mail} == {
        one.request for one in OPERATIONS.values() if one.role is AccessRole.USER
    }


@pytest.mark.parametrize("spoilt", [{"own_mail": None}, {"role": AccessRole.AUDITOR}])
def test_a_request_for_plain_users_without_their_view_is_no_operation(spoilt: dict[str, Any]) -> None:
    good = OPERATIONS[api.Search]
    assert table_of([good]) == {api.Search: good}
    with pytest.raises(ValueError, match="Search must have a handler of own mail"):
        table_of([replace(good, **spoilt)])


def test_a_stream_that_is_recorded_as_a_change_is_no_operation() -> None:
    stream = next(one for one in OPERATIONS.values() if one.streams)
    with pytest.raises(ValueError, match="a stream, whose change would not be recorded"):
        table_of([replace(stream, audit=AuditRule.CHANGE)])


def test_a_start_that_is_no_stream_is_no_operation() -> None:
    good = OPERATIONS[api.GetProof]
    with pytest.raises(ValueError, match="GetProof is no stream"):
        table_of([replace(good, audit=AuditRule.STARTED)])


UNRECORDED: dict[str, set[type[Request]]] = {
    "shows neither mail nor who has any": {
        api.GetStatus, api.GetHealth, api.GetProof, api.GetHistory, api.WatchRuns, api.WatchWork,
        api.GetRefiling, api.GetSetup, api.ListProfiles, api.ShowProfile, api.GetSettings,
        api.ListRules, api.GetCheckpoint, api.VerifyCheckpoint,
    },
    "tries values without keeping them, and fetches no mail": {
        api.CheckProfile, api.CheckSettings, api.CheckSetup, api.TestProfile, api.TestNotify,
    },
    "names people, folders and counts; what is in them is recorded when it is read": {
        api.GetTree, api.ListUsers, api.ShowUser, api.ListLogins, api.ListGroups, api.ShowGroup,
    },
    "says what was decided about mail, and reads none of it": {
        api.ListHolds, api.GetErasureCertificate, api.ListSubjects, api.ShowSubject,
        api.ListSubjectDecisions,
    },
    "says who may or could read what, and shows nothing of it": {api.ListAccess, api.GetRightsOf},
    "shows what administrators asked for, and no mail": {api.ListApprovals, api.ShowApproval},
    "shows why items are in quarantine; reading one is recorded": {api.ListQuarantine},
    "reads the trail itself, where each page would make the next one longer": {api.GetAudit},
    "writes its own event, with what was said": {api.AffirmSetup},
    "keeps a token of a mailbox outside the archive": {api.SignIn},
    "makes the vault, so there is no trail before it": {api.Init},
}  # fmt: skip
"""Requests that the audit trail does not record, by the reason."""


def test_each_request_that_changes_or_reads_mail_is_recorded() -> None:
    silent = {kind for kind, one in OPERATIONS.items() if one.audit is AuditRule.NEVER}
    listed = [kind for kinds in UNRECORDED.values() for kind in kinds]
    assert silent == set(listed)
    assert len(listed) == len(set(listed))


def test_work_is_in_the_audit_trail_with_its_options(house: House, tmp_path: Path) -> None:
    boss = Caller(0, 0, 1, "root")
    target, profile = str(tmp_path / "backup"), ClientSession(house.folder).settings().profiles[0].name
    (item,) = (row.sha.hex() for row in house.vault.catalog.quarantine())
    for request in (
        api.Verify(deep=True), api.Backup(path=target), api.RetryQuarantine(ids=(item,)),
        api.Rebuild(index=False), api.Run(profile=profile),
    ):  # fmt: skip
        with suppress(MunimentError):
            house.send(boss, request)
    events = {event.word: event for event in house.trail() if event.event == "started"}
    assert events["Verify"].detail["deep"] is True
    assert events["Backup"].detail["path"] == target
    assert events["RetryQuarantine"].detail["items"] == [item]
    assert events["Rebuild"].detail["catalog"] is True
    assert "index" not in events["Rebuild"].detail
    assert (events["Run"].detail["profile"], events["Run"].who) == (profile, "root")
    assert about(events["Rebuild"]) == "the catalog"
    before = len(house.trail())
    with pytest.raises(UsageError):
        house.send(boss, api.Verify(was=("12",)))
    with pytest.raises(NotFound):
        house.send(boss, api.Run(profile="none"))
    with pytest.raises(NotFound):
        house.send(boss, api.RetryQuarantine(ids=("ab" * 32,)))
    house.send(boss, api.CancelRun())
    assert len(house.trail()) == before, "nothing was started"


def test_work_starts_after_its_event_or_is_recorded_at_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault that can't be written may be what the work repairs."""
    kept: list[str] = []

    def begin(session: ClientSession, request: api.Verify) -> Iterator[WireWord]:
        kept.extend(event.word for event in house.trail() if event.event == "started")
        monkeypatch.undo()
        yield api.Step(text="done")

    table: dict[Any, Any] = OPERATIONS
    boss, request = Caller(0, 0, 1, "root"), api.Verify(was=(f"7:{'ab' * 32}",))
    for broken in (False, True):
        known = len([event for event in house.trail() if event.event == "started"])
        monkeypatch.setitem(table, api.Verify, replace(OPERATIONS[api.Verify], handler=begin))
        if broken:
            monkeypatch.setattr(type(house.vault), "log", lambda *_: refuse())
        kept.clear()
        house.send(boss, request)
        assert len(kept) == known + (not broken)
        after = [event for event in house.trail() if event.event == "started"]
        assert len(after) == known + 1
        assert after[0].detail["was"] == list(request.was)


def test_work_whose_client_leaves_is_recorded_as_soon_as_that_is_possible(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(session: ClientSession, request: api.Verify) -> Iterator[WireWord]:
        yield api.Step(text="one")
        yield api.Step(text="two")

    table: dict[Any, Any] = OPERATIONS
    monkeypatch.setitem(table, api.Verify, replace(OPERATIONS[api.Verify], handler=begin))
    was = (f"9:{'cd' * 32}",)
    with monkeypatch.context() as patch:
        patch.setattr(type(house.vault), "log", lambda *_: refuse())
        session = ClientSession(house.folder, house.vault, Caller(0, 0, 1, "root"))
        words = guard.stream(session, api.Verify(was=was))
        next(words)
        words.close()  # type: ignore[attr-defined]
    assert next(event.detail["was"] for event in house.trail() if event.word == "Verify") == list(was)


def refuse() -> None:
    raise VaultError("the disk is full")


def test_two_operations_of_one_request_are_refused() -> None:
    good = OPERATIONS[api.Search]
    with pytest.raises(ValueError, match="two operations answer Search"):
        table_of([good, good])


@pytest.mark.parametrize("kind", request_types())
def test_each_request_is_refused_below_its_role(kind: type[Request]) -> None:
    needed = {
        f.name: ("x",) if "tuple" in str(f.type) else "x" for f in msgspec.structs.fields(kind) if f.required
    }
    request = kind(**needed)
    least = OPERATIONS[kind].role
    settings = Settings(access=AccessSection(auditors=("audrey",), users={"bob": "bob@example.com"}))
    with pytest.raises(AccessRefused, match=r"ask root"):
        authorise(STRANGER, request, least, settings, 0)
    for caller, role in ((BOB, AccessRole.USER), (AUDITOR, AccessRole.AUDITOR)):
        if least > role:
            with pytest.raises(AccessRefused, match=r"ask root"):
                authorise(caller, request, least, settings, 0)
        else:
            assert authorise(caller, request, least, settings, 0) is role
    assert authorise(Caller(0, 0, 1, "root"), request, least, settings, 61_000) is AccessRole.ADMINISTRATOR


def test_a_request_without_a_least_role_is_refused_to_everybody() -> None:
    unknown = type("Unknown", (), {})()
    with pytest.raises(AccessRefused):
        authorise(Caller(0, 0, 1, "root"), unknown, None, Settings(), 0)


def attempts(house: House, target: Path) -> Iterator[Request]:
    """Every request, with many values of its fields."""
    ids = [*house.ids.values(), *(one[:8] for one in house.ids.values()), "00000000", "f" * 64, "", "zz"]
    ids += [row.sha.hex() for row in house.vault.catalog.quarantine()]
    ids += [*(own := house.own(BOB)).values(), *house.own(CAROL).values()]
    users = ["", "carol@example.com", "CAROL@example.com", "catch-all", "eve@example.com", "bob@example.com"]
    queries = [
        "", "xyzzycarol", "-plughbob", "bcc:eve@example.com", "to:eve@example.com", "to:example.com",
        "user:carol@example.com", "-user:carol@example.com", "(a OR user:eve@example.com)", "in:inbox",
        "-in:inbox", "bcc:eve", "cc:hiddenlist@example.com", "from:anna", f"id:{house.ids['xyzzycarol']}",
    ]  # fmt: skip
    yield from (
        api.GetStatus(),
        api.GetHealth(),
        api.GetTree(),
        api.ListUsers(),
        api.ListQuarantine(),
        api.GetAudit(),
    )
    yield from (api.ListProfiles(), api.GetHistory(), api.WatchRuns(), api.Verify(), api.GetSetup())
    yield api.Backup(path=str(target / "backup"))
    yield from (api.ListHolds(), api.CountHold(name="xyzzycarol"), api.ReportHeld(), api.ListHeld())
    yield api.PlaceHold(name="bob", reason="mine", everything=True)
    yield api.ReleaseHold(name="xyzzycarol", reason="mine")
    yield from (api.ListApprovals(), api.ShowApproval(id="3"), api.AnswerApproval(id="3", answer="approve"))
    yield api.RelaxApprovals(act="hold release", reason="mine")
    yield from (api.GetErasureCertificate(name="xyzzycarol"), api.CheckErasure(ids=("xyzzycarol",)))
    yield api.Erase(ids=("xyzzycarol",), basis="mine")
    yield from (api.OpenSubject(people=(user,), reason="mine", texts=("xyzzycarol",)) for user in users)
    yield from (api.ListSubjects(closed=True), api.ShowSubject(name="xyzzycarol"))
    yield from (api.ListSubjectMessages(name="xyzzycarol"), api.ListSubjectDecisions(name="xyzzycarol"))
    yield api.DecideSubject(name="xyzzycarol", decision="include", reason="mine", rest=True)
    yield api.PackageSubject(name="xyzzycarol", path=str(target / "person.zip"), undecided="include")
    yield api.CloseSubject(name="xyzzycarol")
    yield from (api.ShowUser(user=user) for user in users)
    yield from (
        api.ListMessages(user=user, folder=folder, limit=limit)
        for user, folder, limit in product(users, ("Inbox", "Sent", "inbox", "nowhere"), (1, 50))
    )
    yield from (
        api.Search(query=query, user=user, limit=limit, by_relevance=best)
        for query, user, limit, best in product(queries, users, (1, 1000), (False, True))
    )
    yield from (
        api.Search(query=query, user=user, oldest_first=True, around=around)
        for query, user, around in product(queries, users, (None, EPOCH))
    )
    yield from (
        api.ListMessages(user=user, folder="Inbox", oldest_first=True, around=around)
        for user, around in product(users, (None, 0, EPOCH, 2**70))
    )
    yield from (
        api.ReadAttachment(id=one, number=n, text=text)
        for one, n, text in product(ids, (0, 1, 2), (False, True))
    )
    for number, user in enumerate(users):
        yield api.Export(query="", user=user, folder="Inbox", path=str(target / f"folder{number}"))
    for number, one in enumerate(ids):
        yield api.Export(query="", ids=(one,), path=str(target / f"one{number}"))
        yield api.Export(query="", ids=(own["plughbob"], one), path=str(target / f"two{number}.zip"))
    yield from (api.Show(id=one) for one in ids)
    whats = ("message", "headers", "report", "quarantine", "other")
    yield from (api.ReadRaw(id=one, what=what, report=1) for one, what in product(ids, whats))
    for number, (query, user, end) in enumerate(product(queries, users, (".zip", ".mbox", ""))):
        yield api.Export(query=query, user=user, path=str(target / f"{number}{end}"))
    for mailbox in ("bob@example.com", "bob@example.com/Inbox", "carol@example.com", "eve@example.com", "x"):
        yield from (api.Restore(to=mailbox, query=query) for query in queries)
        yield from (api.Restore(to=mailbox, ids=(one,)) for one in ids)
        yield api.Restore(to=mailbox, query="plughbob", exact=True)
        yield from (api.Restore(to=mailbox, user=user, folder="Inbox") for user in users)
    for form in ("dat", "csv", "edrm", "gobd", "other"):
        yield api.Export(query="", path=str(target / form), form=form, bates="SPY")
        yield api.Export(query="", path=str(target / f"{form}.zip"), form=form)


def as_text(replies: list[WireWord]) -> str:
    """All replies as text. Chunks are joined, and zips are unpacked."""
    content = b"".join(reply.data for reply in replies if isinstance(reply, api.Chunk))
    rest = [reply for reply in replies if not isinstance(reply, api.Chunk)]
    text = content.decode("latin-1") + json.dumps([msgspec.to_builtins(reply) for reply in rest])
    return text.lower()


def test_no_request_of_a_user_reveals_other_peoples_mail(house: House, tmp_path: Path) -> None:
    answered = refused = 0
    for request in attempts(house, tmp_path):
        try:
            replies = house.send(BOB, request)
        except MunimentError as error:
            refused += 1
            typed = json.dumps(msgspec.to_builtins(request)).lower()
            sentence = str(error).lower()
            assert not [secret for secret in SECRETS if secret in sentence and secret not in typed], request
            continue
        answered += 1
        if isinstance(request, api.Export) and request.path.endswith(".zip"):
            for _ in receive(iter(replies), Path(request.path)):
                pass
            with zipfile.ZipFile(request.path) as file:
                text = b"".join(file.read(name) for name in file.namelist()).decode("latin-1").lower()
        else:
            text = as_text(replies)
        typed = json.dumps(msgspec.to_builtins(request)).lower()
        found = [secret for secret in SECRETS if secret in text and secret not in typed]
        assert not found, (request, found)
        for reply in replies:
            if isinstance(reply, api.Hits):
                assert reply.total <= 2
                assert {hit.subject for hit in reply.hits} <= {"plughbob", "sentbybob"}
                if "xyzzycarol" in typed or "eve" in typed:
                    assert reply.total == 0, request
    assert answered > 50
    assert refused > 100


def test_a_user_reads_their_own_mail(house: House, tmp_path: Path) -> None:
    (tree,) = house.send(BOB, api.GetTree())
    assert isinstance(tree, api.Tree)
    assert {(u.user, f.name, f.count) for u in tree.users for f in u.folders} == {
        ("bob@example.com", "Inbox", 1), ("bob@example.com", "Sent", 1),
    }  # fmt: skip
    (message,) = house.send(BOB, api.Show(id=house.own(BOB)["plughbob"]))
    assert isinstance(message, api.Message)
    assert "for bob" in message.text
    assert message.folders == ("bob@example.com/Inbox",)
    assert [envelope.parties for envelope in message.envelopes] == [(("to", "bob@example.com", ""),)]
    *chunks, note = house.send(BOB, api.ReadRaw(id=house.own(BOB)["plughbob"]))
    raw = b"".join(chunk.data for chunk in chunks if isinstance(chunk, api.Chunk))
    assert raw == TO_BOB.partition(b"\r\n")[2].replace(b"Bcc: eve@example.com\r\n", b"")
    assert message.size == len(raw)
    assert isinstance(note, api.Step)
    assert "left out" in note.text
    target = tmp_path / "mine"
    rest = list(receive(iter(house.send(BOB, api.Export(query="", path=str(target)))), target))
    assert isinstance(rest[-1], api.Done)
    assert len(list(target.glob("*.eml"))) == 2


def test_the_sender_of_a_message_sees_its_bcc_and_finds_it_by_bcc(house: House) -> None:
    (message,) = house.send(BOB, api.Show(id=house.own(BOB)["sentbybob"]))
    assert isinstance(message, api.Message)
    assert ("bcc", "dora@example.com", "") in message.envelopes[0].parties
    assert ("Bcc", "dora@example.com") in message.headers
    (hits,) = house.send(BOB, api.Search(query="bcc:dora@example.com"))
    assert isinstance(hits, api.Hits)
    assert [hit.subject for hit in hits.hits] == ["sentbybob"]


def test_an_id_of_other_mail_gets_the_same_error_as_an_unknown_id(house: House) -> None:
    nobodys = "0123456789abcdef" * 4
    known = (house.ids["xyzzycarol"], house.own(CAROL)["xyzzycarol"], house.ids["plughbob"])
    for theirs, length, make in product(known, (8, 20, 64), (api.Show, api.ReadRaw)):
        sentences = []
        for one in (theirs[:length], nobodys[:length]):
            with pytest.raises(NotFound) as refused:
                house.send(BOB, make(id=one))
            sentences.append(str(refused.value).replace(one, "ID"))
        assert sentences[0] == sentences[1]


def test_every_read_and_every_refusal_is_in_the_audit_trail(house: House) -> None:
    house.send(AUDITOR, api.Show(id=house.ids["xyzzycarol"][:12], reason="case 7"))
    newest = house.vault.catalog.audited(1)[0]  # before anything was flushed
    shown = json.loads(newest.event)
    assert (shown["event"], shown["who"], shown["role"]) == ("read", "audrey", "auditor")
    assert shown["messages"] == [house.ids["xyzzycarol"]]
    assert shown["reason"] == "case 7"
    house.send(AUDITOR, api.ListMessages(user="carol@example.com", folder="Inbox"))
    house.send(AUDITOR, api.Search(query="xyzzycarol"))
    house.send(AUDITOR, api.ReadRaw(id=house.ids["plughbob"], what="report", report=1))
    house.send(BOB, api.Show(id=house.own(BOB)["plughbob"]))
    both = (house.ids["plughbob"], house.ids["xyzzycarol"])
    house.send(AUDITOR, api.Export(query="", ids=both, path="/nowhere/y.zip"))
    (export,) = (one for one in house.trail() if one.word == "Export" and "messages" in one.detail)
    assert export.detail["messages"] == list(both)
    refused = [
        (BOB, api.ListMessages(user="carol@example.com", folder="Inbox")),
        (BOB, api.Show(id=house.ids["xyzzycarol"])),
        (BOB, api.ReadAttachment(id=house.ids["xyzzycarol"], number=1)),
        (BOB, api.GetAudit()),
        (BOB, api.Export(query="user:carol@example.com", path="/nowhere/x.zip")),
        (AUDITOR, api.RunAll()),
        (STRANGER, api.GetTree()),
    ]
    for caller, request in refused:
        with pytest.raises((AccessRefused, NotFound)):
            house.send(caller, request)
    trail = [(one.event, one.who, one.word) for one in reversed(house.trail())]
    expected = [
        *((("read", "audrey", name)) for name in ("ListMessages", "Search", "ReadRaw", "Export")),
        *(("refused", caller.name, type(request).__name__) for caller, request in refused),
    ]
    assert sorted(trail[-len(expected):]) == sorted(expected)  # fmt: skip
    assert ("read", "bob", "Show") not in trail


def test_a_read_that_can_not_be_recorded_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    shown: list[WireWord] = []
    with pytest.raises(OSError, match="No space"):
        shown += house.send(AUDITOR, api.Show(id=house.ids["xyzzycarol"]))
    with pytest.raises(OSError, match="No space"):
        shown += house.send(AUDITOR, api.ReadRaw(id=house.ids["xyzzycarol"]))
    assert shown == []


def test_lists_are_recorded_within_a_second(house: House) -> None:
    house.send(AUDITOR, api.Search(query="within a second"))
    time.sleep(1.0)
    assert json.loads(house.vault.catalog.audited(1)[0].event)["query"] == "within a second"


def test_equal_refusals_are_one_event_with_a_count(house: House) -> None:
    before = len(house.trail())
    for _ in range(50):
        with pytest.raises(AccessRefused):
            house.send(STRANGER, api.ListUsers())
    house.vault.close()
    house.vault = open_vault(house.folder, write=True)
    new = house.trail()[: len(house.trail()) - before]
    assert [one.detail["count"] for one in reversed(new)] == [1, 49]


def test_refusals_of_one_user_can_not_fill_the_ledger(house: House) -> None:
    more = 60
    before = len(house.trail())
    for number in range(audit_trail.DIFFERENT + more):
        with pytest.raises(NotFound):
            house.send(BOB, api.Show(id=f"{number:012x}"))
    with pytest.raises(AccessRefused):
        house.send(CAROL, api.GetAudit())
    house.vault.close()
    house.vault = open_vault(house.folder, write=True)
    new = house.trail()[: len(house.trail()) - before]
    assert len(new) == audit_trail.DIFFERENT + 3  # two for those that were not told apart, and carol's
    assert sum(one.detail["count"] for one in new) == audit_trail.DIFFERENT + more + 1
    assert {one.who for one in new} == {"bob", "carol"}


def test_lists_are_refused_while_the_audit_trail_can_not_be_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()

    def log(*_: object) -> None:
        broken.set()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(house.vault, "log", log)
        house.send(AUDITOR, api.Search(query="before anybody knows"))
        assert broken.wait(10)
        deadline = time.monotonic() + 10
        while not audit_trail.trail_of(house.vault)._failing:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(OSError, match="No space"):
            house.send(AUDITOR, api.Search(query="xyzzycarol"))
    house.send(AUDITOR, api.Search(query="it can be written again"))
    queries = [one.detail.get("query") for one in house.trail()]
    assert {"before anybody knows", "it can be written again"} <= set(queries)


def test_only_the_owner_sees_what_is_wrong_in_vault_toml(house: House) -> None:
    path = house.folder / "vault.toml"
    before = path.read_text()
    path.write_text(before + '\n[profile.secretplace]\nsource = "nonsense"\n')
    try:
        for caller in (BOB, AUDITOR, STRANGER):
            with pytest.raises(AccessRefused, match="only its owner") as refusal:
                house.send(caller, api.GetTree())
            assert "secretplace" not in str(refusal.value)
        with pytest.raises(ConfigError, match="secretplace"):
            house.send(Caller.this_process(), api.GetTree())
    finally:
        path.write_text(before)


def test_a_user_who_forwards_a_message_does_not_see_the_recipients_of_others(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    letter = plain(sender="Anna <anna@example.com>", to=["bob@example.com"], subject="sent on")
    vault.archive(
        [
            report(letter, sender="anna@example.com", recipients=[
                line("To", "bob@example.com"), line("Bcc", "eve@example.com"),
            ]),
            report(fork(letter, 3), sender="bob@example.com", recipients=[line("To", "dora@example.com")]),
        ]
    )  # fmt: skip
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with closing(open_vault(vault.folder, write=True)) as opened:
        house = House(opened, vault.folder, {})
        (shown,) = house.send(BOB, api.Show(id=house.own(BOB)["sent on"]))
    assert "eve@example.com" not in as_text([shown])
    assert "dora@example.com" in as_text([shown])


@pytest.mark.parametrize("path", ["..", "/tmp/..", "/", "a\0b.zip"])
def test_the_path_of_an_export_must_end_in_a_name(house: House, path: str) -> None:
    for caller in (BOB, AUDITOR):
        with pytest.raises(UsageError, match="can't be the name of an export") as refusal:
            house.send(caller, api.Export(query="", path=path))
        assert str(house.folder) not in str(refusal.value)


def test_an_export_does_not_fill_the_vaults_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "disk_usage", lambda folder: SimpleNamespace(free=reading.ROOM - 1))
    with pytest.raises(VaultError, match="too little space"):
        house.send(BOB, api.Export(query="", path="/nowhere/x.zip"))
    assert not list((house.folder / "work").rglob("export-*"))


def test_a_user_has_one_export_at_a_time(house: House) -> None:
    def export(caller: Caller) -> Iterator[WireWord]:
        session = ClientSession(house.folder, house.vault, caller)
        asked = api.Export(query="", path="/nowhere/x.zip")
        return guard.stream(session, asked)

    first = export(BOB)
    next(first)
    with pytest.raises(VaultError, match="under way"):
        next(export(BOB))
    assert next(export(CAROL))
    leave(first)
    written = [path for path in (house.folder / "work").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) < 4096
    assert list(export(BOB))


def test_a_reason_is_required(house: House, made: tuple[Path, dict[str, str]]) -> None:
    path = house.folder / "vault.toml"
    before = path.read_text()
    path.write_text(before.replace("[access]\n", "[access]\nrequire_reason = true\n"))
    try:
        for request in (api.Show(id=house.ids["xyzzycarol"]), api.Search(query="a")):
            with pytest.raises(ReasonNeeded, match="--reason"):
                house.send(AUDITOR, request)
        assert house.send(AUDITOR, api.Show(id=house.ids["xyzzycarol"], reason="case 8"))
        assert house.send(BOB, api.Show(id=house.own(BOB)["plughbob"]))
    finally:
        path.write_text(before)


def test_a_proof_is_for_auditors_and_recorded_even_of_their_own_mail(house: House, tmp_path: Path) -> None:
    """It has the reports, which name Bcc recipients. It is sent: the caller is not this process's user."""
    own = house.own(BOB)["plughbob"]
    for id_ in (own, house.ids["plughbob"]):
        with pytest.raises(AccessRefused):
            house.send(BOB, api.Prove(id=id_, path=str(tmp_path / "bob.zip")))
    path = house.folder / "vault.toml"
    before = path.read_text()
    path.write_text(before.replace("[access.users]\n", '[access.users]\naudrey = "bob@example.com"\n'))
    try:
        words = house.send(
            AUDITOR, api.Prove(id=house.ids["plughbob"], path="/nowhere/p.zip", reason="case 9")
        )
    finally:
        path.write_text(before)
    assert isinstance(words[-1], api.Done)
    list(receive(iter(words), tmp_path / "p.zip"))
    with zipfile.ZipFile(tmp_path / "p.zip") as packed:
        assert packed.read("message.eml") == TO_BOB
        reads = [packed.read(name).decode() for name in packed.namelist() if name.startswith("reads/")]
    assert any("case 9" in read and "Prove" in read for read in reads), "the file names its own event"
    made = next(event for event in house.trail() if event.word == "Prove" and event.event == "read")
    assert made.detail["messages"] == [house.ids["plughbob"]]
    assert about(made) == f"{house.ids['plughbob'][:12]}; to /nowhere/p.zip"


def test_a_call_sent_as_a_stream_is_refused_and_recorded(house: House) -> None:
    """A plain user sends a call as a stream, and a stream as a call."""
    session = ClientSession(house.folder, house.vault, BOB)
    requests = [
        api.Export(query="", path="/tmp/never-made/x.zip"),
        api.Show(id=house.ids["plughbob"]),
    ]
    for request in requests:
        wrong: Any = guard.call if OPERATIONS[type(request)].streams else guard.stream
        with pytest.raises(AccessRefused, match="can't be requested in this way"):
            list(wrong(session, request))
    refused = [event for event in house.trail() if event.event == "refused"]
    assert {type(request).__name__ for request in requests} <= {event.word for event in refused}


def test_a_hold_is_shown_to_auditors_and_never_to_plain_users(house: House) -> None:
    owner = Caller.this_process()
    house.send(owner, api.PlaceHold(name="secret", reason="inquiry", everything=True))
    (shown,) = house.send(AUDITOR, api.Show(id=house.ids["plughbob"]))
    assert isinstance(shown, api.Message)
    assert [one.name for one in shown.holds] == ["secret"]
    (own,) = house.send(BOB, api.Show(id=house.own(BOB)["plughbob"]))
    assert isinstance(own, api.Message)
    assert own.holds == ()
    (status,) = house.send(BOB, api.GetStatus())
    assert isinstance(status, api.Status)
    assert (status.holds, status.approvals) == (0, 0)
    house.send(owner, api.ReleaseHold(name="secret", reason="over"))
