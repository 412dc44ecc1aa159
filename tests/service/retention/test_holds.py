"""Legal holds through the engine: placed, counted, shown at each message, reported and released."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.retention.holds import holds_on
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound, QueryError, UsageError
from support.reports import plain, report
from support.vaults import TestVault


def archive(vault: TestVault, subject: str, sender: str, *to: str, body: str = "x\n") -> None:
    original = plain(sender=sender, to=to, subject=subject, body=body)
    vault.archive([report(original, sender=sender, recipients=to)], journal=True)


def fill(vault: TestVault) -> None:
    vault.client.call(api.AddUser(name="Anna", addresses=("anna@example.com", "a@corp.net")), api.Done)
    archive(vault, "plum", "anna@example.com", "x@else.org", body="a plum pie\n")
    archive(vault, "pear", "x@else.org", "bob@example.com")
    archive(vault, "both", "anna@example.com", "bob@example.com")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    fill(made)
    yield made
    made.client.close()


def place(vault: TestVault, name: str, reason: str = "lawsuit", **more: Any) -> api.HoldWord:
    fields = {name: more.pop(name) for name in ("case", "everything", "check") if name in more}
    mail = api.MailCriteria(**more)
    return vault.client.call(api.PlaceHold(name=name, reason=reason, mail=mail, **fields), api.HoldWord)


def count(vault: TestVault, name: str) -> api.HoldCountWord:
    *_, found = vault.client.stream(api.CountHold(name=name))
    assert isinstance(found, api.HoldCountWord)
    return found


def held(vault: TestVault) -> dict[str, list[str]]:
    """The open holds over each message, by subject."""
    words = list(vault.client.stream(api.ListHeld()))
    return {
        word.subject: [one.name for one in word.holds] for word in words if isinstance(word, api.HeldMessage)
    }


def test_a_hold_is_counted(vault: TestVault) -> None:
    place(vault, "Anna", case="7", people=("anna@example.com",))
    place(vault, "Pie", query="plum")
    found = count(vault, "anna")
    assert (found.mail.messages, found.alone, found.mail.unsure) == (2, 1, 0)
    assert found.others == {"Pie": 1}
    assert [(one.user, one.mail.messages) for one in found.people] == [
        ("anna@example.com", 2), ("bob@example.com", 1),
    ]  # fmt: skip
    assert (found.hold.case, found.hold.released) == ("7", 0)
    hits = {hit.subject: hit for hit in vault.messages()}
    dates = sorted((hits["plum"].date, hits["both"].date))
    assert [found.mail.oldest, found.mail.newest] == dates
    assert found.mail.bytes == hits["plum"].size + hits["both"].size
    with pytest.raises(NotFound):
        count(vault, "ann")


def test_a_hold_covers_mail_that_comes_later(vault: TestVault) -> None:
    place(vault, "Anna", people=("anna@example.com",))
    archive(vault, "late", "y@else.org", "a@corp.net")
    vault.rebuild()
    assert held(vault) == {"plum": ["Anna"], "both": ["Anna"], "late": ["Anna"]}
    vault.sound()


def test_holds_are_shown_at_each_message_they_cover(vault: TestVault) -> None:
    ids = {hit.subject: hit.id for hit in vault.messages()}
    assert vault.show(ids["plum"]).holds == ()
    first = place(vault, "Anna", case="7", people=("anna@example.com",))
    place(vault, "Pie", query="plum")
    decided = vault.client.call(api.ReleaseHold(name="ANNA", reason="settled"), api.Decided)
    assert decided.approval == ""
    assert "The hold Anna is released" in decided.message
    old, now = vault.show(ids["plum"]).holds
    assert (old.name, old.case, old.since, now.name, now.until) == ("Anna", "7", first.placed, "Pie", 0)
    assert old.until >= old.since
    assert vault.show(ids["pear"]).holds == ()


def test_a_released_name_can_be_used_again(vault: TestVault) -> None:
    first = place(vault, "Anna", people=("anna@example.com",))
    with pytest.raises(UsageError, match="open already"):
        place(vault, "ANNA", query="plum")
    vault.client.call(api.ReleaseHold(name="Anna", reason="settled", number=first.number), api.Decided)
    with pytest.raises(NotFound, match="released"):
        vault.client.call(api.ReleaseHold(name="Anna", reason="settled"), api.Decided)
    second = place(vault, "Anna", query="plum")
    with pytest.raises(NotFound, match="placed again"):
        vault.client.call(api.ReleaseHold(name="Anna", reason="x", number=first.number), api.Decided)
    listed = vault.client.call(api.ListHolds(released=True), api.Holds)
    assert [(one.number, bool(one.released)) for one in listed.holds] == [
        (second.number, False), (first.number, True),
    ]  # fmt: skip
    assert (listed.total, listed.open, listed.holds[1].release_reason) == (2, 1, "settled")


def test_lists_are_paged(vault: TestVault) -> None:
    for number in range(5):
        place(vault, f"h{number}", query="plum")
    names, before = [], 0
    while True:
        page = vault.client.call(api.ListHolds(limit=2, before=before), api.Holds)
        assert (page.total, page.open) == (5, 5)
        names.append([one.name for one in page.holds])
        before = page.after
        if not before:
            break
    assert names == [["h4", "h3"], ["h2", "h1"], ["h0"]]


def test_a_dry_run_records_nothing(vault: TestVault) -> None:
    made = place(vault, "Anna", people=("anna@example.com",), check=True)
    assert (made.number, made.mail) == (-1, "mail of anna@example.com")
    assert vault.client.call(api.ListHolds(released=True), api.Holds).total == 0


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({}, UsageError, "no criterion"),
        ({"everything": True, "query": "plum"}, UsageError, "all mail"),
        ({"query": '"plum'}, QueryError, "closed"),
        ({"people": ("nobody",)}, NotFound, "no user"),
        ({"since": "soon"}, UsageError, "not a date"),
    ],
)
def test_a_wrong_hold_is_refused(vault: TestVault, more: dict[str, Any], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        place(vault, "x", **more)


def test_everything_can_be_held(vault: TestVault) -> None:
    assert place(vault, "All", everything=True).mail == "all mail"
    *_, found = vault.client.stream(api.ReportHeld())
    assert isinstance(found, api.HeldReport)
    assert (found.examined, found.mail.messages, found.holds[0].alone) == (3, 3, 3)


def test_a_report_counts_each_message_once(vault: TestVault) -> None:
    place(vault, "Anna", people=("anna@example.com",))
    place(vault, "Bob", people=("bob@example.com",))
    *_, found = vault.client.stream(api.ReportHeld())
    assert isinstance(found, api.HeldReport)
    assert found.mail.messages == 3
    assert [(one.hold.name, one.mail.messages, one.alone) for one in found.holds] == [
        ("Anna", 2, 1), ("Bob", 2, 1),
    ]  # fmt: skip


def test_what_erasure_asks(vault: TestVault) -> None:
    place(vault, "Anna", case="7", people=("anna@example.com",))
    opened = open_vault(vault.folder, write=False)
    rows = opened.catalog.messages_after(-1, 10)
    found = holds_on(opened, rows)
    assert {row.subject: found.get(row.sequence) for row in rows} == {
        "plum": ("held by Anna (case 7)",), "pear": None, "both": ("held by Anna (case 7)",),
    }  # fmt: skip
    vault.client.call(api.ReleaseHold(name="Anna", reason="settled"), api.Decided)
    opened.close()
    opened = open_vault(vault.folder, write=False)
    assert holds_on(opened, rows) == {}
    opened.close()


def test_sealed_mail_is_held_but_neither_counted_nor_listed_for_who_may_not_open_it(
    vault: TestVault,
) -> None:
    place(vault, "All", everything=True)
    place(vault, "Pear", query="pear")
    vault.client.call(
        api.SealMail(user="bob@example.com", logins=("carla",), reason="works council"), api.Done
    )
    *listed, end = vault.client.stream(api.ListHeld())
    assert [(one.subject, one.sender) for one in listed if isinstance(one, api.HeldMessage)] == [
        ("plum", "anna@example.com")
    ]
    assert end == api.HeldEnd(messages=1, sealed=1)
    found = count(vault, "All")
    assert (found.mail.messages, found.alone, found.sealed) == (1, 1, 1)
    assert [one.user for one in found.people] == ["anna@example.com"]
    assert count(vault, "Pear").mail == api.MailCountWord(messages=0, bytes=0), "its query says nothing"
    *_, report_ = vault.client.stream(api.ReportHeld())
    assert isinstance(report_, api.HeldReport)
    assert (report_.mail.messages, report_.examined, report_.sealed) == (1, 3, 1)
    opened = open_vault(vault.folder, write=False)
    held_now = holds_on(opened, opened.catalog.messages_after(-1, 10))
    assert len(held_now) == 3, "all of it is held"
    opened.close()
