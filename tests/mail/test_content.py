"""The content hash: equal for all forks of one message, different for messages that show different things."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.mail.content.content_hash import content_hash, content_header
from muniment.mail.content.fork import ADDED_HEADERS, STORE_HEADERS, is_added, is_transport
from muniment.mail.content.public import hidden_bytes, is_public, public_pieces
from muniment.mail.headers.dates import parse_date
from muniment.mail.headers.fields import BLOCK_LIMIT, fields, gather
from muniment.mail.mime.parts import HEADER, FilePart, files
from muniment.mail.mime.walker import header_at, is_text, part_bytes
from muniment.mail.text.read_text import read_message
from support.cases import cases_dir
from support.corpus import malformed
from support.reports import fork, plain
from support.wrapped import tnef, tnef_file, uuencoded

WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
"""A text that begins with one is UTF-16 or UTF-32, where LF and CR LF are different bytes of characters."""
LINES = st.lists(
    st.sampled_from(
        [b"Received: a", b" folded", b"X-MS-Exchange-Foo: b", b"Subject: c", b"", b"\tx", b"\xff"]
    )
    | st.binary(max_size=8)
    .map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
    .filter(lambda line: not line.startswith(WIDE_MARKS)),
    max_size=20,
)


def test_forks_have_one_content() -> None:
    original = plain(attachments=[("a.bin", bytes(5000))])
    hashes = {content_hash(fork(original, number)) for number in range(5)} | {content_hash(original)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "other",
    [
        plain(body="Another text.\n", message_id="<1@x>"),
        plain(subject="Another", message_id="<1@x>"),
        plain(bcc=["eve@example.com"], message_id="<1@x>"),
        plain(headers=["DKIM-Signature: v=1; d=example.com"], message_id="<1@x>"),
        plain(headers=["X-Received-By: x"], message_id="<1@x>"),
        plain(headers=["Resent-To: x@y"], message_id="<1@x>"),
        plain(message_id="<2@x>"),
    ],
)
def test_fields_that_transport_does_not_add_are_content(other: bytes) -> None:
    assert content_hash(other) != content_hash(plain(message_id="<1@x>"))


def test_a_transport_header_in_the_body_is_content() -> None:
    assert content_hash(plain(body="Received: a\n", message_id="<1@x>")) != content_hash(
        plain(body="Received: b\n", message_id="<1@x>")
    )


@pytest.mark.parametrize("name", ADDED_HEADERS)
def test_every_transport_header_is_left_out_in_any_case(name: bytes) -> None:
    written = name.replace(b"*", b"xyz").title()
    message = plain()
    assert content_hash(written + b": a\r\n b\r\n" + message) == content_hash(message)
    assert content_hash(written.upper() + b" : c\r\n" + message) == content_hash(message)


@given(LINES, LINES)
def test_line_ends_make_no_difference(head: list[bytes], body: list[bytes]) -> None:
    lines = [*head, b"", *body]
    assert content_hash(b"\n".join(lines)) == content_hash(b"\r\n".join(lines))


@pytest.mark.parametrize("size", [2**20 - 2, 2**20 - 1, 2**20, 2**20 + 1])
def test_line_end_over_a_block_border(size: int) -> None:
    message = b"A: b\r\n\r\n" + b"x" * size + b"\r\nend\r\n" + b"y" * size + b"\r\n"
    assert content_hash(message) == content_hash(message.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("size", [BLOCK_LIMIT - 40, BLOCK_LIMIT - 20, BLOCK_LIMIT, 2 * BLOCK_LIMIT])
def test_line_ends_of_a_header_beyond_the_limit(size: int) -> None:
    message = b"Received: x\r\nA: " + b"b" * size + b"\r\n" * 10 + b"body\r\n"
    assert content_hash(message) == content_hash(message.replace(b"\r\n", b"\n"))


def test_a_lone_cr_is_content() -> None:
    assert content_hash(b"A: b\r\n\r\nx\ry") != content_hash(b"A: b\r\n\r\nx\r\ny")
    assert content_hash(b"Received: a\rA: b\r\rx\r") == content_hash(b"A: b\r\rx\r")


def test_malformed_mail_has_a_content_hash() -> None:
    for name, mail in malformed():
        assert len(content_hash(mail)) == 32, name


# --- everything that people see is content -----------------------------------------------------------


def shown(mail: bytes) -> tuple[object, ...]:
    """All that people see of a message except its transport fields. White space in text does not count."""
    summary, text = read_message(mail)
    return (
        replace(summary, hidden=-1, date=None, hops=()),  # hidden: what a plain user does not see
        own_dates(mail),
        replace(text, body="", notes=()),
        text.body.split(),
        [shown_file(one) for one in files(mail)],
    )


def own_dates(mail: bytes) -> list[int | None]:
    """The dates in the Date fields alone.

    Without one, or to choose between two readings of one, Received fields decide, which transport adds. Then
    the date is of a copy and not of what the message says: the first copy decides, and other copies do not
    change it. Only mail that has no Message-ID either is told apart by its oldest Received field.
    """
    header = header_at(mail, 0, len(mail))
    return [parse_date(value) for value in gather(header, (b"date",))[0]]


def shown_file(one: FilePart) -> tuple[object, ...]:
    """What people see of a file. What an attached message shows is in the text and in its own files."""
    data = part_bytes(one.buf, one.leaf)
    if one.reading == HEADER:  # an attached message, which is not encoded: its end may be that of the whole
        data = data.replace(b"\r\n", b"\n").rstrip(b"\r\n")
    elif is_text(one.content_type) and one.leaf.encoding != "binary":
        data = data.replace(b"\r\n", b"\n")
    return (one.filename, one.content_type, one.inline, one.within, hashlib.sha256(data).hexdigest())


BINARY = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nthe file\r\n'
    b'--b\r\nContent-Type: application/octet-stream; name="x"\r\nContent-Transfer-Encoding: binary\r\n\r\n'
    b"one\r\ntwo\nthree\r\n\r\n--b--\r\n"
)
RTF = b"Content-Type: text/rtf\r\n\r\n{\\rtf1 pay \\bin5 \r\n1234 567}"
NO_BASE64 = (
    b"Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: base64\r\n\r\npay\r\n500!\r\n!"
)
NO_UUENCODE = (
    b"Content-Transfer-Encoding: x-uuencode\r\nContent-Disposition: attachment; filename=a.dat\r\n\r\n"
    b"\x78\x9f\x3e\x22\x01\0\x01\x04\x80\x01\0\x06\0\0\0one\n\0pay"
)
QUOTED = (
    b"From: a@example.com\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nHello=20you,=\r\n and =3D here\r\n== and there\r\n"
)
BASES = [
    plain(headers=["Received: from a by b", "X-MS-Exchange-Foo: x"], attachments=[("a.bin", bytes(60))]),
    plain(
        headers=["Return-Path: <a@example.com>"],
        cc=["c@example.com"],
        body=b"One\r\n\r\nTwo: three\r\nfour\r\n",
    ),
    BINARY,
    BINARY.replace(b"Encoding: binary", b"Encoding: 8bit"),
    QUOTED,
    QUOTED.replace(b"text/plain; charset=utf-8", b"text/html"),
    b"From: a@example.com\r\nSubject: s\r\nReceived: x\r\nNo blank line\r\nspamdiagnosticoutput: 1\r\n",
    b"Subject: s\r\nContent-Type: text/plain; charset=utf-16le\r\n\r\n"
    + "a\u0a0d\u0d0ab\n".encode("utf-16-le"),
    b"Subject: s\r\nContent-Type: text/plain; charset=hz-gb-2312\r\n\r\na~\r\nb~\nc\r\n",
    b"Subject: s\rReceived: x\rTo: b@example.com\r\rold lines\rmore\r",
    b"Received: x\n\nSubject: in the text\n\nmore\n",
    b"From: a@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + plain(headers=["Received: inner"]),
    b"From: a@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + plain(headers=["Status: RO"]),
    plain(headers=["Status: RO", "X-Mozilla-Keys: ", "Content-Length: 20", "X-Gmail-Labels: a"]),
    b"Subject: s\r\nContent-Type: text/html\r\n\r\n<p>one</p>\r\n<b>two &amp",
    b"Subject: s\r\nContent-Type: text/html\r\n\r\n<p>one</p>\r\ntwo </",
    QUOTED[:-2] + b" and =",
    b"Subject: s\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nHello +AOkA",
    b"Subject: s\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s$K$A",
    b"Subject: s\r\nContent-Type: text/plain; charset=gbk\r\n\r\n\xc4\xe3\xba\xc3\xc4",
    b"Subject: s\r\n\r\nGr\xc3\xbc\xc3",
    b"Subject: s\r\nContent-Type: text/plain; name=a.txt\r\n\r\nof a file\r\n",
    b"Subject: s\r\n\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n",
    b"Subject: s\r\nStatus: RO\r\n",
    b"Message-ID: <1@x>\r\nReceived: a; Tue, 3 Nov 2026 09:15:00 +0100\r\nSubject: s\r\n\r\nno Date\r\n",
    b"Received: a; Tue, 3 Nov 2026 09:15:00 +0100\r\nSubject: s\r\n\r\nnothing to tell it apart by\r\n",
    b"Received: a; Tue, 3 Nov 2026 09:15:00 +0100\r\nDate: 11/03/2026 09:15\r\n\r\nmonth or day\r\n",
    b"Message-ID: <1@x>\r\nReferences: <2@x> <3@x>\r\nIn-Reply-To: <3@x>\r\nCc: c@x\r\nSender: d@x\r\n\r\n",
    b"Message-ID: <1@x>\r\nContent-Type: text/html\r\n\r\n<a href='http://shop.example/offer'>one</a>\r\n",
    plain(attachments=[("winmail.dat", tnef(tnef_file("plan.txt", b"of the\r\nfile")))]),
    b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + tnef(tnef_file("plan.txt", b"of the\r\nfile")),
    b"Subject: s\r\n\r\none\r\n" + uuencoded(b"of the\r\nfile", eol=b"\r\n") + b"two\r\n",
    b"Subject: s\r\nContent-Type: text/plain; name=a.eml\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
    + uuencoded(plain(headers=["Received: inner"]), eol=b"\r\n"),
]
SNIPPETS = [
    b"\n", b"\r", b"\r\n", b" \r\n", b"\t\n", b"\0", b" ", b":", b"=", b"=\r", b"==", b"~\n", b"\xff",
    b"Received: from mallory\r\n", b"Received : x\r\n", b"Received x: y\r\n", b"Received\r\n : x\r\n",
    b"X-MS-Exchange-A b: hidden text\r\n", b"X-MS-Exchange-\xff: text\r\n", b"ARC-Seal: a\r\n folded\r\n",
    b"Status: RO\r\n", b"Lines: pay\r\n more\r\n", b"X-Keywords: \r\n", b"Content-Length: 7\r\n",
    b"Status : RO\n", b"Status RO: x\r\n", b"X-Mozilla-Status: 0001\r\n", b"X-Evolution-\xff: x\r\n",
    b"spamdiagnosticoutput: shown\r\n", b"\xef\xbb\xbfReceived: x\r\n", b"From mallory\r\n", b">From x\n",
    b"Subject: another\r\n", b"To: eve@example.com\r\n", b"Bcc: eve@example.com\r\n", b"--b\r\n",
    b"--b--\r\n",
    b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: binary\r\n", b"no field at all\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\n", b"Content-Type: message/rfc822\r\n\r\n",
    b"Received: b; Mon, 2 Nov 2026 08:00:00 +0000\r\n", b"Received: c; 7 Mar 2026 10:00:00 +0000\r\n",
    b"Delivery-Date: Mon, 2 Nov 2026 08:00:00 +0000\r\n", b"Date: Mon, 2 Nov 2026 08:00:00 +0000\r\n",
    b"Message-ID: <9@x>\r\n", b"References: <8@x>\r\n", b"In-Reply-To: <7@x>\r\n", b"Cc: eve@example.com\r\n",
    b"Sender: eve@example.com\r\n", b"<a href='http://evil.example/'>", b"begin 644 b.txt\r\n", b"end\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n",
]  # fmt: skip
"""What a relay may add or an attacker may write."""


def _insert(data: st.DataObject, mail: bytes) -> bytes:
    at = data.draw(st.one_of(st.sampled_from(_line_starts(mail)), st.integers(0, len(mail))))
    return mail[:at] + data.draw(st.sampled_from(SNIPPETS)) + mail[at:]


def _delete(data: st.DataObject, mail: bytes) -> bytes:
    at = data.draw(st.integers(0, max(len(mail) - 1, 0)))
    return mail[:at] + mail[at + data.draw(st.sampled_from([1, 2, 20])) :]


def _line_end(data: st.DataObject, mail: bytes) -> bytes:
    at = data.draw(st.sampled_from([n for n, byte in enumerate(mail) if byte in b"\r\n"] or [0]))
    behind = 2 if mail.startswith(b"\r\n", at) else 1
    return mail[:at] + data.draw(st.sampled_from([b"\r\n", b"\n", b"\r", b"\n\n", b""])) + mail[at + behind :]


def _all_line_ends(data: st.DataObject, mail: bytes) -> bytes:
    mail = mail.replace(b"\r\n", b"\n")
    return mail.replace(b"\n", data.draw(st.sampled_from([b"\r\n", b"\n", b"\r"])))


def _double_a_line(data: st.DataObject, mail: bytes) -> bytes:
    at = data.draw(st.sampled_from(_line_starts(mail)))
    end = mail.find(b"\n", at) + 1 or len(mail)
    return mail[:end] + mail[at:end] + mail[end:]


def _line_starts(mail: bytes) -> list[int]:
    return [0, *(n + 1 for n, byte in enumerate(mail) if byte in b"\r\n")]


def _last_line_end(data: st.DataObject, mail: bytes) -> bytes:
    return mail.rstrip(b"\r\n") + data.draw(
        st.sampled_from([b"", b"\r\n", b"\n", b"\r", b"\n\r\n", b"\r\r\n"])
    )


MUTATIONS: list[Callable[[st.DataObject, bytes], bytes]] = [
    _insert, _insert, _delete, _line_end, _all_line_ends, _double_a_line, _last_line_end,
]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(data=st.data(), base=st.sampled_from(BASES))
def test_messages_that_look_different_have_different_hashes(data: st.DataObject, base: bytes) -> None:
    one = base
    for mutate in data.draw(st.lists(st.sampled_from(MUTATIONS), max_size=2)):
        one = mutate(data, one)
    other = one
    for mutate in data.draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3)):
        other = mutate(data, other)
    assume(one != other)
    if content_hash(one) == content_hash(other):
        assert shown(one) == shown(other), (one, other)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=60_000, deadline=None, derandomize=False)
@given(data=st.data(), base=st.sampled_from(BASES))
def test_many_messages_that_look_different(data: st.DataObject, base: bytes) -> None:
    test_messages_that_look_different_have_different_hashes.hypothesis.inner_test(data, base)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"A: b\r\n \r\nReceived: pay\r\n\r\nx", b"A: b\r\n \r\nReceived: don't pay\r\n\r\nx"),
        (b"A: b\r\n\r\nx", b"A: b\r\nX-MS-Exchange- hidden text: pay\r\n\r\nx"),
        (b"A: b\r\n\r\nx", b"A: b\r\nReceived by: pay\r\n\r\nx"),
        (
            b"A: b\r\nprose\r\n\r\nx",
            b"Received: x\rpay\r\nA: b\r\nprose\r\n\r\nx",
        ),
        (b"\nReceived: pay\r\n", b"ARC-Seal: a\r\n\nReceived: pay\r\n"),
        (b"A: b\r\n--b@x\r\ntext", b"A: b\r\nDelivered-To: x\r\n--b@x\r\ntext"),
        (b"A: b\r\n \r\nReceived: pay\r\n\r\nx", b"A: b\r\n \r\n\r\nx"),
        (b"A: b\r\nprose\r\n\r\nx", b"A: b\r\nprose\r\nspamdiagnosticoutput: pay\r\n\r\nx"),
        (b"A: b\r\n\r\nx", b"\xef\xbb\xbfReceived: pay\r\nA: b\r\n\r\nx"),
        (b"A: b\r\n\r\nReceived: pay\r\n", b"A: b\r\n\r\nReceived: more\r\n"),
        (BINARY, BINARY.replace(b"two\n", b"two\r\n")),
        (b"A: b\n\nx\ry", b"A: b\n\nx\ny"),
        (
            b"Content-Type: text/plain; charset=utf-16le\r\n\r\na\0\r\nb\0",
            b"Content-Type: text/plain; charset=utf-16le\r\n\r\na\0\nb\0",
        ),
        (b"A: b\r\n\r\n\xff\xfea\0\r\nb\0", b"A: b\r\n\r\n\xff\xfea\0\nb\0"),
        (
            b"Content-Type: text/plain; charset=hz-gb-2312\r\n\r\na~\r\nb",
            b"Content-Type: text/plain; charset=hz-gb-2312\r\n\r\na~\nb",
        ),
        (RTF, RTF.replace(b"\r\n1234", b"\n1234")),
        (RTF.replace(b"rtf", b"richtext", 1), RTF.replace(b"rtf", b"richtext", 1).replace(b"\r\n1", b"\n1")),
        (NO_UUENCODE, NO_UUENCODE.replace(b"\n\0pay", b"\r\n\0pay")),
        (NO_BASE64 % b"utf-16le", (NO_BASE64 % b"utf-16le").replace(b"pay\r", b"pay")),
        (NO_BASE64 % b"cp037", (NO_BASE64 % b"cp037").replace(b"pay\r", b"pay")),
        (NO_BASE64 % b"cp037", NO_BASE64 % b"cp037" + b"\r\n"),
        (
            b"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xfea\0\n\0<\0",
            b"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xfea\0\r\n\0<\0",
        ),
    ],
)
def test_content_that_once_escaped_the_hash_counts(one: bytes, other: bytes) -> None:
    assert content_hash(one) != content_hash(other)


def test_equal_mails_of_a_device_on_two_days_are_two_messages() -> None:
    """Without Date and Message-ID, the time of arrival tells them apart: it dates them, too."""
    text = b"From: ups@example.com\r\nSubject: On battery\r\n\r\nPower is out.\r\n"
    hub = b"Received: from hub by mail; Wed, 4 Feb 2026 10:00:02 +0000\r\n"
    first, second = (b"Received: from ups\r\n by hub; %d Feb 2026 10:00:00 +0000\r\n" % day for day in (3, 4))
    assert content_hash(first + text) != content_hash(second + text)
    assert content_hash(first + text) == content_hash(hub + first + text), "a fork"
    assert content_hash(first + text) == content_hash((first + text).replace(b"\r\n", b"\n"))
    for named in (b"Date: Tue, 3 Feb 2026 10:00:00 +0000\r\n", b"message-id : <1@x>\r\n"):
        assert content_hash(first + named + text) == content_hash(second + named + text)


def test_line_ends_of_base64_that_can_be_decoded_make_no_difference() -> None:
    mail = NO_BASE64.partition(b"\r\n\r\n")[0] % b"utf-16le" + b"\r\n\r\naAA=\r\n"
    assert content_hash(mail) == content_hash(mail.replace(b"\r\n", b"\n")) == content_hash(mail + b"\r\n")


def test_a_byte_order_mark_behind_a_file_does_not_make_a_text_utf_16() -> None:
    """The rule for line ends and the reader both decide the charset of the text with the file in it."""
    mail = b"A: b\r\n\r\nbegin 644 a.bin\r\n#0V%T\r\n`\r\nend\r\n\xff\xfea\0\n\0pay"
    other = mail.replace(b"a\0\n", b"a\0\r\n")
    assert content_hash(mail) == content_hash(other)
    assert "pay" in read_message(mail)[1].body
    assert read_message(mail)[1].body == read_message(other)[1].body


@pytest.mark.parametrize(
    "mail", [BASES[0], BASES[1], b"Message-ID: <1@x>\r\n" + QUOTED], ids=["parts", "text", "quoted"]
)
@pytest.mark.parametrize(
    "added",
    [
        b"Received: from hub (10.0.0.1) by mail\r\n with ESMTP;\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n",
        b"X-MS-Exchange-Organization-SCL: -1\r\nX-MS-Exchange-CrossTenant-Id: 1\r\n",
        b"Authentication-Results: spf=pass\r\nARC-Seal: i=1; a=rsa\r\nReceived-SPF: Pass\r\n",
        b"Return-Path: <anna@example.com>\r\nDelivered-To: bob@example.com\r\nX-Original-To: b@x\r\n",
        b"X-Spam-Status: No, score=-1\r\n tests=NONE\r\nX-Rspamd-Score: 1\r\n",
        b"RECEIVED : by an old relay\r\n",
    ],
)
def test_fields_that_transport_adds_do_not_change_the_hash(mail: bytes, added: bytes) -> None:
    assert content_hash(added + mail) == content_hash(mail)
    head, blank, body = mail.partition(b"\r\n\r\n")
    assert content_hash(head + b"\r\n" + added[:-2] + blank + body) == content_hash(mail)
    assert content_hash((added + mail).replace(b"\r\n", b"\n")) == content_hash(mail)


HEADER_LINES = st.lists(
    st.sampled_from(
        [
            b"Received: a",
            b" f",
            b"X-MS-Exchange-Foo : b",
            b"ARC-\x01: c",
            b"Subject: c",
            b"received-spf:",
            b"x-spam: d",
        ]
    ),
    max_size=12,
)


@given(HEADER_LINES, st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_of_a_clear_header_every_transport_field_is_left_out(lines: list[bytes], eol: bytes) -> None:
    header = b"".join(line + eol for line in [b"A: b", *lines, b""])
    assume(not any(b"\x01" in line for line in lines))
    kept = [header[start:end] for name, start, end in fields(header) if not is_added(name)]
    assert kept[0].startswith(b"A:")
    assert content_header(header) == b"".join(kept)


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"Received: a\nReceived: b\nprose\nReceived: c\n\n", b"Received: b\nprose\nReceived: c\n\n"),
        (b"Received: a\nSubject: s\nReceived: b\n", b"Subject: s\nReceived: b\n"),
        (b"Status: a\nX-UID: b\nprose\nStatus: c\n\n", b"X-UID: b\nprose\nStatus: c\n\n"),
        (b"Status: a\nA: b\nTo: t\n \nLines: b\n\n", b"A: b\nTo: t\n \nLines: b\n\n"),
        (b"Received: a\rprose\nSubject: s\n\n", b"Received: a\rprose\nSubject: s\n\n"),
        (b"Received: a\nTo: t\nSubject: s\n \nReceived: b\n\n", b"To: t\nSubject: s\n \nReceived: b\n\n"),
    ],
)
def test_an_unclear_header_keeps_all_fields_near_the_unclear_line(header: bytes, kept: bytes) -> None:
    assert content_header(header) == kept


# --- copies from stores ------------------------------------------------------------------------------


def test_copies_from_many_stores_have_one_content() -> None:
    copies = sorted((cases_dir() / "dedup").glob("dd-*.eml"))
    assert len(copies) == 15
    assert len({content_hash(path.read_bytes()) for path in copies}) == 1


@pytest.mark.parametrize("name", STORE_HEADERS)
def test_a_field_that_a_store_adds_is_never_public(name: bytes) -> None:
    name = name.replace(b"*", b"x")
    assert is_added(name)
    assert not is_transport(name)
    assert not is_public(name)
    header = name.title() + b": secret\r\nSubject: s\r\n\r\n"
    assert b"secret" not in b"".join(public_pieces(header + b"text\r\n", 100))
    assert hidden_bytes(header) == header.index(b"Subject")


ENDS = [b"", b"\r\n", b"\n", b"\r\n\r\n", b"\n\n\n", b"\r\n\n"]


@pytest.mark.parametrize(
    "mail",
    [
        plain(body="One\n\nTwo"),
        plain(body="Grüße an Jörg ü"),
        plain(attachments=[("a.bin", bytes(range(60)))]),
        QUOTED,
        b"Subject: s\r\nContent-Type: text/html\r\n\r\n<html><p>one</p></html>\r\n",
        b"Subject: s\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n",
        b"Subject: s\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s$K$A\x1b(B\r\n",
        b"Subject: s\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4\r\n",
        b"Subject: s\r\n\r\n",
        b"Subject: s\r\nTo: b@example.com\r\nReceived: x\r\n",
        b"Subject: s\r\n\r\n" + b"x" * 5000,
    ],
)
def test_line_ends_at_the_end_do_not_change_the_hash(mail: bytes) -> None:
    mail = mail.rstrip(b"\r\n")
    ends = ENDS if b"\r\n\r\n" in mail else ENDS[:4]
    assert len({content_hash(mail + end) for end in ends}) == 1
    assert content_hash(mail + b"\r") != content_hash(mail)
    assert content_hash(mail + b"\n\r\n \r\n") != content_hash(mail)


@pytest.mark.parametrize(
    "mail",
    [
        BINARY.partition(b"--b\r\nContent-Type: application")[2].replace(
            b"/octet", b"Content-Type: a/octet", 1
        ),
        b"Subject: s\r\nContent-Transfer-Encoding: binary\r\n\r\nx",
        b"Subject: s\r\nContent-Type: application/pdf\r\n\r\n%PDF",
        b"Subject: s\r\nContent-Type: text/plain; name=a.txt\r\n\r\nof a file",
        b"Subject: s\r\nContent-Disposition: attachment\r\n\r\nof a file",
        b"Subject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncut off =",
        b"Subject: s\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n#0V%T",
        b"Subject: s\r\nContent-Type: text/html\r\n\r\n<p>one</p>two </",
        b"Subject: s\r\nContent-Type: text/plain; charset=gbk\r\n\r\n\xc4\xe3\xba\xc3\xc4",
        b"Subject: s\r\nContent-Type: text/plain; charset=utf-16le\r\n\r\na\0",
        b"Subject: s\r\n\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend",
    ],
)
def test_a_last_line_end_counts_where_it_may_have_a_meaning(mail: bytes) -> None:
    assert content_hash(mail) != content_hash(mail + b"\r\n")


def test_many_line_ends_at_the_end_count_like_few() -> None:
    mail = plain().rstrip(b"\r\n")
    for size in (2**20 - 1, 2**20, 2**20 + 1):
        assert content_hash(mail + b"\n" * size) == content_hash(mail + b"\r\n" * size) == content_hash(mail)


@pytest.mark.parametrize(
    "name", [b"Status", b"X-Keywords", b"Content-Length", b"X-Mozilla-Status", b"Received"]
)
def test_the_fields_of_a_nested_message_are_content(name: bytes) -> None:
    inner = plain(message_id="<2@x>")
    for outer in (b"message/rfc822", b"text/plain", b"multipart/digest; boundary=b"):
        begin = b"Subject: s\r\nContent-Type: " + outer + b"\r\n\r\n"
        begin += b"--b\r\n\r\n" if b"digest" in outer else b""
        assert content_hash(begin + inner) != content_hash(begin + name + b": RO\r\n" + inner)


@pytest.mark.parametrize(
    "name", [b"Keywords", b"X-Label", b"Comments", b"X-Status-Report", b"Statuses", b"X-UID-x"]
)
def test_fields_with_similar_names_are_content(name: bytes) -> None:
    assert content_hash(name + b": x\r\n" + plain(message_id="<2@x>")) != content_hash(
        plain(message_id="<2@x>")
    )
