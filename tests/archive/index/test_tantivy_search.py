"""Searches in Tantivy: its limits, and the form of its positions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.index import IndexDocument, SearchScope, UserAddress, UserAddresses
from muniment.archive.index.index import TantivyIndex
from muniment.archive.index.search import SearchLimits
from muniment.archive.query import parse
from muniment.errors import QueryError
from muniment.mail.model import AddressRole
from support.indexed import DAY, JANUARY, document, mention
from support.indexes import HEAP, TantivyMaker, find


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TantivyIndex]:
    opened = TantivyMaker().open(tmp_path / "index")
    yield opened
    opened.close()


def fill(index: TantivyIndex, *docs: IndexDocument) -> None:
    index.add(docs)
    index.commit(len(docs))


def test_absurd_positions_do_no_harm(index: TantivyIndex) -> None:
    fill(index, document(1))
    assert index.search(parse(""), after="f" * 40 + ".1.1").ids == (1,)
    assert index.search(parse(""), after="0.1.1").ids == ()
    assert index.search(parse(""), after="-5.1.1").ids == ()
    assert index.search(parse(""), after="f" * 40 + ".1.1", by_relevance=True).ids == ()


def test_a_phrase_with_too_many_matching_words_is_refused(index: TantivyIndex) -> None:
    fill(index, document(1, body=" ".join(f"see ab{n}" for n in range(20_000))))
    with pytest.raises(QueryError, match="Too many words match"):
        find(index, '"see" OR see.ab*')


def test_the_position_of_a_date_in_a_persons_mail_may_be_an_estimate(tmp_path: Path) -> None:
    limits = SearchLimits(max_examined=50, batch=10, verify_all=10)
    to_bob = (mention(AddressRole.TO, "bob@x.com"),)
    mine = SearchScope(UserAddresses((UserAddress("bob@x.com"),)), set)
    with closing(TantivyIndex.open(tmp_path / "index", heap=HEAP, limits=limits)) as index:
        fill(index, *(document(n, date=JANUARY + n * DAY, mentions=to_bob) for n in range(1, 301)))
        found = index.search(parse(""), scope=mine, limit=3, around=JANUARY + 100 * DAY)
    assert (found.ids, found.first, found.exact) == ((100, 99, 98), 200, False)
