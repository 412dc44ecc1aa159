"""Listings: rows by number from pages by place, compared with complete lists and with ten million rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.api import ListMessages, Search
from muniment_tui.messages.listing import NEWEST, OLDEST, RELEVANT, MailListing
from support.endless import MANY, START, Folder, spread

FOLDER = ListMessages(user="bob", folder="Inbox")


def read(listing: MailListing, folder: Folder, start: int, end: int) -> list[int]:
    """The messages, by number, that a listing returns as rows [start, end)."""
    for _ in range(100):
        rows = listing.rows(start, end)
        if rows is not None:
            return [int(row.id, 16) for row in rows]
        step = listing.plan(start, end)
        listing.take(step, folder.say(step.request))
    raise AssertionError("the rows never arrived")


@pytest.mark.parametrize("order", [NEWEST, OLDEST])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_row_has_its_number(order: str, data: st.DataObject) -> None:
    dates = sorted(data.draw(st.lists(st.integers(0, 5_000), max_size=400)) * 8)
    folder = Folder(dates, short=data.draw(st.sampled_from([7, 1 << 60])))
    due = list(range(len(dates)))[:: -1 if order == NEWEST else 1]
    listing = MailListing(FOLDER, order)
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, max(len(dates), 1)))
        end = start + data.draw(st.integers(1, 120))
        assert read(listing, folder, start, end) == due[start:end]


def test_new_mail_does_not_move_rows() -> None:
    dates = list(range(500))
    folder = Folder(dates)
    listing = MailListing(FOLDER)
    assert read(listing, folder, 0, 100) == list(range(499, 399, -1))
    dates += [600, 700]
    assert read(listing, folder, 100, 200) == list(range(399, 299, -1))
    listing._rows.clear()
    assert read(listing, folder, 0, 100) == list(range(499, 399, -1))


@pytest.mark.parametrize("kind", ["even", "skewed"])
@pytest.mark.parametrize("counted", [20_000, 1 << 60])
def test_any_of_ten_million_rows_is_reached_in_a_few_requests(kind: str, counted: int) -> None:
    folder = Folder(spread(kind), counted)
    listing = MailListing(FOLDER)
    for start in (0, MANY - 100, MANY // 2, MANY // 2 - 100, MANY // 2 + 100, 77, MANY // 3, MANY - 5_000):
        before = len(folder.asked)
        rows = read(listing, folder, start, start + 100)
        assert len(folder.asked) - before <= 10
        assert rows == sorted(rows, reverse=True)
        if counted > MANY and kind == "even":
            assert rows[0] == MANY - 1 - start
    assert max(request.limit for request in folder.asked) <= 1_100
    assert len(listing._rows) <= 8_000


def test_memory_is_bounded() -> None:
    folder = Folder(spread("even"))
    listing = MailListing(FOLDER, kept=800, places=400)
    for start in range(0, 60_000, 100):
        read(listing, folder, start, start + 100)
    assert len(folder.asked) == 600
    assert len(listing._rows) <= 800
    assert len(listing._forward) <= 400
    assert read(listing, folder, 59_900, 60_000)[0] == MANY - 1 - 59_900


def test_going_to_a_date() -> None:
    folder = Folder(range(START, START + 1000))
    listing = MailListing(FOLDER)
    read(listing, folder, 0, 10)
    step = listing.at_date(START + 700, 10)
    listing.take(step, folder.say(step.request))
    assert listing.landed == 299
    asked = len(folder.asked)
    assert read(listing, folder, 299, 309) == list(range(700, 690, -1))
    assert len(folder.asked) == asked
    assert read(listing, folder, 200, 300) == list(range(799, 699, -1))
    assert len(folder.asked) == asked + 1


def test_a_wrong_estimate_at_an_end_restarts_the_list() -> None:
    folder = Folder(range(START, START + 2_000), counted=10)
    listing = MailListing(FOLDER)
    read(listing, folder, 0, 10)
    step = listing.at_date(START + 200, 10)
    answer = folder.say(step.request)
    listing.take(step, answer)
    assert not answer.exact
    at = listing.landed
    while listing.restart_at is None:
        step = listing.plan(at, min(at + 100, listing.total))
        listing.take(step, folder.say(step.request))
        at = min(at + 100, listing.total - 1)
    assert listing.restart_at == 1_999
    assert read(listing, folder, 1_950, 2_000) == list(range(49, -1, -1))


def test_the_best_results_are_read_forward_only() -> None:
    folder = Folder(range(START, START + 5_000))
    listing = MailListing(Search(query="x"), RELEVANT)
    assert len(read(listing, folder, 0, 100)) == 100
    assert listing.total == 1_000
    assert len(read(listing, folder, 900, 1_000)) == 100
    assert not [request for request in folder.asked if request.oldest_first or request.around]
    assert len(folder.asked) == 2


def test_an_estimated_total_is_corrected() -> None:
    folder = Folder(range(START, START + 50))
    listing = MailListing(Search(query="x"))
    step = listing.plan(0, 20)
    listing.take(step, replace(folder.say(step.request), total=60, exact=False))
    assert listing.total == 60
    assert read(listing, folder, 20, 60) == list(range(29, -1, -1))
    assert listing.total == 50
