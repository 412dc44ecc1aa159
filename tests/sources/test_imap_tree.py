"""IMAP: all folders of a mailbox, on a real server."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from muniment.sources.base import FetchedItem, MailItem, Source, UnfetchedItem
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice, FolderUse
from muniment.sources.imap.text import encode_folder, quoted, read_list
from support.boxes import ServerBox, held, server_box
from support.dovecot import Dovecot


@pytest.fixture
def account(dovecot: Dovecot, tmp_path: Path) -> Iterator[ServerBox]:
    box = server_box(dovecot, "plain-imap", tmp_path / "work")
    yield box
    box.close()


@pytest.fixture
def session(account: ServerBox) -> Iterator[imaplib.IMAP4]:
    """Another session in the same mailbox."""
    with imaplib.IMAP4(account.server.host, account.server.imap) as imap:
        imap.login(account.account.name, account.account.password)
        yield imap


EVERYTHING = FolderChoice()


def mail(subject: str) -> bytes:
    return f"From: ann@example.org\r\nSubject: {subject}\r\n\r\ntext\r\n".encode()


def fill(session: imaplib.IMAP4, name: str, *subjects: str) -> None:
    quoted_name = quoted(encode_folder(name))
    if name != "INBOX":
        assert session.create(quoted_name)[0] == "OK"  # type: ignore[arg-type]
    for subject in subjects:
        assert session.append(quoted_name, "", "", mail(subject))[0] == "OK"  # type: ignore[arg-type]


@contextmanager
def tree(account: ServerBox, choice: FolderChoice = EVERYTHING) -> Iterator[Source]:
    source = open_source(replace(account.endpoint, folders=choice), sleep=lambda _: None)
    source.connect()
    yield source
    source.close()


def titled(items: list[MailItem]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        found[item.place.title] = found.get(item.place.title, 0) + 1
    return found


NAMES = ["Übersicht", "顧客", "a&b", 'say "hi"', "back\\slash", "per%2Fcent", "😀 fun", "Проекты"]


def test_every_folder_is_listed_by_its_name(account: ServerBox, session: imaplib.IMAP4) -> None:
    for name in NAMES:
        fill(session, name, "one", "two")
    fill(session, "Deep.er.est", "three")
    fill(session, "INBOX", "four")
    with tree(account) as source:
        items = list(source.listing())
        expected = {name.replace("\\", "\\\\"): 2 for name in NAMES}
        assert titled(items) == expected | {"Deep/er/est": 1, "Inbox": 1}
        answers = list(source.fetch(items))
        assert all(isinstance(a, FetchedItem) for a in answers)
        assert {a.item for a in answers} == set(items)


def test_one_key_can_be_in_many_folders(account: ServerBox, session: imaplib.IMAP4) -> None:
    for n in range(20):
        fill(session, f"f{n}", f"in {n}")
    with tree(account) as source:
        items = list(source.listing())
        contents = {a.item.place.title: a.content for a in source.fetch(items) if isinstance(a, FetchedItem)}
        assert contents == {f"f{n}": mail(f"in {n}") for n in range(20)}


def test_special_folders_are_left_out_unless_they_are_named(
    account: ServerBox, session: imaplib.IMAP4
) -> None:
    for name in ("Papierkorb", "Entwürfe", "Gesendete Elemente", "Kunden", "Kunden.Alt"):
        fill(session, name, "x")

    def found(choice: FolderChoice) -> dict[str, int]:
        with tree(account, choice) as source:
            return titled(list(source.listing()))

    assert found(EVERYTHING) == {"Sent": 1, "Kunden": 1, "Kunden/Alt": 1}
    assert found(FolderChoice(leave_out=()))["Papierkorb"] == 1
    assert found(FolderChoice(take=("Kunden", "@deleted"), leave_out=("*/Alt",))) == {
        "Kunden": 1,
        "Papierkorb": 1,
    }
    assert found(FolderChoice(take=("@deleted",))) == {"Papierkorb": 1}


def test_a_message_is_deleted_only_in_its_own_folder(account: ServerBox, session: imaplib.IMAP4) -> None:
    fill(session, "A", "a1", "a2")
    fill(session, "B", "b1", "b2")
    with tree(account) as source:
        items = list(source.listing())
        chosen = [item for item in items if item.key.endswith(":1")]
        assert sorted(i.place.title for i in source.delete(chosen)) == ["A", "B"]
        left = list(source.listing())
        assert sorted(held(a) for a in source.fetch(left) if isinstance(a, FetchedItem)) == [
            mail("a2"),
            mail("b2"),
        ]


def test_a_folder_that_disappears_does_not_stop_the_others(
    account: ServerBox, session: imaplib.IMAP4
) -> None:
    for name in ("A", "B", "C"):
        fill(session, name, *"xyz")
    with tree(account) as source:
        items = list(source.listing())
        session.rename("A", "Renamed")
        session.delete("B")
        answers = list(source.fetch(items))
        assert [a.item.place.title for a in answers if isinstance(a, FetchedItem)] == ["C"] * 3
        gone = [a for a in answers if isinstance(a, UnfetchedItem)]
        assert [a.gone for a in gone] == [True] * 6
        assert source.delete([a.item for a in gone]) == []
        assert titled(list(source.listing())) == {"Renamed": 3, "C": 3}


def test_two_hundred_folders_deep_and_wide(account: ServerBox, session: imaplib.IMAP4) -> None:
    deep = [".".join(f"d{n}" for n in range(depth)) for depth in range(1, 21)]
    for name in [*deep, *(f"w{n}" for n in range(180))]:
        fill(session, name, name)
    with tree(account) as source:
        items = list(source.listing())
        assert len(titled(items)) == 200
        assert {item.place.title for item in items} >= {name.replace(".", "/") for name in deep}
        assert sum(isinstance(a, FetchedItem) for a in source.fetch(items)) == 200


@pytest.mark.parametrize(
    ("line", "levels", "use"),
    [
        (rb'(\HasNoChildren \Sent) "/" "Verschickt"', ("Verschickt",), FolderUse.SENT),
        (rb'(\HasNoChildren) "/" INBOX', ("INBOX",), FolderUse.INBOX),
        (rb'() "\\" "a\\b \"c\" &- d"', ("a", 'b "c" & d'), FolderUse.NONE),
        (rb'() NIL "a.b"', ("a.b",), FolderUse.NONE),
        (b'() "." "tab\tbell\x07.&AAE-"', ("tab\tbell\x07", "\x01"), FolderUse.NONE),
        (rb'() "/" "&broken/&Jjo-"', ("&broken", "\u263a"), FolderUse.NONE),
        (b'() "/" "\xff\xfe"', ("??",), FolderUse.NONE),
    ],
)
def test_answers_to_list_are_read(line: bytes, levels: tuple[str, ...], use: FolderUse) -> None:
    found = read_list([line])
    assert [(one.levels, one.use) for one in found] == [(levels, use)]


def test_names_in_literals_are_read_and_other_lines_ignored() -> None:
    data = [(b'() "/" {5}', b'a "b"'), b"", rb'(\Noselect) "/" "gone"', None]
    assert [one.levels for one in read_list(data)] == [('a "b"',)]
