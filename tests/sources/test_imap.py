"""IMAP: changes by other sessions, broken connections, folders, and deleting no other message."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, FetchedItem
from muniment.sources.imap.bodies import PIECE
from muniment.sources.imap.client import AnswerTooLarge, ImapClient
from muniment.sources.imap.text import encode_folder, read_bodies, read_rows, uid_set
from muniment.sources.source_limits import SourceLimits
from support.boxes import ServerBox, bodies, server_box
from support.dovecot import Dovecot
from support.proxy import Proxy

MAILS = [b"Subject: %d\r\n\r\n" % n + b"text of %d\r\n" % n * 200 for n in range(300)]


@pytest.fixture
def account(dovecot: Dovecot, tmp_path: Path) -> Iterator[ServerBox]:
    """A mailbox with 300 messages, on an unencrypted connection."""
    box = server_box(dovecot, "plain-imap", tmp_path / "work")
    box.put(MAILS)
    yield box
    box.close()


@pytest.fixture
def other(account: ServerBox) -> Iterator[imaplib.IMAP4]:
    """Another session on the same mailbox."""
    with imaplib.IMAP4(account.server.host, account.server.imap) as session:
        session.login(account.account.name, account.account.password)
        session.select()
        yield session


def test_an_interrupted_fetch_is_resumed(account: ServerBox, dovecot: Dovecot) -> None:
    with Proxy((dovecot.host, dovecot.imap)) as proxy:
        source = account.connected(port=proxy.port, limits=SourceLimits(fetched_at_once=50))
        items = list(source.listing())
        proxy.cut_after(300_000)
        assert sorted(bodies(source.fetch(items))) == sorted(MAILS)
        assert proxy.connections() == 2


def test_an_interrupted_deletion_is_repeated(account: ServerBox, dovecot: Dovecot) -> None:
    with Proxy((dovecot.host, dovecot.imap)) as proxy:
        source = account.connected(port=proxy.port)
        items = list(source.listing())
        proxy.cut_before(b"EXPUNGE")
        assert len(source.delete(items[:7])) == 7
        proxy.cut_behind(b"EXPUNGE")
        assert len(source.delete(items[7:9])) == 2
        assert proxy.connections() == 3
    assert len(account.account.files()) == 291


def test_reading_sets_no_flags(account: ServerBox, other: imaplib.IMAP4) -> None:
    source = account.connected()
    bodies(source.fetch(list(source.listing())))
    assert other.search(None, "UNSEEN")[1][0].split() == other.search(None, "ALL")[1][0].split()


def test_deleting_keeps_messages_that_others_marked(account: ServerBox, other: imaplib.IMAP4) -> None:
    other.store("5:9", "+FLAGS", r"(\Deleted)")
    source = account.connected()
    items = list(source.listing())
    assert [i for i in items if r"\Deleted" in i.flags] == items[4:9]
    assert len(source.delete([items[0]])) == 1
    assert len(account.account.files()) == 299


def test_dates_and_flags_are_listed(account: ServerBox, other: imaplib.IMAP4) -> None:
    other.append("INBOX", r"(\Seen \Flagged)", '"03-Feb-2021 04:05:06 +0230"', b"Subject: x\r\n\r\n")
    item = list(account.connected().listing())[-1]
    assert item.date == 1612316106
    assert set(item.flags) >= {r"\Seen", r"\Flagged"}
    assert item.size == 14


def test_a_listing_is_complete_while_others_expunge(account: ServerBox, other: imaplib.IMAP4) -> None:
    listing = iter(account.connected(limits=SourceLimits(listed_at_once=20)).listing())
    keys = [next(listing).key for _ in range(50)]
    other.store("1:55", "+FLAGS", r"(\Deleted)")
    other.expunge()
    keys += [item.key for item in listing]
    assert len(keys) == len(set(keys))
    assert {int(key.split(":")[1]) for key in keys} >= set(range(56, 301))


@pytest.mark.parametrize("folder", ["Jöurnal & Café/日本", 'a "quoted" \\ one', "plain", "&"])
def test_folders_of_any_name_are_read(account: ServerBox, other: imaplib.IMAP4, folder: str) -> None:
    folder = folder.replace("/", "-")
    name = '"' + encode_folder(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert other.create(name)[0] == "OK"
    other.append(name, "", "", b"Subject: there\r\n\r\n")
    source = account.connected(folder=folder)
    (item,) = source.listing()
    assert item.place.folder == folder
    assert bodies(source.fetch([item])) == [b"Subject: there\r\n\r\n"]


def test_folder_names_are_encoded_by_the_rfc() -> None:
    assert encode_folder("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert encode_folder("Tom & Jerry") == "Tom &- Jerry"


def test_a_missing_folder_is_named(account: ServerBox) -> None:
    with pytest.raises(SourceError, match="can't open the folder Nowhere"):
        account.source(folder="Nowhere").connect()


def test_a_recreated_folder_is_noticed(account: ServerBox, other: imaplib.IMAP4) -> None:
    other.create("Journal")
    other.append("Journal", "", "", MAILS[0])
    source = account.connected(folder="Journal")
    items = list(source.listing())
    source.close()
    other.delete("Journal")
    other.create("Journal")
    other.append("Journal", "", "", MAILS[1])
    with pytest.raises(SourceError, match="UIDVALIDITY changed"):
        list(source.fetch(items))
    fresh = account.connected(folder="Journal")
    assert len(list(fresh.listing())) == 1
    with pytest.raises(SourceError, match="UIDVALIDITY changed"):
        fresh.delete(items)


def test_without_uidplus_nothing_is_deleted(account: ServerBox, dovecot: Dovecot) -> None:
    with Proxy((dovecot.host, dovecot.imap), hide=(b"UIDPLUS", b"X-NOPE!")) as proxy:
        source = account.connected(port=proxy.port)
        with pytest.raises(SourceError, match="no UIDPLUS"):
            source.delete(list(source.listing())[:1])
    assert len(account.account.files()) == 300


def test_a_server_that_lies_about_sizes_is_read_in_pieces(
    account: ServerBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A literal that is too large for memory is refused, and then fetched in pieces to a file."""
    large = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * (SPOOL_ABOVE // 18 + 10)
    account.put([large])
    source = account.connected()
    items = list(source.listing())
    read = ImapClient.read

    def guarded(client: ImapClient, size: int) -> bytes:
        if size > PIECE:
            raise AnswerTooLarge
        return read(client, size)

    monkeypatch.setattr(ImapClient, "read", guarded)
    lying = [type(i)(i.place, i.key, 1, i.flags, i.date) for i in items]
    answers = {a.item.key: a for a in source.fetch(lying)}
    assert len(answers) == 301
    spooled = [
        a.content for a in answers.values() if isinstance(a, FetchedItem) and isinstance(a.content, Path)
    ]
    assert [path.read_bytes() for path in spooled] == [large]


def test_fetch_answers_are_read_in_every_order() -> None:
    data = [
        (b"1 (UID 5 BODY[] {3}", b"one"),
        b")",
        (b"2 (BODY[] {3}", b"two"),
        b" UID 6 FLAGS (\\Seen))",
        b'3 (UID 7 BODY[] "a \\"short\\" one")',
        b"4 (UID 8 BODY[] NIL)",
        b"9 (FLAGS (\\Seen) UID 3)",
        None,
    ]
    assert dict(read_bodies(data)) == {5: b"one", 6: b"two", 7: b'a "short" one'}


def test_rows_without_size_or_uid_are_ignored() -> None:
    data = [b'1 (INTERNALDATE " 1-Jan-1970 01:00:00 +0100" RFC822.SIZE 9 UID 4)', b"2 (FLAGS ())", None]
    (row,) = read_rows(data)
    assert (row.uid, row.size, row.date, row.flags) == (4, 9, 0, ())


def test_uid_sets_are_short() -> None:
    assert uid_set([5, 1, 2, 3, 9, 8]) == "1:3,5,8:9"
