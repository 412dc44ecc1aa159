"""Parsing of IMAP answers: labels, searches, bodies, and namespaces with their folders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.sources.imap.namespaces import FolderOwner, ImapNamespace, locate, own_prefix, read_namespaces
from muniment.sources.imap.text import read_bodies, read_found, read_list, read_rows

OWN, ANOTHERS, PUBLIC = FolderOwner


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'(("" "/")) NIL NIL', [(b"", OWN)]),
        (b'(("INBOX." ".")) (("user." ".")) (("" "."))',
         [(b"INBOX.", OWN), (b"user.", ANOTHERS), (b"", PUBLIC)]),
        (b'(("INBOX." ".")) NIL (("#shared." ".")("shared." "."))',
         [(b"INBOX.", OWN), (b"#shared.", PUBLIC), (b"shared.", PUBLIC)]),
        (b'(("" "/" "X-PARAM" ("FLAG1" "FLAG2"))) (("~" "/")) NIL', [(b"", OWN), (b"~", ANOTHERS)]),
        (b'(("a\\"b" "/")) NIL NIL', [(b'a"b', OWN)]),
        (b"NIL NIL NIL", []),
        (b"", []),
        (b"((((((((((((((((((((((((", []),
        (b'))(("x" "/"))', [(b"x", OWN)]),
    ],
)  # fmt: skip
def test_namespaces_are_read(line: bytes, found: list[tuple[bytes, FolderOwner]]) -> None:
    assert [tuple(one) for one in read_namespaces(line)] == found


@given(st.lists(st.sampled_from([b"(", b")", b'"a"', b"NIL", b" ", b'"', b"\\", b"x"])).map(b"".join))
def test_any_answer_to_namespace_can_be_read(line: bytes) -> None:
    for one in read_namespaces(line):
        assert one.whose in FolderOwner


CYRUS = [ImapNamespace(b"INBOX.", OWN), ImapNamespace(b"user.", ANOTHERS), ImapNamespace(b"", PUBLIC)]
SHARED = [ImapNamespace(b"", OWN), ImapNamespace(b"shared/", ANOTHERS), ImapNamespace(b"Public/", PUBLIC)]


@pytest.mark.parametrize(
    ("spaces", "line", "title", "whose", "person"),
    [
        (CYRUS, b'() "." INBOX', "Inbox", OWN, ""),
        (CYRUS, b'() "." "inbox.Archive.2026"', "Archive/2026", OWN, ""),
        (CYRUS, b'() "." "INBOX.a/b"', "a\\/b", OWN, ""),
        (CYRUS, b'() "." "INBOX.Inbox"', "INBOX/Inbox", OWN, ""),
        (CYRUS, b'() "." "user.bert"', "Inbox", ANOTHERS, "bert"),
        (CYRUS, b'() "." "user.b^smith.Sent"', "Sent", ANOTHERS, "b.smith"),
        (CYRUS, b'() "." "Notices.2026"', "Notices/2026", PUBLIC, ""),
        (SHARED, b'() "/" INBOX', "Inbox", OWN, ""),
        (SHARED, b'() "/" "shared/bert@example.com/Team/x"', "Team/x", ANOTHERS, "bert@example.com"),
        (SHARED, b'() "/" "Public"', "Public", PUBLIC, ""),
        (SHARED, b'() "/" "Publicity"', "Publicity", OWN, ""),
        (SHARED, b'() "/" "#news/x"', "#news/x", PUBLIC, ""),
        ([ImapNamespace(b"INBOX", OWN)], b'() "/" "INBOX/Archive"', "Archive", OWN, ""),
        ([ImapNamespace(b"INBOX", OWN)], b'() "/" "INBOXES"', "INBOXES", OWN, ""),
        (
            [ImapNamespace(b"", OWN), ImapNamespace(b"~", ANOTHERS)],
            b'() "/" "~bert/Team"',
            "Team",
            ANOTHERS,
            "bert",
        ),
        ([], b'() "/" "Any/thing"', "Any/thing", OWN, ""),
        ([], b'() "/" "#shared/x"', "#shared/x", PUBLIC, ""),
    ],
)
def test_the_namespace_says_who_owns_a_folder(
    spaces: list[ImapNamespace], line: bytes, title: str, whose: FolderOwner, person: str
) -> None:
    (found,) = locate(read_list([line]), spaces)
    assert (found.title, found.whose, found.person) == (title, whose, person)


def test_without_namespaces_a_common_prefix_is_removed() -> None:
    inbox, below = b'() "." INBOX', [b'() "." INBOX.Sent', b'() "." INBOX.Archive']
    assert [one.title for one in locate(read_list([inbox, *below]), [])] == ["Inbox", "Sent", "Archive"]
    mixed = [*below, b'() "." Other']
    assert [one.title for one in locate(read_list(mixed), [])] == ["Sent", "INBOX/Archive", "Other"]
    assert own_prefix([]) == ""


def test_views_are_recognised() -> None:
    lines = [b'(\\Flagged) "/" "Starred"', b'(\\Important) "/" "Priority"', b'(\\All) "/" "[Gmail]/All Mail"']
    assert [one.view for one in locate(read_list(lines[:2]), [])] == [True, False]
    assert [one.view for one in locate(read_list(lines), [])] == [True, True, False]


ROW = b'1 (UID 5%s RFC822.SIZE 10 INTERNALDATE " 1-Feb-2024 00:00:00 +0000" FLAGS (\\Seen))'


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (b"", ()),
        (b" X-GM-LABELS ()", ()),
        (b' X-GM-LABELS ("\\\\Inbox" "\\\\Sent" Kunden "a b" "\\"q\\"")',
         ("\\Inbox", "\\Sent", "Kunden", "a b", '"q"')),
        (b' X-GM-LABELS ("UID 99 FLAGS (x)" "&ANw-ber")', ("UID 99 FLAGS (x)", "Über")),
    ],
)  # fmt: skip
def test_labels_are_read_and_do_not_disturb_the_rest(labels: bytes, found: tuple[str, ...]) -> None:
    (row,) = read_rows([ROW % labels])
    assert (row.uid, row.size, row.flags, row.labels) == (5, 10, ("\\Seen",), found)


def test_a_label_in_a_literal_is_read() -> None:
    data = [(b"1 (X-GM-LABELS ({3}", b"a)b"), (b' "c" {1}', b"d"), b") UID 5 RFC822.SIZE 10 FLAGS ())"]
    (row,) = read_rows(data)
    assert (row.uid, row.labels) == (5, ("a)b", "c", "d"))


@pytest.mark.parametrize(
    ("search", "esearch", "found"),
    [
        ([b"1 2 3"], [None], {1, 2, 3}),
        ([None], [None], set()),
        ([None], [b'(TAG "A1") UID ALL 2:4,7'], {2, 3, 4, 7}),
        ([None], [b'(TAG "A1") UID'], set()),
        ([None], [b'(TAG "A1") UID COUNT 2 ALL 9:8'], {8, 9}),
    ],
)
def test_answers_to_search_are_read_in_both_forms(
    search: list[bytes | None], esearch: list[bytes | None], found: set[int]
) -> None:
    assert read_found(search, esearch) == found


def test_an_absurd_range_is_refused() -> None:
    with pytest.raises(ValueError, match="1:4294967295"):
        read_found([None], [b"UID ALL 1:4294967295"])
    with pytest.raises(ValueError, match="1:900000"):
        read_found([None], [b"UID ALL " + b"1:900000," * 100 + b"1"])


def test_an_incomplete_body_is_left_out() -> None:
    data = [(b"1 (UID 1 BODY[] {3}", b"abc"), b")", (b"2 (UID 2 BODY[] {5}", b"ab")]
    assert list(read_bodies(data)) == [(1, b"abc")]


N = 300_000
"""Bytes of a hostile line, which would take minutes if parsing took quadratic time."""


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "line",
    [
        b'"' + b'\\"' * (N // 2),
        b"(" * N,
        b'("' * (N // 2),
        b"\\" * N,
        b'"a" ' * (N // 4),
        b"((" + b'"a" NIL ' * (N // 8),
    ],
)
def test_hostile_namespaces_take_linear_time(line: bytes) -> None:
    assert len(read_namespaces(line)) <= 1


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "labels",
    [b"X-GM-LABELS (", b'X-GM-LABELS ("', b'X-GM-LABELS ("a', b'X-GM-LABELS ("\\" ', b"X-GM-LABELS (\\"],
)
def test_hostile_labels_take_linear_time(labels: bytes) -> None:
    line = b"1 (UID 5 " + labels * (N // len(labels)) + b" RFC822.SIZE 10 FLAGS ())"
    assert len(list(read_rows([line]))) <= 1


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "line",
    [
        b'() "/" "' + b"a/" * (N // 2) + b'"',
        b'() "/" "' + b'\\"' * (N // 2),
        b"(" * N,
        b'() "' + b"\\" * N,
        b'() "/" ' + b"&" * N,
        b'() "/" ' + b"&-" * (N // 2),
    ],
)
def test_hostile_folders_take_linear_time_and_little_memory(line: bytes) -> None:
    for one in locate(read_list([line]), SHARED):
        assert len(one.folder.names) <= 100
        assert len(one.folder.above) < 100
