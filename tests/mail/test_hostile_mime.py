"""Mail that is made to hang or kill a parser is read within seconds, and completely."""

from __future__ import annotations

import time

import pytest

from muniment.mail.mime.split import encode, split
from muniment.mail.mime.walker import attachments, leaves
from muniment.mail.text.read_text import read_message

HEAD = b"Content-Type: multipart/mixed; boundary="
B64 = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
MAIL = {
    "nested multiparts": b"".join(HEAD + b"b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(20_000)),
    "nested, one boundary": (HEAD + b"b\r\n\r\n--b\r\n") * 20_000,
    "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
    "boundaries": HEAD + b"b\r\n\r\n" + b"--b\r\n" * 100_000,
    "parts": HEAD + b"b\r\n\r\n" + b"--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n" * 30_000,
    "attachments": HEAD
    + b"b\r\n\r\n"
    + (b"--b\r\n" + B64 + encode(b"x" * 60, 76, b"\r\n") + b"\r\n") * 20_000,
    "almost boundaries": HEAD + b"b\r\n\r\n" + b"--bb\r\n" * 200_000,
    "boundary of dashes": HEAD + b'"' + b"-" * 70 + b'"\r\n\r\n' + b"-" * 2_000_000,
    "long header line": b"Subject: " + b"x" * 1_000_000 + b"\r\n\r\ntext",
    "long encoded header": b"Subject: " + b"=?utf-8?q?x?= " * 80_000 + b"\r\n\r\ntext",
    "long type": b"Content-Type: text/plain; " + b"a=b; " * 200_000 + b"\r\n\r\ntext",
    "long name": b"Content-Disposition: attachment; " + b'filename*0="x";' * 70_000 + b"\r\n\r\ntext",
    "names and charsets": b"Content-Disposition: attachment; filename="
    + b"name*=a" * 140_000
    + b"\r\n\r\ntext",
    "open quote": b'Content-Type: text/plain; a="' + b'\\"' * 500_000 + b"\r\n\r\ntext",
    "no boundary": HEAD + b'""\r\n\r\n' + b"--\r\n" * 100_000,
    "no header's end": b"A: b\r\n" * 200_000,
    "folded for ever": b"A: b\r\n" + b" \r\n" * 300_000,
    "line ends": b"\r\n" * 1_000_000,
    "carriage returns": b"A: b" + b"\r" * 1_000_000,
    "quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 2_000_000,
    "base64 of padding": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A=" * 1_000_000,
    "base64 and line ends": B64 + encode(b"x" * 3000, 76, b"\r\n") + b"\r\n" * 1_000_000,
    "charset": b"Content-Type: text/plain; charset=" + b"x" * 100_000 + b"\r\n\r\ntext",
    "punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n-" + b"a" * 500_000,
    "html": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
    "opened and closed at once": HEAD + b"b\r\n\r\n" + b"--b--\r\n" * 100_000,
    "many html": HEAD
    + b"b\r\n\r\n"
    + b"--b\r\n\r\nword\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a<p>b\r\n" * 2500,
    "dates": b"Date: " + b"1 " * 500_000 + b"\r\n\r\n",
    "recipients": b"To: a@example.com\r\n" * 50_000 + b"\r\n",
}


@pytest.mark.parametrize("name", MAIL)
def test_hostile_mail_is_read_quickly(name: str) -> None:
    message = MAIL[name]
    started = time.process_time()
    found = leaves(message)
    cuts = split(message, found)
    read_message(message, found)
    attachments(message, found)
    assert time.process_time() - started < 5
    assert [cut.start for cut in cuts[1:]] == [cut.end for cut in cuts[:-1]]


def test_the_words_of_a_text_are_collected_once_for_many_html_parts() -> None:
    text = b"--b\r\n\r\n" + b"".join(b"w%d " % number for number in range(100_000)) + b"\r\n"
    pages = b"".join(
        b"--b\r\n\r\nt%d\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>h%d\r\n" % (number, number)
        for number in range(2000)
    )
    started = time.process_time()
    body = read_message(HEAD + b"b\r\n\r\n" + text + pages)[1].body
    assert "h1999" in body
    assert time.process_time() - started < 2


def test_many_growing_texts_are_compared_in_linear_time() -> None:
    text = b"--b\r\n\r\n" + b"".join(b"w%d " % n for n in range(20_000)) + b"\r\n"
    html = b"--b\r\nContent-Type: text/html\r\n\r\n<p>another\r\n"
    started = time.process_time()
    body = read_message(HEAD + b"b\r\n\r\n" + text * 20 + html * 2000)[1].body
    assert "another" in body
    assert time.process_time() - started < 2
