"""The contract of every index: any query finds what reading every message finds."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.archive import query as q
from muniment.archive.index import IndexDocument, SearchIndex, UserAddress, UserAddresses
from muniment.mail.model import INBOX_ROLES, SENT_ROLES, AddressRole
from support.indexed import DAY, JANUARY, document, mention
from support.indexes import IndexMaker

WORDS = ["red", "redder", "car", "anna", "invoice"]
ADDRESSES = ["anna@x.com", "bob@x.com", "anna@y.org"]
PEOPLE = {"anna": ("anna@x.com", "anna@y.org"), "bob": ("bob@x.com",)}

_text = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
_mention = st.builds(
    mention,
    st.sampled_from(
        [AddressRole.SENDER, AddressRole.TO, AddressRole.CC, AddressRole.BCC, AddressRole.RECIPIENT]
    ),
    st.sampled_from(ADDRESSES),
    trusted=st.booleans(),
)
_document = st.builds(
    document,
    st.integers(0, 30),
    date=st.integers(0, 5).map(lambda day: JANUARY + day * DAY),
    size=st.integers(0, 5),
    subject=_text,
    sender=st.sampled_from(["", *ADDRESSES]),
    body=_text,
    attachments=st.lists(st.sampled_from(["red.pdf", "car.txt"]), max_size=2),
    mentions=st.lists(_mention, max_size=3),
)

_word = st.sampled_from(WORDS)
_field = st.sampled_from(["", "subject", "body", "filename"])
_day = st.integers(0, 6).map(lambda day: JANUARY + day * DAY)
_leaf = st.one_of(
    st.builds(q.WordTerm, _word, _field),
    st.builds(q.PhraseTerm, st.lists(_word, min_size=2, max_size=3).map(" ".join), _field),
    st.builds(q.PrefixTerm, st.sampled_from(["re", "in", "zz"]), _field),
    st.builds(q.WordTerm, st.sampled_from(ADDRESSES), st.sampled_from(["from", "to", "cc", "bcc"])),
    st.builds(q.DatedSince, _day),
    st.builds(q.DatedBefore, _day),
    st.builds(q.LargerThan, st.integers(0, 6)),
    st.builds(q.SmallerThan, st.integers(0, 6)),
    st.just(q.HasAttachment()),
    st.builds(q.InFolder, st.sampled_from(["inbox", "sent"])),
    st.builds(q.UserTerm, st.sampled_from(sorted(PEOPLE))),
)
_query = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(q.both),
        st.lists(inner, min_size=1, max_size=3).map(q.either),
        inner.map(q.negate),
    ),
    max_leaves=8,
)


def users(name: str) -> UserAddresses:
    return UserAddresses(tuple(UserAddress(address) for address in PEOPLE[name]))


def placed(doc: IndexDocument, names: list[str] | None, folder: str = "") -> bool:
    """Return whether a message is in a folder ("" for any) of one of these people (None for any person)."""
    wanted = None if names is None else {address for name in names for address in PEOPLE[name]}
    roles = {"": INBOX_ROLES | SENT_ROLES, "inbox": INBOX_ROLES, "sent": SENT_ROLES}[folder]
    return any(
        m.trusted and m.role in roles and (wanted is None or m.address in wanted) for m in doc.mentions
    )


def texts(doc: IndexDocument, field: str) -> list[str]:
    names = list(doc.text.filenames)
    plain = [doc.text.subject, doc.text.body, doc.text.sender, *names]
    return {"": plain, "subject": [doc.text.subject], "body": [doc.text.body], "filename": names}[field]


def has_words(text: str, words: list[str], prefix: bool) -> bool:
    found = re.findall(r"\w+", text)
    for start in range(len(found) - len(words) + 1):
        here = found[start : start + len(words)]
        if here == words or (prefix and here[:-1] == words[:-1] and here[-1].startswith(words[-1])):
            return True
    return False


def addressed(doc: IndexDocument, field: str, address: str) -> bool:
    roles = {
        "from": {AddressRole.SENDER},
        "to": {AddressRole.TO, AddressRole.RECIPIENT},
        "cc": {AddressRole.CC},
        "bcc": {AddressRole.BCC},
    }[field]
    in_header = field == "from" and doc.text.sender == address
    return in_header or any(m.role in roles and m.address == address for m in doc.mentions)


def matches(doc: IndexDocument, node: q.Node, about: list[str] | None = None) -> bool:
    match node:
        case q.And(items):
            named = [i.name for i in items if isinstance(i, q.UserTerm)]
            for item in items:
                if isinstance(item, q.Or) and all(isinstance(one, q.UserTerm) for one in item.items):
                    named += [one.name for one in item.items if isinstance(one, q.UserTerm)]
            return all(matches(doc, item, named or about) for item in items)
        case q.Or(items):
            return any(matches(doc, item, about) for item in items)
        case q.Not(item):
            return not matches(doc, item, about)
        case q.WordTerm(text, field) if "@" in text:
            return addressed(doc, field, text)
        case q.WordTerm(text, field) | q.PhraseTerm(text, field) | q.PrefixTerm(text, field):
            prefix = isinstance(node, q.PrefixTerm)
            return any(has_words(one, text.split(), prefix) for one in texts(doc, field))
        case q.DatedSince(time):
            return doc.date >= time
        case q.DatedBefore(time):
            return doc.date < time
        case q.LargerThan(size):
            return doc.size > size
        case q.SmallerThan(size):
            return doc.size < size
        case q.HasAttachment():
            return doc.attachments > 0
        case q.InFolder(folder):
            return placed(doc, about, folder)
        case q.UserTerm(name):
            return placed(doc, [name])
        case _:
            raise TypeError(node)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    batches=st.lists(st.lists(_document, max_size=8), min_size=1, max_size=3),
    queries=st.lists(_query, min_size=1, max_size=6),
    part=st.integers(1, 6),
    limit=st.integers(1, 7),
)
def test_a_search_finds_what_reading_every_message_finds(
    maker: IndexMaker, batches: list[list[IndexDocument]], queries: list[q.Node], part: int, limit: int
) -> None:
    held: dict[int, IndexDocument] = {}
    with tempfile.TemporaryDirectory() as name:
        index = maker.open(Path(name) / "index", part=part)
        for batch in batches:
            index.add(batch)
            held.update({doc.id: doc for doc in batch})
            index.commit(1)
        for node in [q.EVERYTHING, *queries]:
            hits = sorted((doc.date, doc.id) for doc in held.values() if matches(doc, node))[::-1]
            assert read_all(index, node, limit, len(hits)) == [number for _, number in hits]
            ranked = index.search(node, users=users, limit=100, by_relevance=True)
            assert sorted(ranked.ids) == sorted(number for _, number in hits)
        index.close()


def read_all(index: SearchIndex, node: q.Node, limit: int, total: int) -> list[int]:
    """Return the ids of all pages, in order."""
    ids: list[int] = []
    after = ""
    while True:
        found = index.search(node, users=users, limit=limit, after=after)
        assert (found.total, found.exact) == (total, True)
        ids += found.ids
        after = found.after
        if not after:
            return ids
