"""Lists of a conversation say which message answers which, and nothing of messages that are not on them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.api import Hits, Search
from muniment.archive.operations.answers import answered
from muniment.archive.vault.open_vault import open_vault
from muniment.mail.model import MessageText
from muniment.service.access.roles import Caller
from muniment.service.host.session import ClientSession
from support.asking import answers as asked
from support.reports import EPOCH, plain, report
from support.vaults import TestVault

ANNA, BOB, EVE = "anna@example.com", "bob@example.com", "eve@example.com"
PLANS = (
    ("plan1", ""),
    ("plan2", "<plan1@x.example>"),
    ("plan3", "<plan1@x.example> <plan2@x.example>"),
    ("plan4", "<plan1@x.example> <lost@x.example>"),
)


def mail(name: str, references: str, number: int, to: str = BOB) -> bytes:
    headers = [f"References: {references}"] if references else []
    date = EPOCH + number * 60
    original = plain(
        sender=ANNA, to=[to], subject=name, message_id=f"<{name}@x.example>", date=date, headers=headers
    )
    return report(original, sender=ANNA, recipients=[to], date=date)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    made = TestVault(tmp_path_factory.mktemp("answers") / "vault")
    made.archive(mail(name, references, number) for number, (name, references) in enumerate(PLANS))
    return made


def answers(vault: TestVault, query: str, limit: int = 50) -> dict[str, str]:
    found = vault.client.call(Search(query=query, limit=limit), Hits).hits
    names = {hit.id: hit.subject for hit in found}
    return {hit.subject: names[hit.answers] for hit in found if hit.answers}


def thread(vault: TestVault) -> str:
    (hit,) = vault.search("msgid:plan2@x.example")
    return f"thread:{hit.id}"


def test_a_message_answers_the_last_one_that_it_names(vault: TestVault) -> None:
    wanted = {"plan2": "plan1", "plan3": "plan2", "plan4": "plan1"}
    assert answers(vault, thread(vault)) == wanted
    assert answers(vault, "thread:plan1@x.example") == wanted


def test_only_messages_of_the_same_page_are_named(vault: TestVault) -> None:
    assert answers(vault, thread(vault), limit=2) == {}


def test_other_searches_read_no_headers(vault: TestVault) -> None:
    assert answers(vault, "plan1 OR plan2 OR plan3") == {}
    assert answers(vault, f"{thread(vault)} from:anna") == {}


def headers(message_id: str, *references: str) -> MessageText:
    return MessageText("", "", "", "", "", "", (), message_id=message_id, references=references)


def test_messages_that_name_each_other_do_not_form_a_ring() -> None:
    ring = [(1, headers("a", "c")), (2, headers("b", "a")), (3, headers("c", "b"))]
    assert answered(ring) == {1: 3, 2: 1}
    assert answered([(1, headers("a", "a"))]) == {}


def test_of_two_messages_with_one_id_the_first_counts() -> None:
    assert answered([(5, headers("a")), (2, headers("a")), (9, headers("b", "a"))]) == {9: 2}
    assert answered([(1, headers("")), (2, headers("", ""))]) == {}


NAMES = st.sampled_from("abcdef")


@given(st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4)), max_size=12))
def test_each_chain_of_answers_ends(given_: list[tuple[str, list[str]]]) -> None:
    above = answered([(number, headers(name, *named)) for number, (name, named) in enumerate(given_)])
    for number in above:
        chain = [number]
        while chain[-1] in above:
            chain.append(above[chain[-1]])
            assert len(chain) <= len(given_)


def test_a_plain_user_gets_public_ids_of_their_own_messages_only(tmp_path: Path) -> None:
    made = TestVault(tmp_path / "vault")
    names = ("<plan1@x.example>", "<plan1@x.example> <plan2@x.example>")
    made.archive(
        [mail("plan1", "", 0, to=EVE), mail("plan2", names[0], 1), mail("plan3", names[1], 2, to=EVE)]
    )
    with (made.folder / "vault.toml").open("a") as file:
        file.write('\n[access.users]\neve = "eve@example.com"\n')
    with closing(open_vault(made.folder, write=True)) as vault:
        session = ClientSession(made.folder, vault, Caller(61_000, 61_000, 1, "eve"))
        (found,) = asked(session, Search(query="subject:plan3"))
        assert isinstance(found, Hits)
        (page,) = asked(session, Search(query=f"thread:{found.hits[0].id}"))
    assert isinstance(page, Hits)
    ids = {hit.subject: hit.id for hit in page.hits}
    assert set(ids) == {"plan1", "plan3"}
    assert {hit.subject: hit.answers for hit in page.hits} == {"plan1": "", "plan3": ids["plan1"]}
