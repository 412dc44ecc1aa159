"""The text of a message, compared with Python's own parser on mail from outside."""

from __future__ import annotations

import email
import re
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from email import policy
from email.message import Message
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.headers.fields import fields, header_end
from muniment.mail.mime.parts import files
from muniment.mail.mime.walker import leaves
from muniment.mail.text.html import to_text
from muniment.mail.text.listing import read_summary
from muniment.mail.text.read_text import PART_LIMIT, TEXT_LIMIT, read_message, read_text
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from support.boxes import held
from support.cases import cases_dir
from support.corpus import journal_files, malformed, real
from support.reports import EPOCH, plain, report

NO_DELIMITERS = "a multipart whose parts could not be told apart was read as text"
WORD = re.compile(r"\w+")


def html_alternative(text: bytes, html: bytes) -> bytes:
    return (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
        + text
        + b"\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        + html
        + b"\r\n--b--\r\n"
    )


def test_headers_text_and_names_of_a_message() -> None:
    message = plain(
        sender="=?UTF-8?Q?J=C3=BCrgen?= <j@example.com>",
        to=["a@example.com", "b@example.com"],
        cc=["c@example.com"],
        bcc=["d@example.com"],
        subject="=?koi8-r?B?8NLJ18XU?=",
        body="Grüße,\nbis Montag.\n",
        message_id="<1@example.com>",
        attachments=[("Plan.pdf", b"%PDF")],
    )
    summary, text = read_message(message)
    assert (summary.subject, summary.sender) == ("Привет", "Jürgen <j@example.com>")
    assert (summary.to, summary.message_id) == ("a@example.com, b@example.com", "<1@example.com>")
    assert (summary.date, summary.attachments) == (EPOCH, 1)
    assert (text.cc, text.bcc, text.filenames, text.notes) == (
        "c@example.com",
        "d@example.com",
        ("Plan.pdf",),
        (),
    )
    assert text.body == "Grüße,\nbis Montag.\n"
    assert (read_summary(message), read_text(message)) == (summary, text)
    assert read_message(message, leaves(message)) == (summary, text)


@pytest.mark.parametrize(
    ("head", "body", "text", "note"),
    [
        ("text/plain; charset=koi8-r", "Привет".encode("koi8-r"), "Привет", ""),
        ('text/plain; charset="iso-2022-jp"', "日本".encode("iso-2022-jp"), "日本", ""),
        ("text/plain charset=windows-1251", "Привет".encode("cp1251"), "Привет", ""),
        ("text/plain", "Привет".encode(), "Привет", ""),
        ("text/plain", b"caf\xe9", "café", ""),
        ("text/plain; charset=x-nonsense", "Grüße".encode(), "Grüße", "unknown charset 'x-nonsense'"),
        ("text/plain; charset=zlib", b"text", "text", "unknown charset 'zlib'"),
        ("text/plain; charset=gb2312", "你好世界，再见。".encode(), "你好世界，再见。", ""),
        ("text/plain; charset=utf-8", b"bad \xff byte", "bad \ufffd byte", ""),
        ("text/html", '<meta charset="koi8-r"><p>Привет'.encode("koi8-r"), "Привет", ""),
        ("text/html", '<meta content="text/html; charset=utf-16"><p>Grüße'.encode(), "Grüße", ""),
        ("text/html", "<p>Grüße".encode("utf-16"), "Grüße", ""),
        ("text/calendar", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR", "BEGIN:VCALENDAR\nEND:VCALENDAR", ""),
        ("nonsense", b"one\rtwo", "one\ntwo", ""),
        ("multipart/mixed; boundary=x", b"bare", "bare", NO_DELIMITERS),
        ("image/png", b"\x89PNG", "", ""),
    ],
)
def test_text_is_decoded_under_any_label(head: str, body: bytes, text: str, note: str) -> None:
    read = read_text(b"Content-Type: " + head.encode() + b"\r\n\r\n" + body)
    assert read.body == text
    assert read.notes == ((note,) if note else ())


def test_broken_base64_is_read_undecoded_and_decoded() -> None:
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    read = read_text(head + b"SGVsbG8gV29y*bGQ")
    assert read.body.splitlines() == ["Hello World", "SGVsbG8gV29y*bGQ"]
    assert read.notes == ("broken base64 was read as far as it could be",)
    assert "plain words after all" in read_text(head + b"plain words after all").body


def test_html_is_read_only_if_it_says_more_than_the_plain_text() -> None:
    same = b"<html><body><p>Hello <b>world</b>, <a href='x'>see you</a></p></body></html>"
    assert read_text(html_alternative(b"Hello world, see you!", same)).body == "Hello world, see you!"
    more = read_text(html_alternative(b"Hello world", same))
    assert more.body == "Hello world\nHello world, see you"


def test_nested_messages_are_read_with_their_headers() -> None:
    inner = plain(subject="Inner matter", sender="eve@example.net", body="inner words\n")
    nested = b"Content-Type: message/rfc822\r\n\r\n" + inner
    for message in (nested, b"Content-Transfer-Encoding: base64\r\n" + nested.replace(inner, encoded(inner))):
        body = read_text(b"Subject: Outer\r\n" + message).body
        assert body.splitlines() == ["Inner matter", "eve@example.net", "bob@example.com", "inner words"]


def test_the_header_of_a_nested_message_is_read_once_and_the_outer_one_never() -> None:
    nested = b"--b\nContent-Type: message/rfc822\n\n" + plain(
        subject="Inner", attachments=[("a", b"x")], eol=b"\n"
    )
    text = b"--b\n\nbetween\n"
    message = (
        b"Subject: Outer\nContent-Type: multipart/mixed; boundary=b\n\n"
        + text
        + nested
        + text
        + nested
        + text
    )
    body = read_text(message).body
    assert (body.count("between"), body.count("Inner"), body.count("Outer")) == (3, 2, 0)


def test_text_in_a_header_is_read_but_names_no_secret_recipient() -> None:
    message = (
        b"Subject: x\nDear all\nnote: we meet\nBcc: eve@example.com\nReceived: for <eve@example.com>\n"
        b"X-Envelope-Recipients: eve@example.com,\n eve@example.com\n\nat noon\n"
    )
    assert read_text(message).body == "Dear all\nnote: we meet\nat noon\n"


def encoded(content: bytes) -> bytes:
    import base64

    return base64.encodebytes(content)


def test_reading_messages_encoded_in_one_another_ends() -> None:
    message = b"the innermost words"
    for _ in range(3):
        message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + encoded(message)
    assert read_text(message).body == "the innermost words"
    for _ in range(9):
        message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + encoded(message)
    assert read_text(message).body == ""
    assert read_text(message).notes == ("long text was read in part",)


def test_text_of_one_part_and_of_all_is_bounded() -> None:
    line = b"A word and another one\n"
    long = line * (PART_LIMIT // len(line) * 3)
    one = read_text(b"Content-Type: text/plain\n\n" + long)
    assert len(one.body) == PART_LIMIT
    assert one.notes == ("long text was read in part",)
    part = b"--b\nContent-Type: text/plain\n\n" + long + b"\n"
    whole = read_text(b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 6 + b"--b--\n")
    assert TEXT_LIMIT <= len(whole.body) < TEXT_LIMIT + 100
    short = b"--b\nContent-Type: text/plain\n\n" + line * (PART_LIMIT // len(line)) + b"\n"
    many = read_text(b"Content-Type: multipart/mixed; boundary=b\n\n" + short * 5 + b"--b--\n")
    assert many.notes == ("long text was read in part",)
    base64 = read_text(b"Content-Transfer-Encoding: base64\n\n" + encoded(long))
    assert len(base64.body) == PART_LIMIT


def test_a_report_and_a_file_are_read_as_well(tmp_path: Path) -> None:
    message = report(plain(body="the words\n", attachments=[("a.pdf", b"x" * 3000)]))
    path = tmp_path / "message"
    path.write_bytes(message)
    with FileBuffer(path, 1000) as buf:
        assert read_message(buf) == read_message(message)
    assert "the words" in read_text(message).body


def oracle(message: bytes) -> Iterator[str]:
    """The texts that the standard library finds, each decoded, HTML as text.

    It reads a message that is itself encoded as if it were not. What it finds there is no text.
    """
    others = [found.decode() for found in re.findall(rb"charset=\"?([\w-]+)", message)]
    for found in re.findall(rb"=\?([\w-]+)\?[bqBQ]\?", message):
        others += [found.decode(), *({"iso-2022-jp": ["shift_jis"]}.get(found.decode().lower(), []))]
    parsed = email.message_from_bytes(message.removeprefix(b"\xef\xbb\xbf"), policy=policy.compat32)
    waiting: list[Message] = [parsed]
    while waiting:
        part = waiting.pop()
        if part.is_multipart():
            encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
            if part.get_content_maintype() != "message" or encoding not in ("base64", "quoted-printable"):
                waiting += part.get_payload()  # type: ignore[arg-type]
        elif part.get_content_maintype() == "text":
            end_at_padding(part)
            raw = part.get_payload(decode=True)
            assert isinstance(raw, bytes)
            charset = part.get_content_charset()
            stated = [charset] if charset else others
            if part.get_content_type() == "text/html":
                yield to_text(readable(raw, *([charset] if charset else []), declared(raw), *stated))
            else:
                yield readable(raw, *stated)


def end_at_padding(part: Message) -> None:
    """Cut off what follows the padding of base64.

    Newer releases of Python decode it, too, but it is no text.
    """
    if str(part.get("content-transfer-encoding", "")).strip().lower() == "base64":
        encoded, padding, rest = str(part.get_payload()).partition("=")
        if rest.strip("=\r\n\t "):
            part.set_payload(f"{encoded}{padding}=")


def declared(raw: bytes) -> str:
    """The charset that an HTML document names itself."""
    found = re.search(rb"<meta[^>]*charset=[\"']?([\w-]+)", raw, re.IGNORECASE)
    return found[1].decode() if found else ""


def readable(raw: bytes, *charsets: str) -> str:
    """Text in its charset, or in any that fits: a wrong label must not hide the text."""
    wider = [{"gb2312": "gb18030"}.get(charset, charset) for charset in charsets]
    for charset in [*([] if raw.isascii() else ["utf-8"]), *wider, "ascii"]:
        with suppress(LookupError, ValueError):
            return raw.decode(charset)
    for charset in ("utf-8", *charsets):
        with suppress(LookupError):
            text = raw.decode(charset, "replace")
            upper = sum(char > "\x7f" for char in text)
            if text.count("\ufffd") * 2 < (upper if charset == "utf-8" else max(upper, len(text) / 10)):
                return text
    return raw.decode("cp1252", "replace")


def missing(message: bytes) -> set[str]:
    """Words that the standard library finds and we don't.

    Fields of headers, delimiters and the lines of a uuencoded file are no text.
    """
    body = read_text(message).body
    blocks = [message[leaf.head : leaf.body] for leaf in leaves(message)] + [message[: header_end(message)]]
    heads = b"\n".join(
        block[each.start : each.end] for block in blocks for each in fields(block) if each.name
    )
    delimiters = b"\n".join(line for line in message.splitlines() if line.startswith(b"--"))
    known = set(WORD.findall(body)) | set(
        WORD.findall((heads + b"\n" + delimiters).decode("utf-8", "replace"))
    )
    for file in files(message):
        if file.leaf.encoding == "x-uuencode":
            lines = file.buf[max(file.leaf.body - 200, 0) : file.leaf.end + 10]
            known.update(WORD.findall(readable(lines, "latin-1")))
    joined = "".join(body.split())
    return {
        word
        for text in oracle(message)
        for word in WORD.findall(text)
        if word not in known and word not in joined
    }


@pytest.mark.slow
def test_no_text_of_malformed_mail_is_lost() -> None:
    lost = {name: words for name, message in malformed() if (words := missing(message))}
    assert lost == {}


@pytest.mark.slow
def test_no_text_of_real_mail_is_lost() -> None:
    lost = {name: words for name, message in islice(real(), 0, 15_000, 30) if (words := missing(message))}
    assert lost == {}


MISREAD = {
    "cs-big5-cp950.eml": "幙艭 眳p公司",
    "cs-big5-hkscs.eml": "瓥f唔該送 鞠痗岸中",
    "cs-eucjp-ms.eml": "々罎侶",
    "cs-iso2022jp-kana.eml": "3Q 6E 9 BCmJ8 BH G I6 N q",
    "cs-iso2022jp-nec.eml": "3 9 9f B8f8 B9g7W D6u G O Q T b66MM j q v",
    "cs-windows-31j.eml": "Å Ï Œ",
    "cs-windows-874.eml": "Ë¹Õéà Í¹¹Õé àÃÕÂ¹ÅÙ ãºá é éÒ",
    "cs-x-cp1250.eml": "Pøíloha",
    "x-jis-one-bad-byte.eml": "A5a B CN N i q",
    "x-utf7-one-bad.eml": "APwA3w ZZZ",
    "gt-from-line.eml": "2009 3",
    "00737.af5f503f": "萓r第0502983號核准 萓r第0502983號核准生產",
    "00824.eec96f74": "PCÖÕ ªÊ ² ²½ ³öÓÊ¼þ µÝ ¹û ¹ýÂË º ºÆÕÍ ºÍ ¾¹ ¾ÓÊ¼þÓÉËÑÒ Á ÄÚÈÝÓë Æ ÆÆÒ ÇÐ È "
        "ÉÌÎñÈí¼þÕ¾µã Ê ÊäÑÓ³ÙÏÖÏó Ë Ë¾ÎÞ¹Ø ËÍ ËÙ ÌØ ÎÞÐèSMTPÈº Ð ÐÄ Ò Ô½ ÔÃ ÔÙµ ÖÊÁ ßËÙ "
        "àÏß³ÌÍ á æÔÚÓÊ¼þ ì î¼ÑÈº öÓÊÖ þÎñÆ",
    "01064.50715ffe": "诱业礁",
    "01072.ac604802": "aN 伊 痲y 祐 羽q 꼿Р",
}  # fmt: skip
"""By the name of a mail: what only the standard library reads there, since it does not know the label,
misreads characters behind a bad byte, or shows a separator of mbox files."""


def lost_of(mails: Iterable[tuple[str, bytes]]) -> dict[str, set[str]]:
    """The words of each mail that only the standard library finds, without misread ones."""
    lost = {}
    for name, message in mails:
        misread = " ".join(words for known, words in MISREAD.items() if known in name)
        if words := missing(message) - set(misread.split()):
            lost[name] = words
    return lost


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_text_of_all_real_mail_is_lost() -> None:
    assert lost_of(real()) == {}


def test_no_text_of_the_cases_is_lost(tmp_path: Path) -> None:
    mails = (
        path for path in cases_dir().rglob("*.eml") if "files" not in path.relative_to(cases_dir()).parts
    )
    cases = [(path.name, path.read_bytes()) for path in mails]
    for kind in ("eml", "mbox"):
        path = cases_dir() / "files" / kind
        with closing(open_source(FileEndpoint(kind=kind, path=str(path), work=tmp_path / kind))) as source:
            source.connect()
            cases += [(answer.item.key, held(answer)) for answer in source.fetch(list(source.listing()))]
    assert len(cases) == 127
    assert lost_of(cases) == {}


def test_genuine_reports_are_read() -> None:
    for name, message in journal_files():
        summary, text = read_message(message)
        assert summary.subject, name
        assert text.body, name
        assert missing(message) == set(), name


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60), st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_no_bytes_raise(body: bytes, value: bytes, eol: bytes) -> None:
    for name in (
        b"Content-Type: text/plain; charset=",
        b"Content-Type: ",
        b"Subject: ",
        b"Content-Disposition: ",
    ):
        read_message(name + value + eol * 2 + body)
    read_message(body)


def test_html_is_compared_with_all_plain_text_before_it() -> None:
    parts = [
        (b"plain", b"one two"),
        (b"html", b"<p>one <b>two</b>"),
        (b"html", b"<p>two one"),
        (b"plain", b"three"),
        (b"html", b"<p>one three"),
        (b"html", b"<p>one four"),
    ]
    joined = b"".join(b"--x\nContent-Type: text/%s\n\n%s\n" % part for part in parts)
    message = b"Content-Type: multipart/mixed; boundary=x\n\n" + joined + b"--x--\n"
    assert read_text(message).body.split("\n") == ["one two", "three", "one four"]
