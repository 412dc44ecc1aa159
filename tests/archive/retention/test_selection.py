"""Selections: what was typed becomes a record, and the record says which mail it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.retention.coverage import (
    BEHIND,
    NO_QUERY,
    PARTLY_READ,
    UNTRUSTED,
    MessagePage,
    SelectionMatch,
    covers,
    pages,
)
from muniment.archive.retention.selected_people import MOVED
from muniment.archive.retention.selection import (
    MailSelection,
    describe,
    read_selection,
    selection_of,
    selection_value,
)
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError, NotFound, QueryError, UsageError, VaultError
from muniment.mail.notes import OPAQUE
from support.reports import plain, report
from support.vaults import TestVault, put
from support.wrapped import enclosing, enveloped

NOW = 1_800_000_000
INSIDE, OUTSIDE = ("anna@example.com", "bob@example.com"), ("one@else.org", "two@rival.org")
MAILS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "out": ("anna@example.com", ["one@else.org"], {}),
    "in": ("two@rival.org", ["bob@example.com"], {"attachments": [("Report Q3.PDF", b"%PDF-1.4 x")]}),
    "internal": ("anna@example.com", ["bob@example.com"], {"body": "a plum pie\n"}),
    "notes": ("one@else.org", ["two@rival.org"], {"attachments": [("pdf notes.docx", b"x"), ("a.b", b"")]}),
    "mixed": ("anna@example.com", ["bob@example.com", "one@else.org"], {"body": "x" * 40_000}),
    "strange": ("one@else.org", ["two@rival.org"], {"attachments": [("list.csv", b"a,b")]}),
}


def fill(vault: TestVault) -> None:
    vault.client.call(api.AddUser(name="Anna", addresses=("anna@example.com",)), api.Done)
    for subject, (sender, to, more) in MAILS.items():
        original = plain(sender=sender, to=to, subject=subject, **more)
        deliver(vault, f"from-{subject}", report(original, sender=sender, recipients=to), journal=True)
    personal = plain(sender="one@else.org", to=["list@else.org"], subject="personal")
    deliver(vault, "bobs", personal, owner="bob@example.com", journal=False)


def deliver(vault: TestVault, profile: str, message: bytes, **fields: Any) -> None:
    put(vault.maildir(profile, **fields), [message])
    vault.run(profile)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    made = TestVault(tmp_path_factory.mktemp("selection") / "vault")
    fill(made)
    with closing(open_vault(made.folder, write=False)) as opened:
        yield opened


def select(vault: Vault, **criteria: Any) -> MailSelection:
    return selection_of(vault.directory, now=NOW, **criteria)


def found(vault: Vault, **criteria: Any) -> set[str]:
    return sure(vault, select(vault, **criteria))[0]


def sure(vault: Vault, selection: MailSelection) -> tuple[set[str], dict[str, str]]:
    """The subjects of what is certainly selected, and of what may be with the reason."""
    selection = read_selection(json.loads(json.dumps(selection_value(selection))))
    match, certain, possible = SelectionMatch(vault, selection), set[str](), dict[str, str]()
    for page in pages(vault, 2):
        subjects = {row.sequence: row.subject for row in page.rows}
        coverage = match.coverage(page)
        certain |= {subjects[number] for number in coverage.certain}
        possible |= {subjects[number]: why for number, why in coverage.possible.items()}
        assert coverage.numbers == {*coverage.certain, *coverage.possible}
    return certain, possible


ALL = {*MAILS, "personal"}


@pytest.mark.parametrize(
    ("criteria", "subjects"),
    [
        ({}, ALL),
        ({"people": ("anna@example.com",)}, {"out", "internal", "mixed"}),
        ({"people": ("Anna@Example.com", "two@rival.org")}, ALL - {"personal"}),
        ({"people": ("bob@example.com",)}, {"in", "internal", "mixed", "personal"}),
        ({"people": ("bob@example.com",), "folders": ("inbox",)}, {"in", "internal", "mixed", "personal"}),
        ({"people": ("anna@example.com",), "folders": ("inbox",)}, set()),
        ({"folders": ("Sent Items",)}, {*MAILS}),
        ({"domains": ("@RIVAL.org",)}, {"in", "strange", "notes"}),
        ({"domains": ("rival.org",), "people": ("bob@example.com",)}, {"in"}),
        ({"direction": "in"}, {"in", "personal"}),
        ({"direction": "out"}, {"out", "mixed"}),
        ({"direction": "internal"}, {"internal"}),
        ({"profiles": ("from-in", "bobs")}, {"in", "personal"}),
        ({"profiles": ("other",)}, set()),
        ({"least": 30_000}, {"mixed"}),
        ({"most": 30_000}, ALL - {"mixed"}),
        ({"attachments": True}, {"in", "strange", "notes"}),
        ({"attachments": False}, ALL - {"in", "strange", "notes"}),
        ({"kinds": ("*.pdf",)}, {"in"}),
        ({"kinds": ("pdf", ".CSV")}, {"in", "strange"}),
        ({"kinds": ("docx",)}, {"notes"}),
        ({"kinds": ("b",)}, {"notes"}),
        ({"kinds": ("notes",)}, set()),
        ({"query": "plum"}, {"internal"}),
        ({"query": "-plum subject:internal"}, set()),
        ({"query": "plum OR filename:report", "people": ("anna@example.com",)}, {"internal"}),
    ],
)  # fmt: skip
def test_each_criterion_selects_its_mail(vault: Vault, criteria: dict[str, Any], subjects: set[str]) -> None:
    assert found(vault, **criteria) == subjects


def test_dates_are_those_of_receipt(vault: Vault) -> None:
    rows = [row for page in pages(vault) for row in page.rows]
    last = max(row.received for row in rows)
    assert last > max(row.date for row in rows) + 1000  # the dates of the mail are years older
    assert found(vault, since=last + 1) == set()
    assert found(vault, until=last + 1) == ALL
    assert found(vault, since=last, until=last + 1) == {row.subject for row in rows if row.received == last}


@pytest.mark.parametrize(
    ("criteria", "error"),
    [
        ({"people": ("Nobody",)}, NotFound),
        ({"people": ("catch-all",)}, UsageError),
        ({"domains": ("a@b",)}, UsageError),
        ({"direction": "up"}, UsageError),
        ({"kinds": ("..",)}, UsageError),
        ({"least": 5, "most": 4}, UsageError),
        ({"least": -1}, UsageError),
        ({"since": 5, "until": 5}, UsageError),
        ({"attachments": False, "kinds": ("pdf",)}, UsageError),
        ({"folders": (" ",)}, UsageError),
        ({"query": "user:anna@example.com plum"}, UsageError),
        ({"query": "a OR (b -in:inbox)"}, UsageError),
        ({"query": '"open'}, QueryError),
    ],
)
def test_what_cannot_be_used_is_refused(
    vault: Vault, criteria: dict[str, Any], error: type[MunimentError]
) -> None:
    with pytest.raises(error):
        select(vault, **criteria)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value | {"new": 1},
        lambda value: value | {"people": [{"name": "x", "power": 1}]},
        lambda value: value | {"least": "5"},
        lambda value: value | {"query": None},
    ],
)
def test_a_record_is_read_strictly(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with pytest.raises(VaultError, match="newer"):
        read_selection(change({"query": "plum"}))


def test_it_is_said_in_words(vault: Vault) -> None:
    selection = select(
        vault, people=("anna@example.com", "x@else.org"), domains=("rival.org",), direction="out",
        folders=("Inbox",), profiles=("gw",), least=1, most=2048, kinds=("pdf", "csv"), since=0,
        until=86_460, query="plum pie",
    )  # fmt: skip
    assert describe(selection) == (
        "mail of anna@example.com or x@else.org, with an address in rival.org, outgoing, in the folder "
        "Inbox, fetched by gw, of at least 1 B, of at most 2.0 kB, with a file that ends in .pdf or .csv, "
        "received from 1970-01-01 and before 1970-01-02 00:01, found by 'plum pie'"
    )
    assert describe(select(vault)) == "all mail"
    assert select(vault).everything
    assert not selection.everything


def test_days_of_a_query_are_those_of_the_record(vault: Vault) -> None:
    # The mail is of 2023-11-14, 22:13 UTC, which is the 15th in Tokyo.
    in_utc = selection_of(vault.directory, now=NOW, query="on:2023-11-14")
    in_tokyo = selection_of(vault.directory, now=NOW, query="on:2023-11-14", zone="Asia/Tokyo")
    ago = selection_of(vault.directory, now=1_700_000_000 + 7 * 86_400, query="after:8d")
    assert sure(vault, in_utc) == (ALL, {})
    assert sure(vault, in_tokyo) == (set(), {})
    assert sure(vault, ago) == (ALL, {})


def test_a_query_of_another_release_may_find_everything(vault: Vault) -> None:
    for selection in (MailSelection(query="(("), MailSelection(query="on:today", zone="Nowhere/Else")):
        assert sure(vault, selection) == (set(), dict.fromkeys(ALL, NO_QUERY))


# --- changes after the record -----------------------------------------------------------------------------


@pytest.fixture
def changing(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.client.call(api.AddUser(name="Anna", addresses=("anna@example.com", "a@corp.net")), api.Done)
    made.client.call(api.AddUser(name="Bob", addresses=("bob@example.com",)), api.Done)
    return made


def mail(vault: TestVault, subject: str, sender: str, *to: str, **more: Any) -> None:
    original = plain(sender=sender, to=to, subject=subject)
    vault.archive([report(original, sender=sender, recipients=to, **more)], journal=True)


def recorded(vault: TestVault, **criteria: Any) -> MailSelection:
    with closing(open_vault(vault.folder, write=False)) as opened:
        return select(opened, **criteria)


def now(vault: TestVault, selection: MailSelection) -> tuple[set[str], dict[str, str]]:
    with closing(open_vault(vault.folder, write=False)) as opened:
        return sure(opened, selection)


def test_a_removed_user_stays_selected(changing: TestVault) -> None:
    selection = recorded(changing, people=("anna@example.com",))
    mail(changing, "old", "x@else.org", "a@corp.net")
    changing.client.call(api.RemoveUser(user="anna@example.com"), api.Done)
    mail(changing, "new", "x@else.org", "anna@example.com")
    assert now(changing, selection) == ({"old", "new"}, {})


def test_an_alias_added_later_is_selected_and_stays_so(changing: TestVault) -> None:
    selection = recorded(changing, people=("anna@example.com",))
    mail(changing, "alias", "x@else.org", "late@corp.net")
    assert now(changing, selection) == (set(), {})
    changing.client.call(api.AddUser(name="Anna", addresses=("anna@example.com", "late@corp.net")), api.Done)
    assert now(changing, selection) == ({"alias"}, {})
    changing.client.call(api.RemoveUser(user="anna@example.com", alias="late@corp.net"), api.Done)
    assert now(changing, selection) == (set(), {"alias": MOVED})


def test_a_moved_address_stays_selected(changing: TestVault) -> None:
    selection = recorded(changing, people=("anna@example.com",))
    mail(changing, "before", "x@else.org", "a@corp.net", date=1_600_000_000)
    mail(changing, "after", "x@else.org", "a@corp.net", date=1_700_000_000)
    changing.client.call(
        api.AddUser(name="Bob", addresses=("bob@example.com", "a@corp.net"), since="2022-01-01"), api.Done
    )
    assert now(changing, selection) == ({"before"}, {"after": MOVED})
    changing.client.call(api.AddUser(name="Bob", addresses=("bob@example.com", "a@corp.net")), api.Done)
    certain, possible = now(changing, selection)
    assert certain | {*possible} == {"before", "after"}


def test_mail_to_an_address_with_a_tag_is_selected(changing: TestVault) -> None:
    selection = recorded(changing, people=("anna@example.com",))
    mail(changing, "tagged", "x@else.org", "anna+shop@example.com")
    assert now(changing, selection) == ({"tagged"}, {})


def test_a_direction_keeps_what_it_selected(changing: TestVault) -> None:
    incoming, internal = recorded(changing, direction="in"), recorded(changing, direction="internal")
    mail(changing, "in", "x@else.org", "a@corp.net")
    assert now(changing, incoming) == ({"in"}, {})
    assert now(changing, internal) == (set(), {})
    changing.client.call(api.PutSettings(values={"domains": ["else.org"]}), api.Done)
    assert now(changing, incoming) == (set(), {"in": MOVED})
    assert now(changing, internal) == (set(), {"in": MOVED})


def test_what_the_index_lacks_may_be_selected(changing: TestVault) -> None:
    mail(changing, "plum", "x@else.org", "a@corp.net")
    mail(changing, "pear", "x@else.org", "bob@example.com")
    selection = recorded(changing, query="plum", people=("anna@example.com", "bob@example.com"))
    assert now(changing, selection) == ({"plum"}, {})
    with closing(open_vault(changing.folder, write=False)) as opened:
        rows = [row for page in pages(opened) for row in page.rows]
        opened.index_place.close()
        for path in sorted((changing.folder / "index").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        coverage = covers(opened, selection, rows)
    assert coverage.certain == frozenset()
    assert {row.subject: coverage.possible[row.sequence] for row in rows} == dict.fromkeys(
        ("plum", "pear"), BEHIND
    )


def test_mail_that_cannot_be_read_may_be_selected(changing: TestVault) -> None:
    encrypted = enclosing(enveloped(), "application/pkcs7-mime", "smime.p7m")
    changing.archive([report(encrypted)], journal=True)
    mail(changing, "open", "x@else.org", "a@corp.net")
    assert now(changing, recorded(changing, query="plum")) == (set(), {"outer": PARTLY_READ})
    assert now(changing, recorded(changing, query="subject:outer")) == ({"outer"}, {})
    assert now(changing, recorded(changing, query="-plum")) == ({"open"}, {"outer": PARTLY_READ})
    assert now(changing, recorded(changing, query="outer", people=("bob@example.com",)))[0] == {"outer"}


@pytest.mark.parametrize(
    "criteria",
    [
        {"people": ("anna@example.com",)}, {"domains": ("corp.net",)}, {"folders": ("Sent",)},
        {"direction": "in"}, {"profiles": ("other",)}, {"attachments": True}, {"attachments": False},
    ],
    ids=["people", "domain", "folder", "direction", "profile", "files", "no files"],
)  # fmt: skip
@pytest.mark.parametrize("lost", [False, True], ids=["unreadable", "without a copy"])
def test_mail_whose_envelope_could_not_be_read_may_be_anybodys(
    changing: TestVault, criteria: dict[str, Any], lost: bool
) -> None:
    mail(changing, "unknown", "x@else.org", "bob@example.com")
    with closing(open_vault(changing.folder, write=False)) as opened:
        (page,) = pages(opened)
        unread = MessagePage(opened, [replace(page.rows[0], notes=(OPAQUE,))])
        unread.mentions = {}
        if lost:
            unread.profiles = {}
        coverage = SelectionMatch(opened, select(opened, **criteria)).coverage(unread)
        (number,) = (row.sequence for row in unread.rows)
        doubtful = lost or "profiles" not in criteria
        assert (coverage.certain, set(coverage.possible)) == (frozenset(), {number} if doubtful else set())


def test_an_envelope_that_is_not_trusted_may_be_right(changing: TestVault) -> None:
    original = plain(sender="x@else.org", to=["anna@example.com"], subject="forged")
    changing.archive(
        [report(original, recipients=["anna@example.com"])], journal=True, tenant="someone@else.example"
    )
    for criteria in ({"people": ("anna@example.com",)}, {"domains": ("example.com",)}):
        assert now(changing, recorded(changing, **criteria)) == (set(), {"forged": UNTRUSTED})
