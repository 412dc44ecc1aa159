"""Searches for people: `user:` and `in:` find what is in the person's folders, anywhere in a query."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from muniment import api
from muniment.archive.operations.search import find
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import QueryError
from support.reports import EPOCH, plain, report
from support.vaults import TestVault

DAY = 86_400
MAILS = {
    # subject: sender, recipients, day of the journal report
    "red one": ("anna@example.com", ["bob@example.com"], 0),
    "red two": ("anna@example.com", ["sales@example.com"], 0),
    "blue three": ("carl@example.com", ["sales@example.com", "anna@example.com"], 40),
    "blue four": ("one@else.org", ["two@else.org"], 0),
    "red five": ("one@else.org", ["two@else.org"], 0),
    "blue six": ("bob@example.com", ["anna@example.com"], 40),
}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    """sales@ was Old's until day 20 and is New's since. "blue three" arrived again with an earlier date."""
    made = TestVault(tmp_path_factory.mktemp("searching") / "vault")
    for subject, (sender, to, day) in MAILS.items():
        original = plain(sender=sender, to=to, subject=subject, body=f"{subject}\n")
        made.archive([report(original, sender=sender, recipients=to, date=EPOCH + day * DAY)])
    # A copy that names only one recipient widens the times of the message, but not that person's mail.
    original = plain(
        sender="carl@example.com", to=MAILS["blue three"][1], subject="blue three", body="blue three\n"
    )
    made.archive([report(original, sender="carl@example.com", recipients=["anna@example.com"], date=EPOCH)])
    made.client.call(api.AddUser(name="Old", addresses=("old@example.com", "sales@example.com")), api.Done)
    made.client.call(
        api.AddUser(name="New", addresses=("new@example.com", "sales@example.com"), since="2023-12-04"),
        api.Done,
    )
    return made


Hit = api.Hit
Test = Callable[[Hit], bool]


def of(user: str, folder: str = "") -> Test:
    label = user if user == "catch-all" else f"{user}@example.com"
    return lambda hit: any(
        place.startswith(f"{label}/") and place.lower().endswith(folder and f"/{folder}")
        for place in hit.folders
    )


def word(text: str) -> Test:
    return lambda hit: text in hit.subject


ALL: list[tuple[str, Test]] = [
    ("between:anna,bob", lambda hit: hit.subject in ("red one", "blue six")),
    ("between:bob@example.com,Anna red", lambda hit: hit.subject == "red one"),
    ("between:carl@example.com,anna@example.com", lambda hit: hit.subject == "blue three"),
    ("user:catch-all", of("catch-all")),
    ("-user:catch-all", lambda hit: not of("catch-all")(hit)),
    ("red user:catch-all", lambda hit: word("red")(hit) and of("catch-all")(hit)),
    ("red -user:catch-all", lambda hit: word("red")(hit) and not of("catch-all")(hit)),
    ("user:catch-all in:inbox", of("catch-all", "inbox")),
    ("user:catch-all in:sent", of("catch-all", "sent")),
    ("user:old@example.com", of("old")),
    ("user:new@example.com", of("new")),
    ("user:new@example.com in:inbox", of("new", "inbox")),
    ("user:old@example.com OR user:new@example.com", lambda hit: of("old")(hit) or of("new")(hit)),
    ("-user:old@example.com", lambda hit: not of("old")(hit)),
    ("user:anna@example.com -user:old@example.com", lambda hit: of("anna")(hit) and not of("old")(hit)),
    ("user:anna@example.com -in:sent", lambda hit: of("anna")(hit) and not of("anna", "sent")(hit)),
    ("user:anna@example.com in:sent", of("anna", "sent")),
    ("(user:anna@example.com red) OR (user:catch-all blue)", lambda hit: (
        of("anna")(hit) and word("red")(hit)) or (of("catch-all")(hit) and word("blue")(hit))),
    ("NOT (user:catch-all OR blue)", lambda hit: not (of("catch-all")(hit) or word("blue")(hit))),
    ("NOT (user:old@example.com red)", lambda hit: not (of("old")(hit) and word("red")(hit))),
    ("user:bob@example.com user:anna@example.com", lambda hit: of("bob")(hit) and of("anna")(hit)),
    ("NOT (NOT user:catch-all)", of("catch-all")),
]  # fmt: skip


@pytest.mark.parametrize(("query", "test"), ALL, ids=[query for query, _ in ALL])
def test_a_search_for_a_person_finds_what_is_in_their_folders(
    vault: TestVault, query: str, test: Test
) -> None:
    everything = vault.messages()
    assert len(everything) == len(MAILS)
    expected = {hit.subject for hit in everything if test(hit)}
    found = vault.search(query)
    assert {hit.subject for hit in found} == expected
    by_relevance = vault.client.call(api.Search(query=query, limit=100, by_relevance=True), api.Hits)
    assert {hit.subject for hit in by_relevance.hits} == expected
    assert by_relevance.total == len(expected)


def test_the_samples_are_in_different_folders(vault: TestVault) -> None:
    folders = {hit.subject: set(hit.folders) for hit in vault.messages()}
    assert "old@example.com/Inbox" in folders["red two"]
    assert "new@example.com/Inbox" in folders["blue three"]
    assert "old@example.com/Inbox" not in folders["blue three"]
    assert folders["blue four"] == {"catch-all/Inbox"}


@pytest.mark.parametrize(
    ("user", "query", "test"),
    [
        ("anna@example.com", "in:sent", of("anna", "sent")),
        ("anna@example.com", "-in:sent", lambda hit: of("anna")(hit) and not of("anna", "sent")(hit)),
        ("anna@example.com", "user:bob@example.com", lambda hit: of("anna")(hit) and of("bob")(hit)),
        ("anna@example.com", "-user:bob@example.com", lambda hit: of("anna")(hit) and not of("bob")(hit)),
        ("catch-all", "red", lambda hit: of("catch-all")(hit) and word("red")(hit)),
        ("catch-all", "-user:catch-all", lambda hit: False),
        ("new@example.com", "in:inbox", of("new", "inbox")),
    ],
)
def test_a_search_in_one_persons_mail_finds_the_same(
    vault: TestVault, user: str, query: str, test: Test
) -> None:
    expected = {hit.subject for hit in vault.messages() if test(hit)}
    assert {hit.subject for hit in vault.search(query, user)} == expected


def test_each_page_continues_the_previous_one(vault: TestVault) -> None:
    found, after = [], ""
    while True:
        page = vault.client.call(api.Search(query="user:anna@example.com", limit=1, after=after), api.Hits)
        found += [hit.subject for hit in page.hits]
        after = page.after
        if not after:
            break
    assert found == [hit.subject for hit in vault.search("user:anna@example.com")]


@pytest.mark.parametrize("user", ["", "anna@example.com"])
def test_all_pages_count_days_from_the_time_of_the_first_one(vault: TestVault, user: str) -> None:
    opened = open_vault(vault.folder, write=False)
    try:
        now, later = EPOCH + 41 * DAY, EPOCH + 51 * DAY
        whole = find(opened, "after:41d", user, now=now).ids
        assert len(whole) > 2
        assert find(opened, "after:41d", user, now=later).ids != whole
        page = find(opened, "after:41d", user, 1, now=now)
        found = [*page.ids]
        while page.after:
            page = find(opened, "after:41d", user, 1, page.after, now=later)
            found += page.ids
        assert tuple(found) == whole
        back = find(opened, "after:41d", user, 1, page.before, oldest_first=True, now=later)
        assert back.ids == whole[-2:-1]
        assert "@" not in find(opened, "red", user, 1).after
        for wrong in ("0.0.0@", "0.0.0@x", "0.0.0@1@2"):
            with pytest.raises(QueryError, match="again from the first page"):
                find(opened, "after:41d", user, 1, wrong)
    finally:
        opened.close()
