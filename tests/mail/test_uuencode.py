"""Files in a text come back byte for byte. Text that only looks like one stays text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.mime.parts import files
from muniment.mail.mime.uuencode import BLOCKS, blocks, uu_content, uu_length
from muniment.mail.mime.walker import content, content_size, leaves, part_bytes
from muniment.mail.model import MimeLeaf
from muniment.mail.text.read_text import read_message
from support.wrapped import uuencoded

HEAD = b"From: a@example.com\r\nSubject: x\r\n\r\n"


def letter(*lines: bytes, eol: bytes = b"\r\n") -> bytes:
    return HEAD + eol.join(lines)


def shown(mail: bytes) -> list[tuple[str, bytes]]:
    return [(file.filename, b"".join(content(file.buf, file.leaf))) for file in files(mail)]


@given(st.binary(max_size=400), st.booleans(), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_any_bytes_come_back(data: bytes, blanks: bool, eol: bytes, stripped: bool) -> None:
    lines = uuencoded(data, blanks=blanks, eol=eol)
    if stripped:  # stripped, as mail programs and gateways do
        lines = eol.join(line.rstrip(b" ") for line in lines.split(eol))
    text = b"before" + eol + b"begin 644 a b.bin" + eol + lines + b"end" + eol + b"behind" + eol
    (block,) = blocks(text)
    assert text[block.start : block.end] == text[len(b"before" + eol) : -len(b"behind" + eol)]
    assert (block.name, block.base64) == (b"a b.bin", False)
    assert b"".join(uu_content(text, block.first, block.last)) == data
    assert uu_length(text, block.first, block.last) == len(data)
    mail = HEAD + text
    assert shown(mail) == [("a b.bin", data)]
    summary, read = read_message(mail)
    assert (summary.attachments, read.filenames) == (1, ("a b.bin",))
    assert read.body.split() == ["before", "behind"]


@given(st.binary(min_size=1, max_size=300))
def test_a_uuencoded_part_comes_back(data: bytes) -> None:
    for name in (b"x-uuencode", b"UUENCODE", b"x-uue"):
        mail = (
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: " + name
            + b"\r\n\r\nbegin 644 plan.bin\r\n" + uuencoded(data, eol=b"\r\n") + b"end\r\n"
        )  # fmt: skip
        (leaf,) = leaves(mail)
        assert part_bytes(mail, leaf) == data
        assert content_size(mail, leaf) == len(data)
        assert shown(mail) == [("plan.bin", data)]


def test_a_part_that_is_only_labelled_uuencoded_is_read_undecoded() -> None:
    mail = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nplain words\r\n"
    assert read_message(mail)[1].body == "plain words\n"


def test_base64_has_its_own_form() -> None:
    mail = letter(b"begin-base64 644 a.bin", b"AAECAwQF", b"Bg==", b"====", b"behind")
    assert shown(mail) == [("a.bin", bytes(range(7)))]
    assert read_message(mail)[1].body == "behind"


def test_a_file_in_quoted_printable_and_in_base64_is_found() -> None:
    text = b"see\nbegin 644 a.bin\n" + uuencoded(b"=3D?" * 30) + b"end\n"
    qp = text.replace(b"=", b"=3D")
    mail = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + qp
    assert shown(mail) == [("a.bin", b"=3D?" * 30)]


@pytest.mark.parametrize(
    "lines",
    [
        [b"begin 644 times and you", b"will be tired", b"end"],
        [b"begin 644 a", b"end"],
        [b"begin 644 A", b"SOME CAPITALS THAT ARE NO LINE AT ALL OF THE RIGHT LENGTH `", b"end"],
        [b"> begin 644 a.bin", b"> #0V%T", b"> `", b"> end"],
        [b"Then begin 644 a.bin", b"#0V%T", b"`", b"end"],
        [b"begin 999 a.bin", b"#0V%T", b"`", b"end"],
        [b"begin 64 a.bin", b"#0V%T", b"`", b"end"],
        [b"begin 644 a.bin", b"#0V%T", b"and so on", b"end"],
        [b"begin 644 a.bin", b"#0V%T", b"`"],
        [b"begin-base64 644 a.bin", b"no base64!", b"===="],
        [b"beginning 644 a.bin", b"#0V%T", b"`", b"end"],
    ],
)
def test_words_that_look_like_a_file_stay_text(lines: list[bytes]) -> None:
    mail = letter(*lines, b"last words")
    assert shown(mail) == []
    assert read_message(mail)[1].body.split() == b" ".join([*lines, b"last words"]).decode().split()


def test_html_contains_no_uuencoded_file() -> None:
    mail = b"Content-Type: text/html\r\n\r\n<pre>\nbegin 644 a\n#0V%T\n`\nend\n</pre>"
    assert shown(mail) == []


def test_a_file_that_was_cut_off_is_read_as_far_as_possible() -> None:
    data = bytes(range(256)) * 2
    lines = uuencoded(data).split(b"\n")
    mail = letter(b"begin 644 a.bin", *lines[:6], b"-- the rest was lost --")
    assert shown(mail) == [("a.bin", data[: 6 * 45])]
    assert "the rest was lost" in read_message(mail)[1].body


def test_checksums_and_long_lines_are_accepted() -> None:
    data = bytes(range(45)) * 3
    lines = [line + b"X" for line in uuencoded(data).split(b"\n")[:3]]
    assert shown(letter(b"begin 644 a.bin", *lines, b"`", b"end")) == [("a.bin", data)]


def test_several_files_and_the_text_between_them_are_separated() -> None:
    one = [b"begin 644 a.bin", b"#0V%T", b"`", b"end"]
    mail = letter(b"first", *one, b"second", *one, *one, b"third")
    assert shown(mail) == [("a.bin", b"Cat")] * 3
    assert read_message(mail)[1].body.split() == ["first", "second", "third"]


def test_a_long_file_beyond_the_limit_of_a_text_is_found() -> None:
    data = bytes(range(256)) * 8192
    mail = HEAD + b"words\r\n" * 200_000 + b"begin 644 long.bin\n" + uuencoded(data) + b"end\n"
    started = time.process_time()
    assert shown(mail) == [("long.bin", data)]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        b"begin 644 a\n" * 100_000,
        b"begin 644 a\n#0V%T\n" * 50_000,
        b"begin 644 a\n`\nend\n" * 50_000,
        b"begin 644 a\n" + b"M\n" * 300_000,
        b"begin 644 a\n" + b"M" * 1_000_000,
        b"\nbegin" * 200_000,
    ],
)
def test_hostile_texts_are_read_quickly(text: bytes) -> None:
    started = time.process_time()
    found = blocks(text)
    assert len(found) <= BLOCKS
    leaf = MimeLeaf(0, 0, len(text), "text/plain", "")
    assert content_size(text, leaf) == len(text)
    files(HEAD + text)
    read_message(HEAD + text)
    assert time.process_time() - started < 4
