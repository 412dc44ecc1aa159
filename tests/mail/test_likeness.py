"""Likeness: equal for a message and its rewritten copy, different for other messages."""

from __future__ import annotations

import pytest

from muniment.mail.names import name_of
from muniment.mail.text.likeness import likeness
from muniment.mail.text.read_text import PART_LIMIT, TEXT_LIMIT
from support.regenerating import regenerated
from support.reports import plain

ORIGINAL = plain(
    subject="Grüße",
    to=["bob@example.com", "carl@example.com"],
    cc=["Dora <dora@example.com>"],
    body="Guten Tag,\n\nanbei die Übersicht.\n",
    attachments=[("Übersicht.pdf", bytes(range(256)) * 40), ("b.bin", b"\0" * 3000)],
)
HTML = (
    b"From: anna@example.com\r\nTo: bob@example.com\r\nSubject: s\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"Message-ID: <h@example.com>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\npay Anna not Bob\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>pay <b>Anna</b> not Bob</p>\r\n--b--\r\n"
)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_rewritten_copy_has_the_likeness_of_its_original(encoding: str) -> None:
    copy = regenerated(ORIGINAL, encoding)
    assert copy != ORIGINAL
    assert likeness(copy) == likeness(ORIGINAL)
    assert likeness(copy).message != b""
    assert likeness(copy).senders == ("anna@example.com",)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"From: Anna Berg <anna@", b"From: Anna Berg <anne@"),
        (b"Date: Tue, 14 Nov 2023 22:13:20", b"Date: Tue, 14 Nov 2023 22:13:21"),
        (b"Guten Tag", b"Guten Abend"),
        (b"Message-ID: <", b"Message-ID: <1"),
        ("Subject: Grüße".encode(), b"Subject: Mahnung"),
        (b"To: bob@example.com, carl@example.com", b"To: bob@example.com"),
        (b"To: bob@example.com, carl@example.com", b"To: bob@example.com, carl@example.com, eve@example.com"),
        (b"To: bob@example.com, carl", b"To: bob@example.com\r\nTo: carl"),
        (b"Cc: Dora <dora@example.com>\r\n", b""),
        (b"Cc: Dora", b"Reply-To: eve@example.com\r\nCc: Dora"),
        (b"Cc: Dora", b"Sender: eve@example.com\r\nCc: Dora"),
        (b'filename="b.bin"', b'filename="c.bin"'),
        (b"Cc: Dora <dora@example.com>", b"Cc: Dora <board@example.com>"),
    ],
)
def test_other_messages_have_another_likeness(was: bytes, now: bytes) -> None:
    assert was in ORIGINAL
    other = likeness(ORIGINAL.replace(was, now))
    assert (other.message == likeness(ORIGINAL).message) == (b"To: carl" in now), (
        "a split field means the same"
    )
    assert other.item != likeness(ORIGINAL).item


@pytest.mark.parametrize(
    "now",
    [
        b"<p>pay <b>Bob</b> not Anna</p>",
        b"<p>pay <b>Anna</b> not Bob</p><p>pay not</p>",
        b"<p>pay</p><p hidden>Anna</p> not Bob Bob",
    ],
)
def test_the_words_of_an_html_part_count_in_their_order(now: bytes) -> None:
    """The same words in another order are another message, even though the plain part beside them is the
    same.
    """
    other = HTML.replace(b"<p>pay <b>Anna</b> not Bob</p>", now)
    assert other != HTML
    assert likeness(other).message != likeness(HTML).message
    assert likeness(HTML.replace(b"<b>Anna</b>", b"<i>Anna</i>")).message == likeness(HTML).message


@pytest.mark.parametrize(
    "line", [b"X-Crafted: yes", b"Subject: another", b"In-Reply-To: <x@y>", b"List-Id: <x>"]
)
def test_two_reads_of_one_item_have_every_field_in_common(line: bytes) -> None:
    """Except the fields that transport adds, and the form of the MIME."""
    assert likeness(ORIGINAL + b"").item == likeness(regenerated(ORIGINAL)).item
    assert (
        likeness(ORIGINAL.replace(b"MIME-Version", line + b"\r\nMIME-Version")).item
        != likeness(ORIGINAL).item
    )
    assert likeness(b"Received: by x\r\n" + ORIGINAL).item == likeness(ORIGINAL).item


def test_another_attachment_makes_another_message() -> None:
    more = plain(subject="x", message_id="<a@b>", attachments=[("a.bin", b"1" * 2000)])
    other = plain(subject="x", message_id="<a@b>", attachments=[("a.bin", b"2" * 2000)])
    assert likeness(more).message != likeness(other).message
    assert likeness(more).message != likeness(plain(subject="x", message_id="<a@b>")).message


def test_without_a_message_id_there_is_no_likeness_to_an_original() -> None:
    mail = plain(message_id="")
    assert likeness(mail).message == b""
    assert likeness(mail).item == likeness(regenerated(mail)).item != b""
    assert name_of("") == b""
    assert name_of(" <a@b>\r\n ") == name_of("<a@b>") != name_of("<A@b>")


def test_a_message_whose_text_is_read_in_part_has_no_likeness() -> None:
    """The text behind the limit may differ without anybody seeing it."""
    long = plain(body="word " * (PART_LIMIT // 5) + "end\n")
    assert (likeness(long).message, likeness(long).item) == (b"", b"")
    assert likeness(plain(attachments=[("a.bin", bytes(2 * PART_LIMIT))])).message != b""


@pytest.mark.parametrize(
    ("kind", "last"),
    [(b"plain", b"pay 10"), (b"plain", b"=\r\n" * 100 + b"pay 10"), (b"html", b"<p></p>" * 100 + b"pay 10")],
)
def test_parts_beyond_the_limit_of_a_message_count_too(kind: bytes, last: bytes) -> None:
    """Short parts can together exceed the limit of a message."""
    line = b"w" * 70 + b"\r\n"
    parts = [(b"plain", line * (PART_LIMIT // len(line) - 1))] * (TEXT_LIMIT // PART_LIMIT + 1)
    long = _parted([*parts, (kind, last)])
    assert (likeness(long).message, likeness(long).item) == (b"", b"")


def test_a_file_counts_under_its_own_name() -> None:
    one, other = ("agreed.bin", b"1" * 2000), ("refused.bin", b"2" * 2000)
    swapped = [("agreed.bin", other[1]), ("refused.bin", one[1])]
    assert likeness(plain(attachments=[one, other])).message != likeness(plain(attachments=swapped)).message
    assert (
        likeness(plain(attachments=[one, other])).message == likeness(plain(attachments=[other, one])).message
    )


def test_the_date_of_a_nested_message_counts() -> None:
    within = b"From: q@example.com\r\nSubject: in\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nhello"
    head, _, _ = HTML.partition(b"--b\r\n")
    mail = head + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + within + b"\r\n--b--\r\n"
    assert likeness(mail).message != likeness(mail.replace(b"1 Jan 2024", b"2 Jan 2024")).message
    assert likeness(mail).message == likeness(mail.replace(b"00:00:00 +0000", b"01:00:00 +0100")).message


def _parted(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A message of text parts in quoted-printable."""
    head, _, _ = HTML.partition(b"--b\r\n")
    return (
        head
        + b"".join(
            b"--b\r\nContent-Type: text/"
            + kind
            + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            + text
            + b"\r\n"
            for kind, text in parts
        )
        + b"--b--\r\n"
    )
