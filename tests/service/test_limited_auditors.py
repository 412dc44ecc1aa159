"""Auditors with limits: what they read, and that other mail makes no difference to any answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment import api
from muniment.api import Request, WireWord
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
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
from muniment.service.access.roles import AccessRole, Caller
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.limited import ANSWERS
from muniment.service.operations.audit import list_audit
from support.asking import answers
from support.reports import line, plain, report
from support.vaults import TestVault, put

ROOT, TAX, BOB, CARL = (
    Caller(uid, uid, 1, name)
    for uid, name in ((0, "root"), (61_000, "tax"), (61_001, "bob"), (61_002, "carl"))
)
INSIDE = {
    "in1": ("ada@example.com", 2024, ""), "in2": ("ada@example.com", 2025, "dora@example.com"),
    "in3": ("ada@example.com", 2024, ""),
}  # fmt: skip
"""Messages within each of the limits below: recipient, year and a Bcc."""
OUTSIDE = {
    "out1": ("bob@example.com", 2020), "out2": ("zoe@example.com", 2019), "out3": ("bob@example.com", 2031),
    "out4": ("council@example.com", 2024), "out5": ("eve@else.example", 2021),
}  # fmt: skip
"""Messages outside each of them. The council's mail is sealed."""
DATES = api.MailLimitsWord(since="2024", until="2025")
LIMITS = {
    "people": api.MailLimitsWord(people=("ada@example.com",)),
    "group": api.MailLimitsWord(groups=("board",)),
    "dates": DATES,
    "case": api.MailLimitsWord(case="7 O 1"),
    "all": api.MailLimitsWord(
        people=("ada@example.com",), groups=("board",), since="2024", until="2025", case="7 o 1"
    ),
}
ALL_MAIL = {**{name: (to, year) for name, (to, year, _) in INSIDE.items()}, **OUTSIDE}


def mail(name: str) -> bytes:
    to, year, hidden = (*ALL_MAIL[name], "") if name in OUTSIDE else INSIDE[name]
    at = int(datetime(year, 6, 1, tzinfo=UTC).timestamp())
    written = plain(
        sender="x@else.org", to=[to], subject=f"{name} word", body=f"text of {name} apple\n", date=at,
        bcc=[hidden] if hidden else [], attachments=[(f"{name}.txt", name.encode() * 9)],
        message_id=f"<{name}@else.org>", headers=["References: <root@else.org>"],
    )  # fmt: skip
    parties = [line("To", to), *([line("Bcc", hidden)] if hidden else [])]
    return report(written, sender="x@else.org", recipients=parties, date=at)


@dataclass
class House:
    """A vault that is open as in a service."""

    vault: Vault
    folder: Path

    def send(self, caller: Caller, request: Request) -> list[WireWord]:
        return answers(ClientSession(self.folder, self.vault, caller), request)

    def ask(self, caller: Caller, request: Request) -> Any:
        (reply,) = self.send(caller, request)
        return reply

    def subjects(self, caller: Caller, query: str = "", user: str = "") -> set[str]:
        found = self.ask(caller, api.Search(query=query, user=user, limit=100))
        assert found.total == len(found.hits)
        return {hit.subject.split()[0] for hit in found.hits}

    def grant(self, limits: api.MailLimitsWord, login: str = "tax", **more: str) -> str:
        self.ask(ROOT, api.GrantAccess(login=login, limits=limits, reason="audit", **more))
        return str(self.ask(ROOT, api.ListAccess()).grants[-1].id)

    def trail(self) -> list[api.AuditEvent]:
        audit_trail.trail_of(self.vault)._flush()
        return list(list_audit(ClientSession(self.folder, self.vault), api.GetAudit(limit=10_000)).events)


def made(folder: Path, names: tuple[str, ...]) -> House:
    vault = TestVault(folder)
    vault.client.call(api.AddUser(name="Ada", addresses=("ada@example.com", "a.q@example.com")), api.Done)
    vault.client.call(api.JoinGroup(group="board", members=("ada@example.com",)), api.Decided)
    of = api.MailCriteria(people=("ada@example.com",))
    vault.client.call(api.PlaceHold(name="h", reason="r", case="7 O 1", mail=of), api.HoldWord)
    new = vault.maildir("gw", journal=True)
    put(new, map(mail, names))
    vault.run("gw")
    if "out4" in names:
        vault.client.call(api.PlaceHold(name="secret", reason="r", case="9", everything=True), api.HoldWord)
        vault.client.call(
            api.SealMail(user="council@example.com", logins=("carl",), reason="council"), api.Done
        )
    with (vault.folder / "vault.toml").open("a") as file:
        file.write('\n[access.users]\nbob = "bob@example.com"\n')
    with ClientSession(vault.folder).writing():
        pass
    vault.client.close()
    return House(open_vault(folder, write=True), folder)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    """Two vaults with the same mail within the limits; the second has other mail before and between."""
    few = made(tmp_path_factory.mktemp("few") / "vault", tuple(INSIDE))
    more = ("out1", "in1", "out2", "out3", "in2", "out4", "in3", "out5")
    many = made(tmp_path_factory.mktemp("many") / "vault", more)
    yield few, many
    few.vault.close()
    many.vault.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = made(tmp_path / "vault", ("out1", "in1", "out2", "in2", "out4", "in3"))
    yield one
    one.vault.close()


def ids_of(house: House) -> dict[str, str]:
    rows = house.vault.catalog.messages_after(-1, 100)
    return {row.subject.split()[0]: row.sha.hex() for row in rows}


def attempts(ids: dict[str, str]) -> Iterator[Request]:
    """Requests about what is within and outside the limits, and about what there is not."""
    yield from (api.GetStatus(), api.GetHealth(), api.GetTree(), api.ListUsers())
    yield api.AskAccess(user="nobody@example.com", reason="x", until="2099-01-01")
    names = [
        "ada@example.com", "a.q@example.com", "bob@example.com", "zoe@example.com", "council@example.com",
        "nobody@example.com", "catch-all", "eve@else.example", "",
    ]  # fmt: skip
    yield from (api.ShowUser(user=name) for name in names)
    yield from (
        api.ListMessages(user=name, folder=folder) for name, folder in product(names, ("Inbox", "Sent", "No"))
    )
    years = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2025, 2040)]
    yield from (
        api.ListMessages(user=name, folder="inbox", limit=1, oldest_first=oldest, around=around)
        for name, oldest, around in product(names[:3], (False, True), (None, *years))
    )
    every = [*ids.values(), ids["in1"][:9], ids["out1"][:9], "f" * 64, "f" * 9, "zz"]
    queries = [
        "", "apple", "-apple", "in:inbox", "in:nowhere", "-in:inbox", "bcc:dora@example.com", "larger:1k",
        "group:board", "group:none", "from:else.org", "before:2024", "(apple OR out1)", "nothing",
        *(f"user:{name}" for name in names[:-1]), *(f"-user:{name}" for name in names[:-1]),
        *(f"id:{one}" for one in every[:-1]), *(f"thread:{one[:12]}" for one in ids.values()),
        "thread:out1@else.org", "msgid:out1@else.org", "thread:root@else.org",
    ]  # fmt: skip
    yield from (api.Search(query=query, limit=10) for query in queries)
    yield from (api.Search(query="apple", user=name, by_relevance=True) for name in names)
    yield from (api.Search(query="apple OR text", limit=1, by_relevance=best) for best in (False, True))
    yield from (api.Search(query="", limit=1, oldest_first=True, around=year) for year in years)
    yield from (api.Show(id=one) for one in every)
    yield from (
        api.ReadRaw(id=one, what=what, report=1) for one, what in product(every, ("message", "report"))
    )
    yield from (api.ReadRaw(id=one, what=what) for one, what in product(every[:3], ("headers", "quarantine")))
    yield from (api.ReadAttachment(id=one, number=number) for one, number in product(every, (1,)))
    yield from (api.Export(query="", ids=(one,), path="out") for one in every)
    yield from (
        api.Export(query=query, path="out") for query in ("", "apple", "group:board", "from:else.org")
    )
    yield from (api.Export(query="", user=name, folder="Inbox", path="out") for name in names)
    yield from (api.Export(query="apple", user=name, path="out") for name in names)
    yield api.Export(query="", path="out", form="dat")


UNEQUAL = {
    "made", "tree_size", "root", "checkpoint", "sequence", "owner", "owner_pid", "owner_since", "since",
    "vault",
}  # fmt: skip
"""What differs by the ledger's size, or by time."""


def outcome(house: House, request: Request) -> Any:
    """What an auditor with limits learns by a request, in a form that can be compared."""
    try:
        replies = house.send(TAX, request)
    except MunimentError as error:
        return type(error).__name__, str(error)
    if isinstance(request, api.AskAccess):
        return "asked"  # the answer has a random id
    files: dict[str, bytes] = {}
    words, name = [], ""
    for reply in replies:
        if isinstance(reply, api.ExportFile):
            name = reply.name
        elif isinstance(reply, api.Chunk):
            files[name] = files.get(name, b"") + reply.data
        elif not isinstance(reply, api.Step) or not isinstance(request, api.Export):
            words.append(comparable(msgspec.to_builtins(reply)))
    return words, {name: manifest(data) if "manifest" in name else data for name, data in files.items()}


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: comparable(one) for key, one in value.items() if key not in UNEQUAL}
        return found | {key: bool(value[key]) for key in ("after", "before") if key in value}
    return [comparable(one) for one in value] if isinstance(value, list | tuple) else value


def manifest(data: bytes) -> Any:
    return [comparable(json.loads(one)) for one in data.decode().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dates", "case", "all"])
def test_no_answer_depends_on_mail_outside_the_limits(houses: tuple[House, House], kind: str) -> None:
    few, many = houses
    grants = [(house, house.grant(LIMITS[kind])) for house in houses]
    ids = ids_of(many)
    asked, answered = set(), 0
    for request in attempts(ids):
        one, other = outcome(few, request), outcome(many, request)
        if isinstance(request, api.AskAccess):
            few.ask(ROOT, api.AnswerApproval(id=approval(few), answer="refuse", reason="no"))
            many.ask(ROOT, api.AnswerApproval(id=approval(many), answer="refuse", reason="no"))
        assert one == other, request
        asked.add(type(request))
        answered += not isinstance(one, tuple) or not isinstance(one[0], str)
    assert asked == set(ANSWERS)
    assert answered > 60
    for house, grant in grants:
        house.ask(ROOT, api.RevokeAccess(id=grant, reason="over"))
        with pytest.raises(AccessRefused, match="may not use this vault"):
            house.ask(TAX, api.GetTree())


def approval(house: House) -> str:
    return str(house.ask(ROOT, api.ListApprovals()).approvals[0].id)


NOT_ANSWERED = {api.Restore}
"""Requests for plain users that limits do not answer: mail is put into a mailbox by who may read it there."""


def test_every_request_for_plain_users_has_its_answer_with_limits_and_all_others_are_refused() -> None:
    users = {kind for kind, one in OPERATIONS.items() if one.role is AccessRole.USER}
    assert set(ANSWERS) | NOT_ANSWERED == users
    assert not NOT_ANSWERED & set(ANSWERS)


def refused_requests(id_: str) -> list[Request]:
    return [
        api.GetAudit(), api.ReportHeld(), api.ListAccess(), api.Prove(id=id_, path="p.zip"), api.ListHolds(),
        api.ListQuarantine(), api.GetReaders(id=id_), api.ListGroups(), api.ShowRetention(id=id_),
        api.GetRightsOf(who="tax"), api.CountHold(name="h"), api.SimulateRetention(),
        api.Restore(ids=(id_,), to="ada@example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", LIMITS)
def test_an_auditor_with_limits_reads_as_an_auditor_within_them(house: House, kind: str) -> None:
    grant, ids = house.grant(LIMITS[kind]), ids_of(house)
    assert house.subjects(TAX) == set(INSIDE)
    assert house.subjects(TAX, "apple", "ada@example.com") == set(INSIDE)
    trees = {user.user: user.folders for user in house.ask(TAX, api.GetTree()).users}
    assert [(one.name, one.count) for one in trees["ada@example.com"]] == [("Inbox", 3)]
    page = house.ask(TAX, api.ListMessages(user="ada@example.com", folder="Inbox", limit=2))
    rest = house.ask(TAX, api.ListMessages(user="ada@example.com", folder="Inbox", after=page.after))
    assert (page.total, rest.total, rest.after) == (3, 3, "")
    assert {hit.id for hit in (*page.hits, *rest.hits)} == {ids[name] for name in INSIDE}
    shown = house.ask(TAX, api.Show(id=ids["in2"]))
    assert "dora@example.com" in {address for word in shown.envelopes for _, address, _ in word.parties}
    assert {one.name for one in shown.holds} <= {"h"}
    raw = b"".join(
        one.data for one in house.send(TAX, api.ReadRaw(id=ids["in1"])) if isinstance(one, api.Chunk)
    )
    assert b"text of in1 apple" in raw
    event = next(one for one in house.trail() if one.word == "ReadRaw")
    assert (event.who, event.role, event.detail["grant"]) == ("tax", "auditor", grant)
    assert event.detail["messages"] == [ids["in1"]]
    files = [
        one.name
        for one in house.send(TAX, api.Export(query="apple", path="o"))
        if isinstance(one, api.ExportFile)
    ]
    assert len(files) == 4
    for refused in refused_requests(ids["in1"]):
        with pytest.raises(AccessRefused, match="an auditor with limits may not do this"):
            house.send(TAX, refused)


def test_people_of_a_limit_are_read_in_all_years_and_dates_of_all_people(house: House) -> None:
    house.grant(api.MailLimitsWord(people=("bob@example.com", "zoe@example.com"), since="2020"))
    assert house.subjects(TAX) == {"out1"}
    house.grant(api.MailLimitsWord(until="2019"))
    assert house.subjects(TAX) == {"out1", "out2"}, "one right or the other is enough"
    assert {user.user for user in house.ask(TAX, api.ListUsers()).users} == {
        "bob@example.com",
        "zoe@example.com",
    }


def test_a_seal_wins_over_limits_but_for_logins_that_it_names(house: House) -> None:
    house.grant(DATES)
    house.grant(DATES, login="carl")
    assert house.subjects(TAX) == set(INSIDE)
    assert house.subjects(CARL) == {*INSIDE, "out4"}
    council = ids_of(house)["out4"]
    with pytest.raises(NotFound):
        house.ask(TAX, api.Show(id=council))
    assert house.ask(CARL, api.Show(id=council)).id == council


def test_who_leaves_a_group_is_not_read_any_more_and_who_joins_is_at_once(house: House) -> None:
    house.grant(api.MailLimitsWord(groups=("board",)))
    house.ask(ROOT, api.JoinGroup(group="board", members=("bob@example.com", "zoe@example.com")))
    house.ask(ROOT, api.AddUser(name="Zoe", addresses=("zoe@example.com",)))
    assert house.subjects(TAX) == set(INSIDE)  # an address is no person
    house.ask(ROOT, api.JoinGroup(group="board", members=("zoe@example.com",)))
    assert house.subjects(TAX) == {*INSIDE, "out2"}
    house.ask(ROOT, api.LeaveGroup(group="board", members=("ada@example.com",)))
    assert house.subjects(TAX) == {"out2"}
    with pytest.raises(NotFound):
        house.ask(TAX, api.ListMessages(user="ada@example.com", folder="Inbox"))


def test_the_end_of_a_case_ends_its_mail(house: House) -> None:
    house.grant(api.MailLimitsWord(case="7 O 1"))
    assert house.subjects(TAX) == set(INSIDE)
    house.ask(ROOT, api.ReleaseHold(name="h", reason="settled"))
    assert house.subjects(TAX) == set()


def test_a_removed_person_is_not_read_under_an_id_that_is_used_again(house: House) -> None:
    house.grant(LIMITS["people"])
    house.ask(ROOT, api.GrantAccess(login="carl", user="ada@example.com", reason="leave"))
    assert house.subjects(CARL) == set(INSIDE)
    house.ask(ROOT, api.RemoveUser(user="ada@example.com"))
    time.sleep(1.1)  # grants and users are dated by seconds
    house.ask(ROOT, api.AddUser(name="Other", addresses=("ada@example.com",)))
    assert house.subjects(TAX) == set()
    with pytest.raises(AccessRefused):
        house.ask(CARL, api.Search(query=""))


def test_own_mail_stays_readable_beside_limits(house: House) -> None:
    house.grant(LIMITS["people"], login="bob")
    assert house.subjects(BOB) == set(INSIDE)
    assert house.subjects(BOB, user="bob@example.com") == {"out1"}
    users = [user.user for user in house.ask(BOB, api.GetTree()).users]
    assert users == ["bob@example.com", "ada@example.com"]
    (own,) = house.ask(BOB, api.Search(query="", user="bob@example.com")).hits
    assert own.id != ids_of(house)["out1"], "it has a public id"
    assert house.ask(BOB, api.Show(id=own.id)).id == own.id
    assert house.ask(BOB, api.Show(id=ids_of(house)["in1"])).id == ids_of(house)["in1"]
    with pytest.raises(NotFound):
        house.ask(BOB, api.Show(id=ids_of(house)["out1"]))
    assert house.ask(BOB, api.GetStatus()).messages == 1


def test_a_reason_is_needed_where_reasons_are(house: House) -> None:
    house.grant(LIMITS["people"])
    text = (
        (house.folder / "vault.toml")
        .read_text()
        .replace("[access.users]", "[access]\nrequire_reason = true\n[access.users]")
    )
    (house.folder / "vault.toml").write_text(text)
    with pytest.raises(ReasonNeeded):
        house.ask(TAX, api.Search(query=""))
    assert house.ask(TAX, api.Search(query="", reason="audit")).total == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limits": api.MailLimitsWord()}, "at least one limit"),
        ({"limits": DATES, "user": "ada@example.com"}, "one of these"),
        ({"limits": DATES, "group": "board"}, "one of these"),
        ({}, "one of these"),
        ({"limits": api.MailLimitsWord(since="2025", until="2024")}, "before it ends"),
        ({"limits": api.MailLimitsWord(since="soon")}, "no day"),
        ({"limits": api.MailLimitsWord(case="x" * 99)}, "case number"),
        ({"limits": api.MailLimitsWord(people=("nobody@example.com",))}, "no user"),
        ({"limits": api.MailLimitsWord(groups=("none",))}, "no group"),
        ({"group": "none"}, "no group"),
        ({"group": "board", "login": "group:none"}, "no group"),
    ],
)
def test_what_is_no_limit_is_refused(house: House, more: dict[str, Any], said: str) -> None:
    before = house.vault.head
    with pytest.raises((UsageError, NotFound), match=said):
        house.ask(ROOT, api.GrantAccess(**({"login": "tax", "reason": "x"} | more)))
    assert house.vault.head == before


def test_a_right_is_listed_in_words_and_given_once(house: House) -> None:
    grant = house.grant(LIMITS["all"], until="2099-12-31")
    with pytest.raises(UsageError, match="already"):
        house.grant(LIMITS["all"], until="2099-12-31")
    (word,) = house.ask(ROOT, api.ListAccess()).grants
    assert (word.id, word.person, word.group) == (grant, "", "")
    assert word.limits == (
        "mail of ada@example.com or the group board, dated from 2024-01-01, dated before 2026-01-01, "
        "held for case 7 o 1"
    )
    event = next(one for one in house.trail() if one.word == "GrantAccess")
    assert event.detail["limits"]["groups"] == ["board"]


def test_limits_of_who_reads_everything_have_no_effect_and_the_answer_says_so(house: House) -> None:
    text = (
        (house.folder / "vault.toml")
        .read_text()
        .replace("[access.users]", '[access]\nauditors = ["tax"]\n[access.users]')
    )
    (house.folder / "vault.toml").write_text(text)
    said = house.ask(ROOT, api.GrantAccess(login="tax", limits=DATES, reason="x")).message
    assert "the limits have no effect until that line is removed" in said
    assert house.subjects(TAX) > set(INSIDE)


# --- groups in grants -------------------------------------------------------------------------------


def test_a_grant_on_a_group_opens_the_mail_of_its_members_as_they_read_it(house: House) -> None:
    house.ask(ROOT, api.GrantAccess(login="carl", group="Board", reason="deputy"))
    assert house.subjects(CARL) == set(INSIDE)
    ids = ids_of(house)
    hit = house.ask(CARL, api.Search(query="subject:in2")).hits[0]
    assert hit.id not in ids.values()
    assert "Bcc" not in dict(house.ask(CARL, api.Show(id=hit.id)).headers)
    house.ask(ROOT, api.LeaveGroup(group="board", members=("ada@example.com",)))
    with pytest.raises(AccessRefused):
        house.ask(CARL, api.Search(query=""))


def test_members_of_a_group_read_by_a_grant_to_it_and_no_one_else(house: House) -> None:
    house.ask(ROOT, api.AddUser(name="Bob", addresses=("bob@example.com",)))
    house.ask(ROOT, api.BindLogins(logins=("bob",)))
    house.ask(ROOT, api.JoinGroup(group="Legal", members=("zoe@example.com",)))
    house.ask(ROOT, api.GrantAccess(login="group:legal", user="ada@example.com", reason="case"))
    with pytest.raises(AccessRefused):
        house.ask(BOB, api.Search(query="", user="ada@example.com"))
    house.ask(ROOT, api.JoinGroup(group="legal", members=("bob@example.com",)))
    assert house.subjects(BOB, user="ada@example.com") == set(INSIDE)
    with pytest.raises(AccessRefused):
        house.ask(CARL, api.Search(query="", user="ada@example.com"))
    (reader,) = [one for one in house.ask(ROOT, api.GetRightsOf(who="bob")).readers if one.right == "grant"]
    assert (reader.person, reader.group) == ("ada@example.com", "Legal")
    house.ask(ROOT, api.LeaveGroup(group="legal", members=("bob@example.com",)))
    with pytest.raises(AccessRefused):
        house.ask(BOB, api.Search(query="", user="ada@example.com"))


def test_joining_a_group_with_rights_needs_a_second_person_where_a_grant_does(house: House) -> None:
    house.ask(ROOT, api.GrantAccess(login="carl", group="board", reason="deputy"))
    text = (house.folder / "vault.toml").read_text()
    text = text.replace("[access.users]", '[access]\nadministrators = ["bob", "ines"]\n[access.users]')
    (house.folder / "vault.toml").write_text(text + '\n[approvals]\nneed = ["access grant"]\n')
    house.ask(ROOT, api.AddUser(name="Bob", addresses=("bob@example.com",)))
    house.ask(ROOT, api.BindLogins(logins=("bob",)))
    assert house.ask(ROOT, api.JoinGroup(group="other", members=("bob@example.com",))).approval == ""
    asked = house.ask(ROOT, api.JoinGroup(group="board", members=("bob@example.com", "zoe@example.com")))
    assert asked.approval
    assert house.subjects(CARL) == set(INSIDE)
    with pytest.raises(ConfigError, match="needs a second person"):
        house.ask(ROOT, api.ImportGroups(text="group,member\nBoard,bob@example.com\n"))
    answer = api.AnswerApproval(id=asked.approval, answer="approve")
    with pytest.raises(VaultError, match="does not add their own login"):
        house.ask(BOB, answer)
    assert "board" in house.ask(Caller(61_009, 61_009, 1, "ines"), answer).message
    assert house.ask(ROOT, api.ShowGroup(group="board")).count == 3
    house.ask(ROOT, api.LeaveGroup(group="board", members=("bob@example.com",)))  # needs no one


# --- who could read on a day ------------------------------------------------------------------------


def rights(house: House, id_: str, on: str = "") -> dict[str, str]:
    found = house.ask(ROOT, api.GetReaders(id=id_, on=on)).readers
    return {one.login: one.right for one in found if one.right not in ("owner", "own mail")}


def test_who_could_read_follows_limits_groups_and_cases(house: House) -> None:
    ids = ids_of(house)
    house.grant(api.MailLimitsWord(groups=("board",)), login="g")
    house.grant(DATES, login="d")
    house.grant(api.MailLimitsWord(case="7 O 1"), login="c")
    house.grant(api.MailLimitsWord(people=("bob@example.com",), since="2021"), login="p")
    house.ask(ROOT, api.GrantAccess(login="m", group="board", reason="x"))
    assert rights(house, ids["in1"]) == {**dict.fromkeys("gdc", "limited auditor"), "m": "grant"}
    assert rights(house, ids["out1"]) == {}
    assert rights(house, ids["out4"]) == {"d": "limited auditor"}, "the seal is not a whole day old"
    assert rights(house, ids["in1"], "yesterday") == {}
    house.ask(ROOT, api.ReleaseHold(name="h", reason="x"))
    house.ask(ROOT, api.LeaveGroup(group="board", members=("ada@example.com",)))
    assert set(rights(house, ids["in1"])) == set("gdcm"), "a right at some moment of the day counts"
    of = house.ask(ROOT, api.GetRightsOf(who="d")).readers
    assert [(one.right, one.limits) for one in of] == [
        ("limited auditor", "mail dated from 2024-01-01, dated before 2026-01-01")
    ]
    about = {one.login for one in house.ask(ROOT, api.GetRightsOf(who="bob@example.com")).readers}
    assert {"d", "c", "p"} <= about
    assert not {"g", "m"} & about


def test_a_hold_on_a_group_counts_for_a_day_that_began_without_the_group(house: House) -> None:
    house.ask(ROOT, api.JoinGroup(group="late", members=("ada@example.com",)))
    of = api.MailCriteria(groups=("late",))
    house.ask(ROOT, api.PlaceHold(name="by group", reason="r", case="8", mail=of))
    house.grant(api.MailLimitsWord(case="8"))
    assert rights(house, ids_of(house)["in1"]) == {"tax": "limited auditor"}
    assert rights(house, ids_of(house)["out1"]) == {}
