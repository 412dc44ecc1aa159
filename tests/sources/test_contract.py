"""The contract that every source keeps, tested with real servers and real files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from muniment.errors import SourceError
from muniment.profiles.registry import KIND
from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, Source, UnfetchedItem
from support.boxes import BOXES, Box, ServerBox
from support.soak import in_soak

HEAD = b"From: ann@example.org\r\nSubject: %d\r\n\r\n"


def mails(count: int) -> list[bytes]:
    return [HEAD % n + b"Line of message %d.\r\n" % n for n in range(count)]


def contents(answers: Iterable[FetchedItem | UnfetchedItem]) -> list[bytes]:
    """The bytes of fetched answers, sorted; files are read and removed."""
    found = []
    for answer in answers:
        assert isinstance(answer, FetchedItem), answer
        if isinstance(answer.content, Path):
            found.append(answer.content.read_bytes())
            answer.content.unlink()
        else:
            found.append(answer.content)
    return sorted(found)


def by_content(source: Source, items: list[MailItem]) -> dict[bytes, MailItem]:
    return {contents([answer])[0]: answer.item for answer in source.fetch(items)}


def test_every_kind_of_source_is_tested() -> None:
    assert {name.partition("-")[0] for name in BOXES} == set(KIND)


def test_an_empty_mailbox_has_no_items(box: Box) -> None:
    source = box.connected()
    assert list(source.listing()) == []
    assert list(source.fetch([])) == []
    source.close()


def test_keys_are_stable_over_sessions(box: Box) -> None:
    box.put(mails(5))
    source = box.connected()
    first = list(source.listing())
    source.close()
    source = box.connected()
    assert list(source.listing()) == first
    assert len({item.key for item in first}) == 5
    assert len({item.place for item in first}) == 1


def test_a_second_listing_sees_new_messages(box: Box) -> None:
    box.put(mails(2))
    source = box.connected()
    before = {item.key for item in source.listing()}
    box.put([HEAD % 99 + b"late\r\n"])
    after = {item.key for item in source.listing()}
    source.close()
    assert before < after
    assert len(after) == 3


def test_sizes_are_stated(box: Box) -> None:
    if box.endpoint.kind == "graph":
        pytest.skip("Graph states no sizes")
    sent = mails(3)
    box.put(sent)
    source = box.connected()
    assert sorted(item.size or 0 for item in source.listing()) == sorted(map(len, sent))
    source.close()


EXACT = [
    HEAD % 1 + b".\r\n..\r\n.dot\r\nmid.dot\r\n...\r\n.\r\n",
    b".begins with a dot: x\r\n\r\n.\r\n",
    HEAD % 2 + b"a bare \r within, and \r\r\n at an end\r\n",
    HEAD % 3 + bytes(range(128, 256)) + b"\r\n",
    HEAD % 4 + "Grüße aus Łódź, 你好\r\n".encode(),
    HEAD % 5 + b"\x01\x02\x1b[31m\x7f\r\n",
    HEAD % 6 + b"x" * 100_000 + b"\r\n",
    HEAD % 7 + b'* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n+OK\r\n-ERR\r\nA1 OK done\r\n"quoted\\"\r\n',
    b"\r\n",
]


def test_bytes_are_exact(box: Box) -> None:
    box.put(EXACT)
    source = box.connected()
    # A file named .eml without a mail's header is passed over, and named.
    expected = [mail for mail in EXACT if box.endpoint.kind != "eml" or mail.startswith(b"From")]
    assert contents(source.fetch(list(source.listing()))) == sorted(expected)
    source.close()


def test_an_empty_message_is_a_message(box: Box) -> None:
    box.put([b"", *mails(2)])
    source = box.connected()
    # Dovecot ends every message with a line break over POP3.
    empty = b"\r\n" if box.endpoint.kind in ("gateway", "pop3") else b""
    first = [] if box.endpoint.kind == "eml" else [empty]
    assert contents(source.fetch(list(source.listing()))) == [*first, *mails(2)]


def test_nul_bytes_are_exact_where_they_can_be_stored(box: Box) -> None:
    if isinstance(box, ServerBox):
        pytest.skip("Dovecot stores no NUL")
    mail = HEAD % 1 + b"\0one\0\0\r\n"
    box.put([mail])
    source = box.connected()
    assert contents(source.fetch(list(source.listing()))) == [mail]


def test_a_large_message_is_a_file_in_the_work_folder(box: Box) -> None:
    line = b"..A line that begins with two dots, so that it is stuffed on the wire.\r\n"
    large = HEAD % 1 + line * (12 * 1024 * 1024 // len(line))
    box.put([mails(1)[0], large, mails(2)[1]])
    source = box.connected()
    answers = list(source.fetch(list(source.listing())))
    source.close()
    spooled = [a.content for a in answers if isinstance(a, FetchedItem) and isinstance(a.content, Path)]
    assert len(spooled) == 1
    assert spooled[0].parent == box.endpoint.work
    assert spooled[0].stat().st_size > SPOOL_ABOVE
    assert contents(answers) == sorted([*mails(2), large])
    assert list(box.endpoint.work.iterdir()) == []


def test_a_subset_is_fetched(box: Box) -> None:
    sent = mails(20)
    box.put(sent)
    source = box.connected()
    items = list(source.listing())
    wanted = [items[15], items[3], items[4], items[5], items[0]]
    answers = list(source.fetch(wanted))
    source.close()
    assert {a.item for a in answers} == set(wanted)
    assert len(answers) == 5
    assert set(contents(answers)) <= set(sent)


def test_delete_removes_only_the_given_items(box: Box) -> None:
    sent = mails(10)
    box.put(sent)
    source = box.connected()
    items = by_content(source, list(source.listing()))
    chosen = [items[m] for m in sent[2:5]]
    if not box.deletes:
        with pytest.raises(SourceError, match="read only"):
            source.delete(chosen)
        return
    assert sorted(i.key for i in source.delete(chosen)) == sorted(i.key for i in chosen)
    left = list(source.listing())
    assert contents(source.fetch(left)) == sorted(sent[:2] + sent[5:])
    source.close()


def test_delete_works_in_the_next_session(box: Box) -> None:
    if not box.deletes:
        pytest.skip("mbox files are read only")
    box.put(mails(6))
    source = box.connected()
    items = list(source.listing())
    for start in (0, 2, 4):
        some = items[start : start + 2]
        assert len(contents(source.fetch(some))) == 2
        assert len(source.delete(iter(some))) == 2
    assert list(source.listing()) == []
    source.close()


@pytest.mark.parametrize("hung_up", [True, False])
def test_messages_that_others_remove_are_gone(box: Box, hung_up: bool) -> None:
    sent = mails(4)
    box.put(sent)
    source = box.connected()
    items = list(source.listing())
    if hung_up:
        source.close()
    # In an mbox file all later messages would get other offsets, and Dovecot keeps the last one open.
    stolen = sent.pop(-1 if box.endpoint.kind == "mbox" else 1)
    box.steal(stolen)
    answers = list(source.fetch(items))
    gone = [a for a in answers if isinstance(a, UnfetchedItem)]
    assert len(answers) == 4
    assert [a.gone for a in gone] == [True]
    assert contents(a for a in answers if isinstance(a, FetchedItem)) == sent
    if box.deletes:
        # It may have been moved elsewhere, so only our own deletions count.
        assert source.delete([gone[0].item]) == []
    source.close()


def test_close_is_idempotent_and_deletes_nothing(box: Box) -> None:
    sent = mails(3)
    box.put(sent)
    source = box.source()
    source.close()
    source.connect()
    assert contents(source.fetch(list(source.listing()))) == sent
    source.close()
    source.close()
    source = box.connected()
    assert len(list(source.listing())) == 3
    source.close()


def test_a_fetch_can_be_abandoned(box: Box) -> None:
    sent = mails(50)
    box.put(sent)
    source = box.connected()
    items = list(source.listing())
    fetching = source.fetch(items)
    assert isinstance(next(iter(fetching)), FetchedItem)
    fetching.close()  # type: ignore[attr-defined]
    assert contents(source.fetch(items)) == sorted(sent)
    source.close()


@pytest.mark.parametrize("count", [1100, *in_soak(3000)])
def test_more_items_than_a_batch(box: Box, count: int) -> None:
    sent = mails(count)
    box.put(sent)
    source = box.connected()
    items = list(source.listing())
    assert len(items) == count
    assert contents(source.fetch(items)) == sorted(sent)
    if box.deletes:
        assert len(source.delete(items)) == count
        assert list(source.listing()) == []
    source.close()


def test_every_source_has_the_attributes_of_the_protocol(box: Box) -> None:
    source = box.source()
    assert source.session >= 1000
    assert source.vouches == (box.endpoint.kind in ("imap", "mbox"))
