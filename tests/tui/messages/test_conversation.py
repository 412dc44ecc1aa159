"""A conversation is listed as a tree: each answer below the message that it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from muniment.api import Hit, Hits, ListMessages, Search
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.messages.conversation import DEEPEST, conversation_of, in_conversation, indent
from muniment_tui.messages.listing import ANSWERS, OLDEST, MailListing
from support.mailroom import Watched, app_over, screen_of
from support.reports import EPOCH, plain, report
from support.screens import LARGE, SMALL, Compare, drive, settled, shows, until
from support.vaults import TestVault
from support.words import hit

ANNA, BOB, CARL = "anna@example.com", "bob@example.com", "carl@example.com"
LETTERS = (
    ("plan", "Plan for the fair", ANNA, BOB, ""),
    ("yes", "Re: Plan for the fair", BOB, ANNA, "plan"),
    ("when", "Re: Plan for the fair", CARL, ANNA, "plan"),
    ("good", "Re: Plan for the fair", ANNA, BOB, "plan yes"),
    ("friday", "Friday at nine", ANNA, CARL, "plan when"),
)
"""Name, subject, sender, recipient and what each message refers to, the oldest first."""


def letter(number: int, name: str, subject: str, sender: str, to: str, named: str) -> bytes:
    date = EPOCH + number * 3_600
    references = " ".join(f"<{one}@example.com>" for one in named.split())
    original = plain(
        sender=f"{sender.partition('@')[0].title()} <{sender}>", to=[to], subject=subject, date=date,
        message_id=f"<{name}@example.com>", body=f"{name}\n",
        headers=[f"References: {references}"] if references else [],
    )  # fmt: skip
    return report(original, sender=sender, recipients=[to], date=date)


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with one conversation of five messages."""
    vault = TestVault(tmp_path_factory.mktemp("conversation") / "vault")
    vault.archive([letter(number, *one) for number, one in enumerate(LETTERS)])
    return vault.folder


async def listed(pilot: Pilot[Any], words: str) -> None:
    """Search for a message, and list its conversation."""
    await shows(pilot, "All mail")
    await pilot.press("slash", *words, "enter")
    await shows(pilot, "1 message")
    await pilot.press("t")
    await shows(pilot, ANSWERS)
    await settled(pilot)


def subjects(pilot: Pilot[Any]) -> list[str]:
    listing = screen_of(pilot).found.listing
    assert listing is not None
    return [
        f"{indent(listing.depths.get(one.id, 0))}{one.subject}"
        for one in listing.rows(0, listing.total) or ()
    ]


def test_answers_are_below_what_they_answer(conversation: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await listed(pilot, "friday")
        assert subjects(pilot) == [
            "Plan for the fair",
            "└ Re: Plan for the fair",
            "  └ Re: Plan for the fair",
            "└ Re: Plan for the fair",
            "  └ Friday at nine",
        ]
        found = screen_of(pilot).found
        assert found.rows.cursor == 4, "the cursor is at the message whose conversation it is"
        await pilot.press("d")
        await shows(pilot, "A conversation is not sorted by date")
        await pilot.press("o")
        await shows(pilot, "newest first")
        assert subjects(pilot)[0] == "Friday at nine"
        await pilot.press("escape")
        await until(pilot, lambda: found.listing is None or not conversation_of(found.listing.request))
        assert found.order != ANSWERS

    drive(app_over(connect, conversation), script, LARGE)


def test_a_conversation_is_drawn(picture: Compare, conversation: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await listed(pilot, "friday")
        await until(pilot, lambda: not screen_of(pilot).preview.waits)

    def make() -> MunimentApp:
        return app_over(Watched(conversation), conversation)

    picture("messages-conversation", make, script, (SMALL, LARGE, (200, 60)))


def page(answers: Sequence[tuple[str, str]], after: str = "", total: int = 0) -> Hits:
    rows = tuple(hit(id=id_, answers=above) for id_, above in answers)
    return Hits(total=total or len(rows), behind=0, hits=rows, after=after, first=0)


def test_a_conversation_of_several_pages_is_listed_by_date() -> None:
    listing = MailListing(Search(query="thread:00000000"), ANSWERS)
    listing.take(listing.plan(0, 100), page([("b", "a"), ("a", "")], after="more", total=300))
    assert listing.order == OLDEST
    assert listing.depths == {}
    assert [one.id for one in listing.rows(0, 2) or ()] == ["b", "a"]


IDS = st.sampled_from("abcdef")


@given(st.dictionaries(IDS, st.one_of(st.just(""), IDS), max_size=6))
def test_no_message_is_lost(answers: dict[str, str]) -> None:
    rows = list(page(list(answers.items())).hits)
    tree = in_conversation(rows)
    assert sorted(one.id for one, _ in tree) == sorted(answers)
    above: list[Hit] = []
    for one, depth in tree:
        assert depth <= len(above)
        above[depth:] = [one]
        if depth:
            assert one.answers == above[depth - 1].id


def test_a_long_chain_is_indented_up_to_a_limit() -> None:
    chain = [(str(n), str(n - 1) if n else "") for n in range(2_000)]
    tree = in_conversation(page(chain).hits)
    assert [depth for _, depth in tree] == list(range(2_000))
    assert indent(1_999) == indent(DEEPEST)


def test_only_a_search_for_one_conversation_is_one() -> None:
    assert conversation_of(Search(query=" thread:0123abcd ")) == "0123abcd"
    for query in ("thread:0123abcd x", "thread:a@b.example", "-thread:0123abcd", "0123abcd"):
        assert conversation_of(Search(query=query)) == ""
    assert conversation_of(ListMessages(user="thread:0123abcd", folder="Inbox")) == ""
