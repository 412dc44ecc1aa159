"""`thread:` with a message's id finds its conversation, by ids or else by subject, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.archive.operations.conversations import base_subject
from muniment.archive.operations.export import ExportChoice, ExportView
from muniment.archive.operations.public_ids import PublicIds
from muniment.archive.operations.search import find
from muniment.archive.query import RecordNumber
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.service.operations.own_mail import OwnEdition
from support.reports import EPOCH, plain, report
from support.vaults import TestVault

DAY = 86_400
ANNA, BOB, EVE = "anna@example.com", "bob@example.com", "eve@example.com"


def mail(name: str, subject: str, *, sender: str = ANNA, to: str = BOB, day: int = 0, **links: str) -> bytes:
    headers = [f"{field.replace('_', '-')}: {value}" for field, value in links.items()]
    original = plain(
        sender=sender, to=[to], subject=subject, body=f"{name}\n", message_id=f"<{name}@x.example>",
        date=EPOCH + day * DAY, headers=headers,
    )  # fmt: skip
    return report(original, sender=sender, recipients=[to], date=EPOCH + day * DAY)


def named(name: str) -> str:
    return f"<{name}@x.example>"


MAILS = [
    # A chain of In-Reply-To alone, a branch with References, and a private aside to Eve.
    mail("plan1", "Plan"),
    mail("plan2", "Re: Plan", sender=BOB, to=ANNA, In_Reply_To=named("plan1")),
    mail("plan3", "New title", In_Reply_To=named("plan2")),
    mail("plan4", "AW: Plan", sender=BOB, to=ANNA, References=f"{named('plan1')} {named('lost')}"),
    mail("aside", "Re: Plan", to=EVE, References=named("plan1")),
    # The same subject without ids, among the same people and others, and much later.
    mail("bill1", "The bill"),
    mail("bill2", "RE: The bill", sender=BOB, to=ANNA, day=3),
    mail("bill3", "the Bill", sender="carl@example.com", to="dora@example.com", day=3),
    mail("bill4", "Re: The bill", day=200),
    mail("bill5", "The bill of Monday", day=3),
    mail("alone", "Something else"),
    mail("none1", ""),
    mail("none2", "Re:"),
]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    made = TestVault(tmp_path_factory.mktemp("conversations") / "vault")
    made.archive(MAILS)
    return made


@pytest.fixture
def opened(vault: TestVault) -> Iterator[Vault]:
    there = open_vault(vault.folder, write=False)
    yield there
    there.close()


def body_of(vault: TestVault, id_: str) -> str:
    return vault.show(id_).text.strip()


def conversation(vault: TestVault, name: str, query: str = "") -> set[str]:
    (hit,) = vault.search(f"msgid:{name}@x.example")
    return {body_of(vault, one.id) for one in vault.search(f"thread:{hit.id[:16]} {query}".strip())}


@pytest.mark.parametrize("name", ["plan1", "plan2", "plan3", "plan4", "aside"])
def test_ids_are_followed_in_both_directions(vault: TestVault, name: str) -> None:
    assert conversation(vault, name) == {"plan1", "plan2", "plan3", "plan4", "aside"}


@pytest.mark.parametrize("name", ["bill1", "bill2"])
def test_without_ids_subject_people_and_date_decide(vault: TestVault, name: str) -> None:
    assert conversation(vault, name) == {"bill1", "bill2"}


@pytest.mark.parametrize("name", ["alone", "bill3", "bill4", "bill5", "none1", "none2"])
def test_a_message_of_no_conversation_is_found_alone(vault: TestVault, name: str) -> None:
    assert conversation(vault, name) == {name}


def test_a_conversation_combines_with_other_conditions(vault: TestVault) -> None:
    assert conversation(vault, "plan1", "from:bob") == {"plan2", "plan4"}
    assert conversation(vault, "plan1", "-from:bob user:eve@example.com") == {"aside"}
    (hit,) = vault.search("msgid:plan1@x.example")
    assert len(vault.search(f"-thread:{hit.id}")) == len(MAILS) - 5


def test_an_unknown_id_has_no_conversation(vault: TestVault) -> None:
    assert vault.search("thread:00000000ffff") == []


def test_a_message_id_of_hex_digits_is_found_where_no_message_has_this_id(tmp_path: Path) -> None:
    made = TestVault(tmp_path / "vault")
    original = plain(subject="hex", body="hex\n", message_id="<ABCDEF0123>")
    made.archive([report(original), mail("answer", "Re: hex", References="<ABCDEF0123>")])
    for query in ("thread:abcdef0123", "thread:<abcdef0123>"):
        assert {body_of(made, one.id) for one in made.search(query)} == {"hex", "answer"}


@pytest.mark.parametrize("own", [False, True])
def test_an_export_looks_up_a_conversation_once(vault: TestVault, opened: Vault, own: bool) -> None:
    (hit,) = vault.search("msgid:plan1@x.example")
    row = opened.catalog.message_by_prefix(hit.id)
    name = PublicIds(opened.directory.id_key).of(row.sequence, row.sha) if own else hit.id
    choice = ExportChoice(f"thread:{name} OR (thread:{name} a)", user=ANNA if own else "")
    anna = opened.directory.find(ANNA)
    edition = OwnEdition(opened, anna, choice) if own else ExportView(opened, choice)
    assert edition.find("").total == 5
    assert list(edition.conversations) == [name]
    edition.conversations[name] = RecordNumber(row.sequence)
    assert edition.find("").ids == (row.sequence,)


def test_a_plain_user_gets_only_their_own_part_by_public_ids(vault: TestVault, opened: Vault) -> None:
    reader = opened.directory.find(EVE)
    (aside,) = vault.search("msgid:aside@x.example")
    (plan,) = vault.search("msgid:plan1@x.example")
    ids = PublicIds(opened.directory.id_key)

    def own(id_: str) -> list[str]:
        row = opened.catalog.message_by_prefix(id_)
        page = find(opened, f"thread:{ids.of(row.sequence, row.sha)[:16]}", reader, own=True)
        return [one.sha.hex() for one in opened.catalog.rows(list(page.ids))]

    assert own(aside.id) == [aside.id]
    assert own(plan.id) == []
    assert find(opened, f"thread:{aside.id}", reader, own=True).ids == ()


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Re: Fwd: [list] Plan", "[list] Plan"),
        ("AW: RE[2]: Plan", "Plan"),
        ("回复：计划", "计划"),
        ("Reply: Plan", "Reply: Plan"),
        ("Re:", ""),
    ],
)
def test_the_subject_without_signs_of_an_answer(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_a_hostile_header_with_many_ids_is_bounded(tmp_path: Path) -> None:
    made = TestVault(tmp_path / "vault")
    many = " ".join(named(f"n{number}") for number in range(3_000))
    made.archive([mail("first", "one", References=many), mail("n0", "two", References=many)])
    assert conversation(made, "first") == {"first", "n0"}
