"""Filters of one key, and how a list shows dates and people."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment import api
from muniment.archive.query import And, InFolder, Node, parse
from muniment.errors import QueryError
from muniment.system.time_zones import local_tz
from muniment_tui.messages.dates import listed
from muniment_tui.messages.folder_tree import TreePlace
from muniment_tui.messages.quick_filters import FILES, WEEK, from_sender, query_of, toggled
from muniment_tui.messages.result_list import names_of


def hit(sender: str) -> api.Hit:
    return api.Hit(id="0" * 64, date=0, sender=sender, to="", subject="", size=0, attachments=0, folders=())


@pytest.mark.parametrize(
    ("place", "query"),
    [
        (TreePlace(), ""),
        (TreePlace("a@b.example"), "user:a@b.example"),
        (TreePlace("a@b.example", "Inbox"), "user:a@b.example in:inbox"),
        (TreePlace("a@b.example", "Old mail"), 'user:a@b.example in:"Old mail"'),
        (TreePlace("Anna Berg", "Plans (2024)"), 'user:"Anna Berg" in:"Plans (2024)"'),
        (TreePlace("a@b.example", "Tab\there"), 'user:a@b.example in:"tab\there"'),
        (TreePlace("a@b.example", "a(b"), 'user:a@b.example in:"a(b"'),
        (TreePlace("a@b.example", "really?"), 'user:a@b.example in:"really?"'),
        (TreePlace("a@b.example", 'the "new"'), r'user:a@b.example in:"the \"new\""'),
        (TreePlace("a@b.example", "“a” (b\\"), r'user:a@b.example in:"\“a\” (b\\"'),
    ],
)
def test_a_place_as_a_query(place: TreePlace, query: str) -> None:
    assert query_of(place) == query
    assert toggled(toggled(query, FILES), FILES) == query
    folders = [node for node in nodes(parse(query)) if isinstance(node, InFolder)]
    assert [node.folder.lower() for node in folders] == [place.folder.lower()] * bool(place.folder)


def nodes(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, And) else (node,)


@pytest.mark.parametrize(
    "query", ["", "invoice", 'user:a in:"has:attachment x"', "after:7days", "xhas:attachment"]
)
@pytest.mark.parametrize("condition", [FILES, WEEK, 'from:"Anna Berg"'])
def test_a_condition_is_added_and_removed_again(query: str, condition: str) -> None:
    with_it = toggled(query, condition)
    assert with_it.endswith(condition)
    assert toggled(with_it, condition) == query
    assert toggled(f"{condition} {query}".strip(), condition) == query


@pytest.mark.parametrize(
    "query",
    [
        "a OR has:attachment",
        "has:attachment OR a",
        "has:attachment | a",
        "has:attachment OR(a b)",
        "(a b)OR has:attachment",
        "a OR NOT has:attachment",
        "NOT has:attachment a",
        "-has:attachment a",
        "a AND has:attachment",
        "(a has:attachment b)",
        '"a has:attachment b"',
        'subject:(a OR "x" has:attachment b)',
    ],
)
def test_a_condition_within_a_typed_query_is_no_filter(query: str) -> None:
    with_it = toggled(query, FILES)
    assert with_it == f"{query} {FILES}"
    assert toggled(with_it, FILES) == query
    parse(with_it)
    parse(query)


def test_each_copy_of_a_filter_is_removed() -> None:
    query = 'has:attachment  x has:attachment "y (" z  has:attachment (v)'
    assert toggled(query, FILES) == 'x "y (" z (v)'


@pytest.mark.parametrize(
    ("query", "rest"), [("or has:attachment", "or"), ("ORDER has:attachment FLOOR", "ORDER FLOOR")]
)
def test_words_that_only_look_like_operators_do_not_keep_a_filter(query: str, rest: str) -> None:
    assert toggled(query, FILES) == rest


@given(st.text(alphabet='aO R|()"“-\\', max_size=30))
def test_any_query_gets_a_filter_and_loses_it(query: str) -> None:
    there = toggled(query, FILES)
    assert there.endswith(FILES)
    try:
        parse(query)
        parse(there)
    except QueryError:
        return
    assert toggled(there, FILES) == query.strip()


@pytest.mark.parametrize(
    ("sender", "condition"),
    [
        ("Anna Berg <anna@a.example>", "from:anna@a.example"),
        ("anna@a.example", "from:anna@a.example"),
        ('"Berg (Anna)" <anna>', "from:anna"),
        ('Anna "x" Berg', 'from:"Anna x Berg"'),
        ("<>", ""),
        ('"(*)"', ""),
        ("<&&>", ""),
        (f"<{'a' * 200}@a.example>", ""),
        (f"<{'a' * 64}@a.example>", f"from:{'a' * 64}@a.example"),
    ],
)
def test_the_sender_as_a_condition(sender: str, condition: str) -> None:
    assert from_sender(hit(sender)) == condition
    parse(condition)


NOW = datetime(2026, 1, 7, 12, 0)


@pytest.mark.parametrize(
    ("date", "text"),
    [
        ("2026-01-07 00:05", "today 00:05"),
        ("2026-01-07 23:59", "today 23:59"),
        ("2026-01-06 23:59", "Tue 23:59"),
        ("2026-01-01 08:00", "Thu 08:00"),
        ("2025-12-31 08:00", "2025-12-31"),
        ("2026-01-08 08:00", "2026-01-08"),
        ("2027-01-08 08:00", "2027-01-08"),
        ("1980-03-03 08:00", "1980-03-03"),
    ],
)
def test_a_date_in_a_list(date: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW.replace(tzinfo=local_tz()).timestamp()
    monkeypatch.setattr(time, "time", lambda: now)
    assert listed(int(datetime.fromisoformat(date).replace(tzinfo=local_tz()).timestamp())) == text


def test_a_date_of_this_year_has_day_and_month(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = local_tz()
    monkeypatch.setattr(time, "time", lambda: datetime(2026, 12, 1, tzinfo=zone).timestamp())
    assert listed(int(datetime(2026, 3, 3, tzinfo=zone).timestamp())) == "3 Mar"


@pytest.mark.parametrize(
    ("to", "names"),
    [
        ("Bob <b@x.example>", "Bob"),
        ('"Stone, Bob" <b@x.example>, c@x.example', "Stone, Bob, c@x.example"),
        ("", ""),
        ('"' * 900 + ",", '"' * 400),
        (f'Eve <e@x.example>, "Stone, {"B" * 400}', f'Eve, "Stone, {"B" * 373}'),
        ('"Stone \\"Bob, Bobby\\", Jr" <b@x.example>, Eve <e@x.example>', "Stone \\Bob, Bobby\\, Jr, Eve"),
    ],
)
def test_the_people_of_a_field(to: str, names: str) -> None:
    assert names_of(to).replace('"', "") == names.replace('"', "")
