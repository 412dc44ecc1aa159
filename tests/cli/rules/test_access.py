"""access list, grant, revoke, seal, unseal, could-read, of."""

from __future__ import annotations

import json
from typing import Any

from muniment.api import (
    AccessRights,
    AskAccess,
    Decided,
    Done,
    GetReaders,
    GetRightsOf,
    GrantAccess,
    GrantWord,
    ListAccess,
    MailLimitsWord,
    Readers,
    ReaderWord,
    Request,
    RevokeAccess,
    SealMail,
    SealWord,
    UnsealMail,
)
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

DONE = Done(message="Done.")
SEAL = SealWord(person="ada@quill.example", logins=("carla", "dan"), since=86_400, reason="Council")
RIGHTS = AccessRights(
    owner="archive", administrators=("ines",), auditors=("audrey",), users=(("bob", "bob@quill.example"),),
    grants=(
        GrantWord(
            id="3f9ac07e", login="ben", person="ada@quill.example", since=1, until=172_800, reason="Leave",
            by="ines",
        ),
        GrantWord(
            id="aaaa0000", login="eve", person="bob@quill.example", since=1, reason="Case", ended=86_400,
            active=False,
        ),
    ),
    seals=(SEAL,),
)  # fmt: skip
READERS = Readers(
    start=0, end=86_400,
    readers=(
        ReaderWord(login="root", right="owner"),
        ReaderWord(
            login="ben", right="grant", person="ada@quill.example", since=60, grant="3f9ac07e", reason="Leave"
        ),
    ),
    sealed=(SEAL,), people=("ada@quill.example",), archived=60, gaps=("nothing is recorded before",),
)  # fmt: skip


def test_rights_are_listed_with_their_source_and_end() -> None:
    out = invoke(EngineDouble({ListAccess: RIGHTS}), "access", "list", "--all").out
    rows = [line.split() for line in out.splitlines()]
    assert ["archive", "everything", "owner", "of", "the", "vault"] in rows
    assert ["audrey", "everything", "vault.toml", "auditor"] in rows
    assert ["ben", "ada@quill.example", "grant", "3f9ac07e", "1970-01-03", "00:00", "Leave"] in rows
    assert ["eve", "bob@quill.example", "grant", "aaaa0000", "1970-01-02", "00:00", "over:", "Case"] in rows
    assert "Sealed: only carla, dan may open the mail of ada@quill.example" in out


def test_rights_as_json_have_all_fields() -> None:
    found = json.loads(invoke(EngineDouble({ListAccess: RIGHTS}), "access", "list", "--json").out)
    assert set(found) == {"owner", "administrators", "auditors", "users", "grants", "seals"}
    assert found["grants"][0]["until"] == 172_800


def test_each_change_is_passed_on_with_its_reason() -> None:
    kinds: tuple[type[Request], ...] = (GrantAccess, RevokeAccess, SealMail, UnsealMail, AskAccess)
    waits = Decided(message="Done.", approval="aa")
    answers: dict[type[Request], Any] = dict.fromkeys(kinds, waits)
    double = EngineDouble(answers | {RevokeAccess: DONE, SealMail: DONE})
    for words in (
        "grant ben ada@quill.example --until 2027-03-31 --reason Leave",
        "revoke 3f9a --reason Back",
        "seal ada@quill.example --only carla --only dan --reason Council",
        "unseal ada@quill.example --reason Over",
        "ask ada@quill.example --until 2027-03-31 --reason Offer",
    ):
        assert invoke(double, "access", *words.split()).out == "Done.\n"
    assert [type(one) for one in double.asked] == list(kinds)
    granted, revoked, sealed, lifted, asked = double.asked
    assert isinstance(granted, GrantAccess)
    assert (granted.login, granted.user, granted.until, granted.reason) == (
        "ben", "ada@quill.example", "2027-03-31", "Leave",
    )  # fmt: skip
    assert revoked == RevokeAccess(id="3f9a", reason="Back")
    assert sealed == SealMail(user="ada@quill.example", logins=("carla", "dan"), reason="Council")
    assert lifted == UnsealMail(user="ada@quill.example", reason="Over")
    assert isinstance(asked, AskAccess)
    assert (asked.user, asked.until, asked.reason) == ("ada@quill.example", "2027-03-31", "Offer")


def test_a_change_without_a_reason_is_refused() -> None:
    for words in ("grant ben ada", "revoke 3f9a", "seal ada --only x", "unseal ada", "ask ada --until x"):
        assert invoke(EngineDouble(), "access", *words.split()).code == 2


def test_who_could_read_is_a_table_with_seals_and_gaps() -> None:
    double = EngineDouble({GetReaders: READERS, GetRightsOf: READERS})
    for words in (("could-read", "3f9ac07e"), ("of", "ada@quill.example")):
        out = invoke(double, "access", *words, "--on", "2027-02-01").out
        rows = [line.split() for line in out.splitlines()]
        assert "In the folders of: ada@quill.example" in out
        assert ["root", "owner", "everybody"] in rows
        assert ["ben", "grant", "3f9ac07e", "ada@quill.example", "1970-01-01", "00:01", "Leave"] in rows
        assert "Note: nothing is recorded before." in out
    assert {one.on for one in double.asked if isinstance(one, GetReaders | GetRightsOf)} == {"2027-02-01"}
    found = json.loads(invoke(double, "access", "could-read", "3f9ac07e", "--json").out)
    assert found["readers"][1]["grant"] == "3f9ac07e"


def test_hostile_names_and_reasons_are_harmless() -> None:
    seal = SealWord(person=HOSTILE, logins=(HOSTILE,), since=1, reason=HOSTILE)
    rights = AccessRights(
        owner=HOSTILE,
        grants=(GrantWord(id="3f9ac07e", login=HOSTILE, person=HOSTILE, since=1, reason=HOSTILE),),
        seals=(seal,),
    )
    assert_shown_harmlessly(invoke(EngineDouble({ListAccess: rights}), "access", "list").out)
    readers = Readers(
        start=0, end=1, people=(HOSTILE,), sealed=(seal,),
        readers=(ReaderWord(login=HOSTILE, right="grant", person=HOSTILE, reason=HOSTILE),),
    )  # fmt: skip
    assert_shown_harmlessly(
        invoke(EngineDouble({GetReaders: readers}), "access", "could-read", "3f9ac07e").out
    )


def test_limits_and_groups_are_passed_on() -> None:
    double = EngineDouble({GrantAccess: Decided(message="Done.")})
    why = ("--reason", "x")
    assert invoke(double, "access", "grant", "ben", "--group", "board", *why).code == 0
    limits = (
        "--people",
        "ada, bob",
        "--group",
        "g",
        "--group",
        "h",
        "--from",
        "2024",
        "--to",
        "2026",
        "--case",
        "7",
    )
    assert (
        invoke(double, "access", "grant", "tax", "--as", "auditor", *limits, "--until", "2027", *why).code
        == 0
    )
    word = MailLimitsWord(people=("ada", "bob"), groups=("g", "h"), since="2024", until="2026", case="7")
    assert double.asked == [
        GrantAccess(login="ben", group="board", reason="x"),
        GrantAccess(login="tax", limits=word, until="2027", reason="x"),
    ]


def test_options_that_do_not_fit_are_refused() -> None:
    for words in (
        ("ada", "--case", "7"), ("--group", "g", "--group", "h"), ("ada", "--as", "auditor", "--case", "7"),
    ):  # fmt: skip
        double = EngineDouble({})
        assert invoke(double, "access", "grant", "ben", *words, "--reason", "x").code == 2
        assert double.asked == []


def test_limits_and_groups_are_listed() -> None:
    grants = (
        GrantWord(id="a" * 8, login="tax", person="", since=1, reason="Audit", limits="mail held for case 7"),
        GrantWord(id="b" * 8, login="group:legal", person="", since=1, reason="Case", group="board"),
    )
    out = invoke(EngineDouble({ListAccess: AccessRights(owner="o", grants=grants)}), "access", "list").out
    assert "mail held for case 7" in out
    assert "the group board" in out
    reader = ReaderWord(
        login="tax", right="limited auditor", grant="a" * 8, limits="mail held for case 7", group="legal",
        reason="Audit",
    )  # fmt: skip
    double = EngineDouble({GetRightsOf: Readers(start=0, end=1, readers=(reader,))})
    out = " ".join(invoke(double, "access", "of", "tax").out.split())
    assert "mail held for case 7" in out
    assert "by the group legal: Audit" in out
