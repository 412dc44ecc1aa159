"""People by all spellings of their addresses, through a whole vault: folders, lists, searches, users."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import json_record
from muniment.archive.vault.open_vault import open_vault
from muniment.people import changes
from support.cases import cases_dir
from support.reports import plain, report
from support.vaults import TestVault

UNICODE, ENCODED = "info@m\u00fcnchen.example", "info@xn--mnchen-3ya.example"
SPELLINGS = (
    UNICODE,
    ENCODED,
    "Info@M\u00dcNCHEN.example",
    "INFO@XN--MNCHEN-3YA.EXAMPLE.",
    '"info"@m\u00fcnchen.example',
)


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault", domains=("contoso.com",))


def case(name: str) -> bytes:
    return (cases_dir() / name).read_bytes()


def add(vault: TestVault, name: str, *addresses: str) -> None:
    vault.client.call(api.AddUser(name=name, addresses=addresses), api.Done)


def subjects(vault: TestVault, query: str, user: str = "") -> set[str]:
    return {hit.subject for hit in vault.search(query, user)}


def listed(vault: TestVault, user: str, folder: str) -> list[api.Hit]:
    return list(vault.client.call(api.ListMessages(user=user, folder=folder), api.Hits).hits)


def test_a_whole_mailbox_in_an_encoded_word_is_filed_found_and_shown(vault: TestVault) -> None:
    vault.archive([case("a-whole-encoded.eml")], journal=True)
    assert vault.tree() == {"anna.s@contoso.com": {"Sent": 1}, "bob@contoso.com": {"Inbox": 1}}
    (hit,) = listed(vault, "bob@contoso.com", "Inbox")
    assert hit.sender == "Anna Sch\u00f6n <anna.s@contoso.com>"
    assert hit.to == "Bob Gr\u00f6\u00dfe <bob@contoso.com>"
    for query in (
        "to:bob@contoso.com",
        "from:anna.s@contoso.com",
        "from:contoso.com",
        "user:bob@contoso.com",
        "from:Sch\u00f6n",
    ):
        assert subjects(vault, query) == {"a whole encoded"}, query
    vault.sound()


def test_a_name_that_looks_like_an_address_is_neither_filed_nor_found(vault: TestVault) -> None:
    name = "=?utf-8?q?Bob_=3Cbob=40contoso.com=3E=2C?="
    vault.archive([plain(to=[f"{name} <mallory@evil.example>"], sender="eve@evil.example")], journal=True)
    assert vault.tree() == {"catch-all": {"Inbox": 1}}
    assert not subjects(vault, "to:bob@contoso.com")
    assert subjects(vault, "to:mallory@evil.example")


@pytest.mark.parametrize("registered", [UNICODE, ENCODED])
def test_a_person_with_an_international_domain_has_all_their_mail(vault: TestVault, registered: str) -> None:
    add(vault, "Info", registered)
    mails = [case("journal/j-idn-puny.eml")]
    for number, spelling in enumerate(SPELLINGS):
        mails.append(
            report(
                plain(subject=f"to {number}", to=[spelling]), recipients=[spelling], sender="anna@contoso.com"
            )
        )
        mail = plain(subject=f"from {number}", sender=f"Joerg <{spelling}>", to=["x@y.example"])
        mails.append(report(mail, recipients=["x@y.example"], sender=spelling))
    vault.archive(mails, journal=True)
    count = len(SPELLINGS)
    assert vault.tree()[UNICODE] == {"Inbox": count + 1, "Sent": count}
    received, sent = {f"to {n}" for n in range(count)}, {f"from {n}" for n in range(count)}
    for spelling in SPELLINGS[1:4]:  # quotes belong to the query language
        host = spelling.rpartition("@")[2]
        assert {hit.subject for hit in listed(vault, spelling, "Sent")} == sent
        assert subjects(vault, f"to:{spelling}") == received | {"j idn-puny"}
        assert subjects(vault, f"from:{spelling}") == sent
        assert subjects(vault, f"from:{host}") == sent
        assert subjects(vault, f"to:@{host}") == received | {"j idn-puny"}
        assert subjects(vault, f"user:{spelling}") == received | sent | {"j idn-puny"}
        assert subjects(vault, "in:sent", spelling) == sent
        assert received | sent <= subjects(vault, host.rstrip(".")), "as words"
        assert vault.client.call(api.ShowUser(user=spelling), api.UserWord).user == UNICODE
    hit = next(hit for hit in vault.messages() if hit.subject == "from 1")
    assert hit.sender == f"Joerg <{UNICODE}>"
    shown = dict(vault.show(hit.id).headers)
    assert shown["From"] == f"Joerg <{UNICODE}>"
    assert ENCODED.encode() in vault.raw(hit.id)
    if registered == ENCODED:
        vault.rebuild()
        assert vault.tree()[UNICODE] == {"Inbox": count + 1, "Sent": count}
        vault.sound()


def test_a_domain_in_a_text_is_found_by_either_spelling(vault: TestVault) -> None:
    bodies = {"unicode": f"write to {UNICODE} soon", "encoded": f"write to {ENCODED} soon"}
    vault.archive([plain(subject=subject, body=body) for subject, body in bodies.items()])
    for query in (
        "m\u00fcnchen.example",
        "xn--mnchen-3ya.example",
        UNICODE,
        ENCODED,
        f'"{ENCODED} soon"',
        "xn--mnchen-3ya",
    ):
        assert subjects(vault, query) == set(bodies), query
    assert subjects(vault, "body:xn--mnchen-3ya.example") == set(bodies)


def test_the_cases_with_international_domains_are_found_together(vault: TestVault) -> None:
    vault.archive([case("a-idn.eml"), case("a-idn-puny.eml")])
    both = {"a idn ulabel header", "a idn puny header"}
    for query in (
        "from:m\u00fcnchen.example",
        "from:xn--mnchen-3ya.example",
        "m\u00fcnchen.example",
        "from:@XN--mnchen-3ya.example",
    ):
        assert subjects(vault, query) == both, query


def test_an_own_domain_in_any_spelling_makes_users(tmp_path: Path) -> None:
    for number, domain in enumerate(("m\u00fcnchen.example", "xn--mnchen-3ya.example")):
        vault = TestVault(tmp_path / f"vault {number}", domains=(domain,))
        vault.archive([report(plain(to=[one]), recipients=[one]) for one in (UNICODE, ENCODED)], journal=True)
        assert vault.tree()[UNICODE]["Inbox"] >= 1
        assert not [user for user in vault.tree() if "xn--" in user]
        vault.sound()


def test_a_list_of_users_accepts_either_spelling(vault: TestVault) -> None:
    text = f"name,address,alias\nInfo,{ENCODED},{UNICODE}\n"
    vault.client.call(api.ImportUsers(text=text, filename="people.csv"), api.Done)
    vault.client.call(api.ImportUsers(text=text.replace(ENCODED, UNICODE), filename="people.csv"), api.Done)
    (user,) = vault.client.call(api.ListUsers(), api.Users).users
    assert (user.user, user.aliases) == (UNICODE, ())
    vault.client.call(api.RemoveUser(user=ENCODED), api.Done)
    assert not vault.client.call(api.ListUsers(), api.Users).users


def test_users_of_an_older_ledger_keep_working(vault: TestVault, tmp_path: Path) -> None:
    """An older version recorded each spelling as a separate address."""
    vault.client.close()
    written = [
        changes.add_user("info", "Info", ENCODED),
        changes.add_address("info", "info@other.example"),
        changes.add_user("two", "Two", "info@m\u00fcnchen-two.example"),
        changes.add_address("two", "info@xn--mnchen-two-9db.example"),
        changes.remove_address("two", "info@xn--mnchen-two-9db.example"),
    ]
    with closing(open_vault(tmp_path / "vault", write=True)) as opened:
        for change in written:
            record = json_record(opened.encoder, RecordKind.DIRECTORY, json.loads(changes.encode(change)))
            opened.append(record, 1_700_000_000_000_000)
        opened.commit([])
    again = TestVault(tmp_path / "vault")
    again.rebuild()
    assert {user.user: user.aliases for user in again.client.call(api.ListUsers(), api.Users).users} == {
        UNICODE: ("info@other.example",),
        "info@m\u00fcnchen-two.example": (),
    }
    again.archive([case("journal/j-idn-puny.eml")], journal=True)
    assert again.tree()[UNICODE] == {"Inbox": 1}
    again.sound()
