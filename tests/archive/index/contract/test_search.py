"""The contract of every index: what is found by words, addresses and other fields, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.index import (
    IndexDocument,
    IndexMention,
    SearchIndex,
    SearchPage,
    SearchScope,
    UserAddress,
    UserAddresses,
)
from muniment.archive.query import FileEnd, Node, Not, RecordNumbers, parse
from muniment.errors import NotFound, QueryError
from muniment.mail.model import AddressRole
from support.indexed import DAY, JANUARY, document, mention
from support.indexes import WHOLE, IndexMaker

Make = Callable[..., SearchIndex]


@pytest.fixture
def make(maker: IndexMaker, tmp_path: Path) -> Iterator[Make]:
    """Makes an index of documents."""
    opened: list[SearchIndex] = []

    def made(*docs: IndexDocument, part: int = WHOLE) -> SearchIndex:
        index = maker.open(tmp_path / f"index{len(opened)}", part=part)
        opened.append(index)
        index.add(docs)
        index.commit(len(docs))
        return index

    yield made
    for index in opened:
        index.close()


PEOPLE = {
    "anna": UserAddresses((UserAddress("anna@x.com"), UserAddress("a.bell@x.com"))),
    "bob": UserAddresses((UserAddress("bob@x.com"),)),
    "carl": UserAddresses((UserAddress("carl@x.com"),)),
    "old": UserAddresses((UserAddress("sales@x.com", None, JANUARY + 10 * DAY),)),
    "new": UserAddresses((UserAddress("sales@x.com", JANUARY + 10 * DAY, None),)),
    "catch-all": UserAddresses((), everything=True),
}


def users(name: str) -> UserAddresses:
    if name not in PEOPLE:
        raise NotFound(f"There is no user {name}.")
    return PEOPLE[name]


def find(index: SearchIndex, query: str, **options: object) -> list[int]:
    found: SearchPage = index.search(parse(query), users=users, **options)  # type: ignore[arg-type]
    assert found.total == len(found.ids)
    return sorted(found.ids)


def scope(name: str, *seen: int) -> SearchScope:
    return SearchScope(PEOPLE[name], lambda ids: set(ids) & set(seen))


TALK = document(
    1,
    subject="Quarterly figures",
    sender="Anna Bell <anna@x.com>",
    to="Bob Stone <bob@x.com>, list@y.org",
    cc="Dora <dora@sub.x.com>",
    body="Please see https://shop.example.com/item?id=42 and write to help@example.com.\nRegards, Zoë",
    attachments=["Q1 report.pdf", "plan_b.xlsx"],
    size=5000,
    mentions=[
        mention(AddressRole.SENDER, "anna@x.com"),
        mention(AddressRole.TO, "bob@x.com"),
        mention(AddressRole.CC, "dora@sub.x.com"),
    ],
)


@pytest.mark.parametrize(
    "query",
    [
        "quarterly",
        "QUARTERLY figures",
        '"quarterly figures"',
        "subject:figures",
        "anna",
        "dora",
        "pdf",
        "regards zoe",
        "body:zoë",
        "https://shop.example.com/item?id=42",
        "help@example.com",
        "anna@x.com",
        '"write to help"',
        "quart*",
        "help@exam*",
        "from:anna@x.com",
        "from:ANNA@x.com",
        "from:@x.com",
        "from:x.com",
        "from:anna",
        'from:"anna bell"',
        'from:"Anna Bell <anna@x.com>"',
        "from:be*",
        "to:bob",
        "to:list@y.org",
        "cc:dora@sub.x.com",
        "filename:report.pdf",
        'filename:"q1 report"',
        "filename:xlsx",
        "has:attachment",
        "larger:4k",
        "larger:4999 smaller:5001",
        "in:inbox",
        "in:Sent",
        "user:anna",
        "user:anna in:sent",
        "user:bob in:inbox",
        "(user:anna OR user:carl) in:sent",
        "on:2024-01-01",
        "after:2024-01-01 before:2024-01-02",
        "id:" + TALK.sha.hex()[:8],
        "id:" + TALK.sha.hex()[:31],
        "id:" + TALK.sha.hex(),
        "-nothing",
        "figures -nothing",
        "-(a b) -c",
        "nothing OR figures",
        "",
    ],
)
def test_a_message_is_found(make: Make, query: str) -> None:
    assert find(make(TALK), query) == [1]


@pytest.mark.parametrize(
    "query",
    [
        "nothing",
        '"figures quarterly"',
        "quarter",
        "subject:anna",
        "from:nna@x.com",
        "from:anna@x.co",
        "from:@sub.x.com",
        "cc:@x.com",
        "to:anna@x.com",
        "to:dora@sub.x.com",
        "bcc:bob@x.com",
        '"report plan"',
        '"pdf plan"',
        "larger:5000",
        "smaller:5000",
        "in:projects",
        "user:carl",
        "user:anna in:inbox",
        "user:bob in:sent",
        "on:2024-01-02",
        "before:2024-01-01",
        "after:2024-01-02",
        "id:00000000",
        "-figures",
        "-has:attachment",
        "-user:anna",
        "figures -anna",
        "",
    ][:-1],
)
def test_a_message_is_not_found(make: Make, query: str) -> None:
    assert find(make(TALK), query) == []


def test_messages_without_attachments_are_found_by_negation(make: Make) -> None:
    index = make(TALK, document(2, body="bare"))
    assert find(index, "has:attachment") == [1]
    assert find(index, "-has:attachment") == [2]


@pytest.mark.parametrize(
    ("text", "queries", "misses"),
    [
        ("Grüße aus Köln, Straße", ["grüße", "GRUSSE", "koln", "STRASSE", "stra*", "Ko\u0308ln"], ["kolner"]),
        ("Ko\u0308ln im No\u0308rdlichen", ["köln", "koln", "nördlichen"], ["nord"]),
        ("Привет из Киева, йод", ["привет", "ПРИВЕТ", "кие*", "и\u0306од"], ["прив"]),
        ("и\u0306од", ["йод"], ["иод"]),
        (
            "今日は東京タワーに行きます",
            ["東京", "東京タワー", "タワー", "今日", '"東京タワー" 行き'],
            ["京東", "東行"],
        ),
        ("会议纪要2024年", ["会议", "2024", "纪要", "会议纪要2024年"], ["会要"]),
        ("회의록을 보냅니다", ["회의", "회의록", "\u1112\u116c의"], ["의회"]),
        ("ประชุมวันนี้", ["ประชุม", "วันนี้"], ["นี้วัน"]),
        ("naïve café ﬁne", ["naive", "cafe\u0301", "fine"], ["caf"]),
        ("broken \ud83d surrogate", ["broken", "surrogate"], ["brokensurrogate"]),
    ],
)
def test_words_of_many_scripts_are_found(
    make: Make, text: str, queries: Sequence[str], misses: Sequence[str]
) -> None:
    index = make(
        document(1, subject=text, attachments=[text]), document(2, body=text), document(3, body="else")
    )
    for query in queries:
        assert find(index, query) == [1, 2], query
        assert find(index, f"filename:({query})") == [1], query
    for query in misses:
        assert find(index, query) == [], query


def test_hostile_text_is_indexed(make: Make) -> None:
    marks = "e" + "\u0301\u0316" * 100_000
    junk = [
        mention(AddressRole.TO, "\ud800@x.com"),
        mention(AddressRole.CC, "y" * 100_000),
        mention(AddressRole.TO, ""),
    ]
    index = make(
        document(1, subject=marks, sender="<" * 50_000, to="@" * 50_000, body="x" * 1_000_000, mentions=junk),
        document(2, date=-5, size=-1, body="\0\x1b[31m early"),
        document(3, date=1 << 50, body="late"),
    )
    assert find(index, "early OR late") == [2, 3]
    assert index.search(parse("")).ids == (3, 1, 2)


# --- secrecy --------------------------------------------------------------------------------------

SECRET = document(
    1,
    subject="Plan",
    sender="anna@x.com",
    to="bob@x.com",
    bcc="Carla Quick <hidden@y.org>",
    mentions=[
        mention(AddressRole.SENDER, "anna@x.com", senders=("anna@x.com",)),
        mention(AddressRole.TO, "bob@x.com", senders=("anna@x.com",)),
        mention(AddressRole.BCC, "hidden@y.org", senders=("anna@x.com",)),
        mention(AddressRole.BCC, "carl@x.com", senders=("anna@x.com",)),
        mention(AddressRole.RECIPIENT, "unkind@y.org", senders=("anna@x.com",)),
        mention(AddressRole.EXPANDED, "team@x.com", senders=("anna@x.com",)),
        mention(AddressRole.TO, "member@x.com", senders=("anna@x.com",)),
    ],
)
REVEALING = [
    "bcc:hidden@y.org",
    "bcc:carla",
    "bcc:@y.org",
    "bcc:qui*",
    "to:unkind@y.org",
    "to:team@x.com",
    "to:member@x.com",
    "user:carl",
    "in:inbox user:carl",
]


@pytest.mark.parametrize("query", REVEALING)
def test_bcc_is_found_only_by_readers_who_may_see_it(make: Make, query: str) -> None:
    index = make(SECRET)
    assert find(index, query) == [1]
    assert find(index, query, scope=scope("anna", 1), bcc_allowed=False) == ([] if "in:" in query else [1])
    assert find(index, query, scope=scope("bob", 1), bcc_allowed=False) == []
    assert find(index, query, bcc_allowed=False) == []


@pytest.mark.parametrize("query", REVEALING[:-1])
def test_a_negated_search_for_bcc_reveals_nothing(make: Make, query: str) -> None:
    assert find(make(SECRET), f"-{query}", scope=scope("bob", 1), bcc_allowed=False) == [1]


def test_plain_words_never_search_bcc(make: Make) -> None:
    index = make(SECRET)
    for query in (
        "carla",
        "hidden@y.org",
        "carl@x.com",
        "to:hidden@y.org",
        "cc:hidden@y.org",
        "from:hidden@y.org",
    ):
        assert find(index, query) == [], query


def test_a_bcc_recipient_finds_the_message_in_their_own_mail(make: Make) -> None:
    index = make(SECRET)
    for query in ("plan", "user:carl", "in:inbox", "from:anna@x.com to:bob@x.com"):
        assert find(index, query, scope=scope("carl", 1), bcc_allowed=False) == [1], query


# --- people ---------------------------------------------------------------------------------------


def test_a_person_is_found_by_every_alias(make: Make) -> None:
    index = make(
        document(1, mentions=[mention(AddressRole.TO, "a.bell@x.com")]),
        document(2, mentions=[mention(AddressRole.ON_BEHALF_OF, "anna@x.com")]),
        document(3, mentions=[mention(AddressRole.TO, "bob@x.com")]),
    )
    assert find(index, "user:anna") == [1, 2]
    assert find(index, "user:anna in:inbox") == [1]
    assert find(index, "user:anna in:sent") == [2]
    assert find(index, "to:a.bell@x.com") == [1]
    assert find(index, "-user:anna") == [3]
    assert find(index, "in:inbox") == [1, 3]


def test_only_trusted_mentions_file_a_message(make: Make) -> None:
    index = make(document(1, mentions=[mention(AddressRole.SENDER, "anna@x.com", trusted=False)]))
    assert find(index, "user:anna") == find(index, "in:sent") == []
    assert find(index, "from:anna@x.com") == [1]


def test_lists_and_forwarders_file_a_message_nowhere(make: Make) -> None:
    index = make(
        document(
            1,
            mentions=[
                mention(AddressRole.EXPANDED, "anna@x.com"),
                mention(AddressRole.FORWARDED, "bob@x.com"),
            ],
        )
    )
    assert find(index, "user:anna OR user:bob OR in:inbox OR in:sent") == []
    assert find(index, "to:anna@x.com to:bob@x.com") == [1]


def test_a_folder_of_an_ordinary_mailbox_is_its_owners(make: Make) -> None:
    owned: list[IndexMention] = [mention(AddressRole.RECIPIENT, "anna@x.com", folder="Projects/Ä")]
    index = make(
        document(1, mentions=owned),
        document(2, mentions=[mention(AddressRole.RECIPIENT, "bob@x.com", folder="INBOX")]),
    )
    assert find(index, 'in:"projects/ä"') == find(index, 'in:"Projects/Ä" user:anna') == [1]
    assert find(index, 'in:"projects/ä" user:bob') == find(index, "user:anna in:inbox") == []
    assert find(index, "user:bob in:inbox") == [2]
    assert find(index, "to:anna@x.com") == []


def test_in_means_the_folder_of_the_person_in_the_query(make: Make) -> None:
    both_ways = [mention(AddressRole.SENDER, "anna@x.com"), mention(AddressRole.TO, "bob@x.com")]
    index = make(document(1, mentions=both_ways))
    assert find(index, "user:bob in:sent") == []
    assert find(index, "user:bob (in:sent OR in:inbox)") == [1]
    assert find(index, "user:bob in:sent OR user:anna in:sent") == []
    assert find(index, "(user:bob in:sent) OR (user:anna in:sent)") == [1]
    assert find(index, "in:sent", scope=scope("bob", 1)) == []
    assert find(index, "in:sent user:anna", scope=scope("bob", 1)) == []
    assert find(index, "in:inbox user:anna", scope=scope("bob", 1)) == [1]


def test_mail_to_a_transferred_address_is_split_by_time(make: Make) -> None:
    def mail(number: int, *days: int) -> IndexDocument:
        return document(
            number, mentions=[mention(AddressRole.TO, "sales@x.com", JANUARY + day * DAY) for day in days]
        )

    index = make(mail(1, 9), mail(2, 10), mail(3, 5, 20))
    assert find(index, "user:old") == [1, 3]
    assert find(index, "user:new") == [2, 3]
    assert find(index, "user:old in:inbox") == [1, 3]


def test_messages_that_the_catalog_denies_are_not_found(make: Make) -> None:
    index = make(*(document(n, mentions=[mention(AddressRole.TO, "bob@x.com")]) for n in range(1, 8)))
    found = index.search(parse(""), scope=scope("bob", 2, 3, 5), limit=2)
    assert (found.ids, found.total, found.exact) == ((5, 3), 3, True)
    rest = index.search(parse(""), scope=scope("bob", 2, 3, 5), limit=2, after=found.after)
    assert (rest.ids, rest.total, rest.after) == ((2,), 3, "")
    assert find(index, "", scope=scope("bob", 2, 3, 5), by_relevance=True) == [2, 3, 5]
    assert find(index, "", scope=scope("catch-all", 4)) == [4]


def test_other_messages_change_neither_totals_nor_order_for_a_reader_of_some(make: Make) -> None:
    mine = [document(n, date=JANUARY + n, body="plum " * n + "pear " * (5 - n)) for n in range(1, 5)]
    others = [document(n, date=JANUARY - n, body="pear " * 9) for n in range(10, 60)]

    def seen(index: SearchIndex, best: bool) -> list[Any]:
        pages, after = [], ""
        while True:
            page = index.search(
                parse("plum OR pear"), only=lambda ids: {n for n in ids if n < 10}, exact=True, limit=3,
                by_relevance=best, after=after,
            )  # fmt: skip
            pages.append((page.ids, page.total, page.exact, page.dates))
            if not (after := page.after):
                return pages

    few, many = make(*mine), make(*mine, *others)
    for best in (False, True):
        assert seen(few, best) == seen(many, best)
        assert sum(len(ids) for ids, *_ in seen(many, best)) == 4


def test_a_long_scoped_search_says_whether_its_total_is_an_estimate(make: Make) -> None:
    index = make(
        *(document(n, date=JANUARY + n, mentions=[mention(AddressRole.TO, "bob@x.com")]) for n in range(3000))
    )
    mine = SearchScope(PEOPLE["bob"], lambda ids: {number for number in ids if number % 3 == 0})
    found, ids = index.search(parse(""), scope=mine, limit=70), list[int]()
    assert found.total == 1000 if found.exact else 1000 <= found.total < 3000
    ids += found.ids
    while found.after:
        found = index.search(parse(""), scope=mine, limit=70, after=found.after)
        ids += found.ids
    assert ids == list(range(2997, -1, -3))


def test_an_unknown_person_is_an_error(make: Make) -> None:
    with pytest.raises(NotFound, match="nemo"):
        find(make(TALK), "user:nemo")


# --- order ----------------------------------------------------------------------------------------


def test_results_are_newest_first_then_by_id(make: Make) -> None:
    index = make(*(document(n, date=JANUARY + day * DAY) for n, day in enumerate([3, 1, 2, 3, 1])), part=2)
    assert index.search(parse("")).ids == (3, 0, 2, 4, 1)
    assert index.search(parse("")).dates[:2] == (JANUARY + 3 * DAY,) * 2
    first = index.search(parse(""), limit=3)
    assert (first.ids, first.total, first.exact) == ((3, 0, 2), 5, True)
    second = index.search(parse(""), limit=3, after=first.after)
    assert (second.ids, second.total, second.after) == ((4, 1), 5, "")


def test_counting_can_be_left_out(make: Make) -> None:
    index = make(*(document(n, date=JANUARY + n) for n in range(9)), part=2)
    first = index.search(parse(""), limit=3, count=False)
    assert (first.ids, first.total, first.exact) == ((8, 7, 6), 0, False)
    second = index.search(parse(""), limit=3, after=first.after)
    assert (second.ids, second.total, second.exact) == ((5, 4, 3), 0, False)


def test_the_most_relevant_results_come_first(make: Make) -> None:
    index = make(
        document(1, body="budget " + "word " * 200),
        document(2, subject="budget", body="budget budget"),
        document(3, body="budget and other things"),
        document(4, body="else"),
    )
    found = index.search(parse("budget"), by_relevance=True, limit=2)
    assert (found.ids, found.total) == ((2, 3), 3)
    rest = index.search(parse("budget"), by_relevance=True, limit=2, after=found.after)
    assert (rest.ids, rest.total, rest.after) == ((1,), 3, "")


@pytest.mark.parametrize("after", ["x", "1.2", "1.2.3.4", "zz.1.1", "ö"])
def test_a_wrong_cursor_is_refused(make: Make, after: str) -> None:
    with pytest.raises(QueryError, match="first"):
        make(TALK).search(parse(""), after=after)


def test_absurd_limits_do_no_harm(make: Make) -> None:
    index = make(TALK)
    assert index.search(parse(""), limit=0).ids == (1,)
    assert index.search(parse(""), limit=1 << 40).ids == (1,)


@pytest.fixture(scope="module")
def talk(maker: IndexMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    index = maker.open(tmp_path_factory.mktemp("talk") / "index")
    index.add([TALK])
    index.commit(1)
    yield index
    index.close()


@given(
    st.text(max_size=60),
    st.sampled_from(["", "from:", "to:", "bcc:", "filename:", "in:", "-", '"']),
    st.booleans(),
)
def test_any_valid_query_can_be_run(talk: SearchIndex, text: str, start: str, wide: bool) -> None:
    query = start + text + "*" * wide
    try:
        node = parse(query)
    except QueryError:
        return
    for by_relevance in (False, True):
        found = talk.search(node, users=lambda name: PEOPLE["anna"], by_relevance=by_relevance)
        assert found.total == len(found.ids) <= 1


def test_signs_that_fold_into_punctuation_are_found(make: Make) -> None:
    index = make(document(1, body="⑴⑵x list"))
    assert find(index, "⑴⑵*") == find(index, "⑴⑵x") == [1]


@pytest.mark.parametrize("scoped", ["", "bob", "exactly bob"])
def test_results_are_read_from_either_end_and_from_any_date(make: Make, scoped: str) -> None:
    """The dates of the shards overlap, and in a scope other people's mail is between the results."""
    dates = {number: JANUARY + number * 37 % 40 * DAY for number in range(1, 121)}
    to_bob = (mention(AddressRole.TO, "bob@x.com"),)
    index = make(*(document(number, date=date, mentions=to_bob) for number, date in dates.items()), part=25)
    mine = [number for number in dates if number % 3] if scoped else list(dates)
    newest = sorted(mine, key=lambda number: (dates[number], number), reverse=True)
    options = {"scope": scope("bob", *mine), "exact": scoped != "bob"} if scoped else {}
    page = partial(index.search, parse(""), users=users, **options)  # type: ignore[arg-type]
    assert page(limit=200).ids == tuple(newest)
    assert page(limit=200, oldest_first=True).ids == tuple(newest[::-1])
    middle = page(limit=5, after=page(limit=20).after)
    assert (list(middle.ids), middle.first) == (newest[20:25], -1)
    back = page(limit=7, after=middle.before, oldest_first=True)
    assert list(back.ids) == newest[13:20][::-1]
    assert list(page(limit=3, after=back.after, oldest_first=True).ids) == newest[10:13][::-1]
    for day in (-1, 0, 17, 39, 50):
        date = JANUARY + day * DAY
        later = sum(dates[number] > date for number in mine)
        earlier = sum(dates[number] < date for number in mine)
        down, up = page(limit=5, around=date), page(limit=5, around=date, oldest_first=True)
        assert (list(down.ids), down.first, down.total) == (newest[later:][:5], later, len(mine))
        assert (list(up.ids), up.first, up.total) == (newest[::-1][earlier:][:5], earlier, len(mine))


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (FileEnd("pdf"), {0, 1}),
        (FileEnd("docx"), {1, 2}),
        (FileEnd("notes"), set()),
        (FileEnd("gz"), {3}),
        (FileEnd("tar.gz"), set()),
        (Not(FileEnd("pdf")), {2, 3, 4}),
        (RecordNumbers((0, 2, 99)), {0, 2}),
        (RecordNumbers(()), set()),
    ],
)
def test_ends_of_file_names_and_sets_of_numbers(make: Make, node: Node, found: set[int]) -> None:
    files: Sequence[Sequence[str]] = (
        ["Q3.PDF"],
        ["x.pdf", "y.docx"],
        ["pdf notes.docx"],
        ["a.tar.gz", "nothing", "a."],
        [],
    )
    index = make(*(document(number, attachments=names) for number, names in enumerate(files)), part=2)
    assert set(index.search(node).ids) == found
