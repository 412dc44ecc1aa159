"""Files keep their numbers, and are opened within limits."""

from __future__ import annotations

import time
import tracemalloc
from base64 import b64encode, encodebytes
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.mime.parts import IN_MEMORY, LEVELS, FilePart, files, parts
from muniment.mail.mime.walker import content, leaves
from muniment.mail.notes import CUT
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_file, read_message
from support.cases import cases_dir
from support.corpus import malformed
from support.reports import plain
from support.wrapped import compressed, enclosing, signed, tnef, tnef_file, uuencoded

FILES = [("plan.pdf", b"%PDF"), ("a.txt", b"letters")]
PLAN = plain(subject="inner", body="inner words\n", attachments=FILES)


def data(file: FilePart) -> bytes:
    return b"".join(content(file.buf, file.leaf))


def nested(*messages: bytes, kind: bytes = b"message/rfc822", eol: bytes = b"\r\n") -> bytes:
    """A message that contains others undecoded."""
    boundary = b"b%d" % sum(map(len, messages))
    lines = [b"Subject: outer", b"Content-Type: multipart/mixed; boundary=" + boundary, b""]
    for message in messages:
        lines += [b"--" + boundary, b"Content-Type: " + kind, b"", message]
    return eol.join([*lines, b"--" + boundary + b"--", b""])


def test_an_attached_message_comes_before_its_content() -> None:
    mail = nested(PLAN, nested(PLAN))
    found = files(mail)
    assert [(file.filename, file.within) for file in found] == [
        ("inner.eml", 0), ("plan.pdf", 1), ("a.txt", 1),
        ("outer.eml", 0), ("inner.eml", 4), ("plan.pdf", 5), ("a.txt", 5),
    ]  # fmt: skip
    assert [data(found[number]) for number in (0, 4)] == [PLAN, PLAN]
    summary, text = read_message(mail)
    assert summary.attachments == 7
    assert text.filenames == tuple(file.filename for file in found)


@pytest.mark.parametrize("kind", [b"message/rfc822", b"message/global", b"message/rfc822; name=x.eml"])
def test_every_kind_of_attached_message_is_saved_unchanged(kind: bytes) -> None:
    found = files(nested(PLAN, kind=kind))
    assert data(found[0]) == PLAN
    assert found[0].filename == ("x.eml" if b"name" in kind else "inner.eml")
    assert "inner words" in read_file(found[0]).body


def test_a_digest_holds_messages() -> None:
    mail = b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n" + PLAN + b"\r\n--b--\r\n"
    assert [file.filename for file in files(mail)] == ["inner.eml", "plan.pdf", "a.txt"]


def test_reports_and_their_fields_are_no_messages() -> None:
    mail = (
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: gone\r\n\r\n--b--\r\n"
    )  # fmt: skip
    assert files(mail) == []


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "x-uuencode"])
@pytest.mark.parametrize(("kind", "name"), [("message/rfc822", ""), ("application/octet-stream", "a.eml")])
def test_an_encoded_message_is_saved_decoded(kind: str, name: str, encoding: str) -> None:
    written = {
        "base64": encodebytes(PLAN),
        "quoted-printable": PLAN.replace(b"=", b"=3D"),
        "x-uuencode": b"begin 644 a.eml\n" + uuencoded(PLAN) + b"end\n",
    }[encoding]
    if encoding == "x-uuencode" and kind == "message/rfc822":
        return  # a message in an unknown encoding is read undecoded
    mail = enclosing(written, kind, name, encoding) if encoding != "base64" else enclosing(PLAN, kind, name)
    found = files(mail)
    assert [(file.filename, file.within) for file in found] == [
        (name or "inner.eml", 0), ("plan.pdf", 1), ("a.txt", 1),
    ]  # fmt: skip
    assert data(found[0]) == PLAN
    assert data(found[1]) == b"%PDF"
    assert "inner words" in read_file(found[0]).body
    assert "inner words" in read_message(mail)[1].body


def test_a_secret_recipient_of_an_attached_message_is_in_no_text() -> None:
    secret = plain(bcc=["eve@example.com"], subject="inner", body="words\n")
    for mail in (
        nested(secret),
        enclosing(secret, "application/octet-stream", "a.eml"),
        enclosing(signed(b"Content-Type: message/rfc822\r\n\r\n" + secret), "application/pkcs7-mime"),
    ):
        assert "words" in read_message(mail)[1].body
        assert "eve@" not in read_message(mail)[1].body
        assert all("eve@" not in read_file(file).body for file in files(mail))


@pytest.mark.parametrize(
    ("kind", "name", "raw", "read"),
    [
        ("application/json", "", b'{"a": "b"}', True),
        ("application/ld+json", "", b'{"a": "b"}', True),
        ("application/atom+xml", "", b"<a/>", True),
        ("application/x-unknown", "notes.MD", b"# words", True),
        ("application/octet-stream", "page.html", b"<p>a <b>word</b>", True),
        ("application/octet-stream", "utf16.txt", "words".encode("utf-16"), True),
        ("application/octet-stream", "latin.txt", "Grüße".encode("latin-1"), True),
        ("application/octet-stream", "jis.txt", "漢字".encode("iso-2022-jp"), True),
        ("application/octet-stream", "binary.txt", bytes(range(32)), False),
        ("application/octet-stream", "words", b"words", False),
        ("application/pdf", "words.txt", b"%PDF-1.4\n\0\1", False),
        ("image/svg+xml", "a.svg", b"<svg/>", False),
        ("application/octet-stream", "a.eml", b"no header at all", True),
    ],
)
def test_files_that_are_text_are_read(kind: str, name: str, raw: bytes, read: bool) -> None:
    mail = enclosing(raw, kind, name)
    (file,) = files(mail)
    assert bool(file.reading) == read
    assert bool(read_file(file).body) == read == bool(read_message(mail)[1].body)
    assert data(file) == raw


@given(st.recursive(st.just(PLAN), lambda inner: st.one_of(
    inner.map(lambda one: nested(one)),
    inner.map(lambda one: enclosing(one, "application/octet-stream", "a.eml")),
    inner.map(lambda one: enclosing(signed(one, 60), "application/pkcs7-mime", "smime.p7m")),
    inner.map(lambda one: enclosing(compressed(one), "application/pkcs7-mime", "smime.p7m")),
    inner.map(lambda one: enclosing(tnef(tnef_file("a.eml", one)), "application/ms-tnef", "winmail.dat")),
    inner.map(lambda one: plain(body=b"see\nbegin 644 a.eml\n" + uuencoded(one) + b"end\n", eol=b"\n")),
), max_leaves=9))  # fmt: skip
def test_files_inside_every_container_are_found(mail: bytes) -> None:
    found = files(mail)
    summary, text = read_message(mail)
    assert summary.attachments == sum(1 for file in found if not file.inline)
    assert sorted(text.filenames) == sorted(file.filename for file in found)
    depth = max((part.level for part in parts(mail)), default=0)
    assert depth <= LEVELS
    if depth < LEVELS:
        assert "inner words" in text.body
        assert [data(file) for file in found if file.filename == "plan.pdf"] == [b"%PDF"]
    for number, file in enumerate(found, start=1):
        assert file.within < number


def numbered(mail: bytes) -> None:
    shallow, deep = files(mail, inside=False), files(mail)
    assert [(file.leaf.body, file.leaf.end) for file in shallow] == [
        (file.leaf.body, file.leaf.end) for file in deep[: len(shallow)]
    ]
    assert len(read_outline(mail)[1].filenames) <= len(deep)
    assert [file[:6] for file in files(mail, leaves(mail))] == [file[:6] for file in deep]


def test_files_inside_others_change_no_number() -> None:
    for path in sorted(cases_dir().rglob("*.eml")):
        numbered(path.read_bytes())
    for _, mail in islice(malformed(), 0, None, 3):
        if len(mail) < 100_000:
            numbered(mail)


def test_levels_have_a_limit() -> None:
    mail = PLAN
    for _ in range(14):
        mail = enclosing(mail, "application/octet-stream", "a.eml")
    started = time.process_time()
    assert len(files(mail)) == LEVELS + 1
    read_message(mail)
    assert time.process_time() - started < 3


def test_many_small_files_are_read_quickly() -> None:
    part = b"--b\r\nContent-Type: application/octet-stream; name=a.eml\r\n\r\nFrom: a\r\nTo: b\r\n\r\nx\r\n"
    mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 20_000 + b"--b--\r\n"
    started = time.process_time()
    files(mail)
    read_message(mail)
    assert time.process_time() - started < 10


def test_a_large_file_is_opened_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    block = bytes(range(256)) * 3 * 1024
    with path.open("wb") as file:
        file.write(
            b"Content-Type: application/octet-stream; name=a.eml\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        head = b"From: a\r\nDate: b\r\nSubject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        head += b"--b\r\n\r\nlarge words\r\n--b\r\nContent-Type: application/x-a; name=a.bin\r\n\r\n"
        head = head.ljust(-(-len(head) // 57) * 57 - 4, b" ") + b"\r\n\r\n"
        lines = b64encode((block * 4).ljust(-(-len(block) * 4 // 57) * 57, b"\0"))
        for text in (b64encode(head), *[lines] * 9):
            file.writelines(text[at : at + 76] + b"\r\n" for at in range(0, len(text), 76))
    assert path.stat().st_size > 4 * IN_MEMORY
    with FileBuffer(path) as buffer:
        tracemalloc.start()
        try:
            outer, inner = files(buffer)
            assert (outer.filename, inner.filename) == ("a.eml", "a.bin")
            size = sum(len(piece) for piece in content(inner.buf, inner.leaf))
            assert "large words" in read_message(buffer)[1].body
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert size > 3 * IN_MEMORY
    assert peak < 2 * IN_MEMORY


def test_a_large_file_in_irregular_base64_is_not_opened() -> None:
    written = b64encode(PLAN).ljust(IN_MEMORY + 8, b" ") + b"!"
    mail = enclosing(written, "application/octet-stream", "a.eml", "7bit").replace(b": 7bit", b": base64")
    assert [file.filename for file in files(mail)] == ["a.eml"]
    assert CUT in read_message(mail)[1].notes


UU = b"begin 644 A\n#4$%9\n`\nend\n"
WITHIN = b"Subject: one\r\nSubject: seven\r\nTo: a@x.example\r\nTo: eight@x.example\r\n\r\ntext\r\n"


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: text/plain; name=a.txt\r\n\r\nwords\n" + UU + b"more\n",
        b"Content-Type: message/rfc822\r\n\r\n" + WITHIN,
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(WITHIN),
    ],
    ids=["uuencode", "message", "encoded message"],
)
def test_what_is_shown_of_a_file_can_be_found(mail: bytes) -> None:
    """The index has the message's text, the screen has the file's own."""
    mail = b"Subject: s\r\n" + mail
    text = read_message(mail)[1]
    found = set(f"{text.body} {' '.join(text.filenames)}".split())
    shown = set(read_file(files(mail)[0]).body.split())
    assert shown - {"From:", "To:", "Cc:", "Date:", "Subject:"} <= found
