"""winmail.dat is read as far as possible, also with wrong lengths."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.mime.parts import files
from muniment.mail.mime.tnef import FILES, is_tnef, read_tnef
from muniment.mail.mime.walker import content
from muniment.mail.notes import CUT
from muniment.mail.text.read_text import read_message
from support.wrapped import (
    attribute,
    enclosing,
    named_prop,
    packed_rtf,
    props,
    tnef,
    tnef_file,
    tnef_message,
    wide,
)

BODY, MESSAGE, SUBJECT, NEW_FILE, TITLE, FILE = 0x2800C, 0x69003, 0x18004, 0x69002, 0x18010, 0x6800F


def winmail(*attributes: bytes, codepage: int = 1252) -> bytes:
    stream = tnef(*attributes, codepage=codepage)
    assert is_tnef(stream)
    return enclosing(stream, "application/ms-tnef", "winmail.dat")


def shown(mail: bytes) -> list[tuple[str, bytes]]:
    return [(file.filename, b"".join(content(file.buf, file.leaf))) for file in files(mail)[1:]]


@pytest.mark.parametrize(
    ("codepage", "text"),
    [
        (1252, "Grüße"),
        (1251, "Привет"),
        (932, "日本語"),
        (65001, "Grüße 日本"),
        (28592, "Škoda"),
        (0, "Café"),
    ],
)
def test_text_and_names_are_read_in_the_code_page(codepage: int, text: str) -> None:
    charset = {65001: "utf-8", 28592: "iso8859-2", 0: "cp1252"}.get(codepage, f"cp{codepage}")
    raw = text.encode(charset) + b"\0"
    mail = winmail(
        attribute(SUBJECT, raw), attribute(BODY, raw),
        attribute(NEW_FILE, bytes(14), 2), attribute(TITLE, raw[:-1] + b".txt\0", 2),
        attribute(FILE, b"content", 2), codepage=codepage,
    )  # fmt: skip
    summary, read = read_message(mail)
    assert read.body == f"{text}\n{text}\ncontent"
    assert read.filenames == ("winmail.dat", f"{text}.txt")
    assert summary.attachments == 1


def test_the_text_is_read_in_each_form_and_appears_once() -> None:
    plain = attribute(MESSAGE, props((0x1000, 31, wide("one two three"))))
    html = attribute(
        MESSAGE, props((0x3FDE, 3, struct.pack("<I", 28605)), (0x1013, 258, b"<p>four \xa4</p>"))
    )
    rich = attribute(MESSAGE, props((0x1009, 258, packed_rtf(rb"{\rtf1 five \'e4 \u8364?}"))))
    wrapped = rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 six{\*\htmltag72 </p>}}}"
    packed = attribute(MESSAGE, props((0x1009, 258, packed_rtf(wrapped))))
    for attributes, words in (
        ([plain], ["one", "two", "three"]),
        ([html], ["four", "€"]),
        ([rich], ["five", "ä", "€"]),
        ([packed], ["six"]),
        ([plain, html, rich], ["one", "two", "three", "four", "€", "five", "ä", "€"]),
        (
            [plain, attribute(MESSAGE, props((0x1013, 258, b"<p>one <b>two</b> three")))],
            ["one", "two", "three"],
        ),
    ):
        assert read_message(winmail(*attributes))[1].body.split() == words


def test_a_subject_that_the_header_has_is_not_repeated() -> None:
    assert read_message(winmail(attribute(SUBJECT, b"outer\0")))[1].body == ""


def test_a_file_has_its_long_name_and_a_picture_of_the_text_does_not_count() -> None:
    mail = winmail(
        tnef_file("Quarterly Report Final.docx", b"PK", (0x370E, 30, b"application/msword\0")),
        tnef_file("logo.png", b"PNG", (0x3712, 31, wide("cid1"))),
        tnef_file("data.csv", b"koala;1"),
    )
    found = files(mail)
    assert [(file.filename, file.content_type, file.inline) for file in found] == [
        ("winmail.dat", "application/ms-tnef", True),
        ("Quarterly Report Final.docx", "application/msword", False),
        ("logo.png", "application/octet-stream", True),
        ("data.csv", "application/octet-stream", False),
    ]
    summary, text = read_message(mail)
    assert (summary.attachments, text.body) == (2, "koala;1")


def test_properties_behind_a_named_one_are_read() -> None:
    listed = struct.pack("<I", 2) + named_prop(wide("words")) + props((0x1000, 31, wide("behind")))[4:]
    assert read_message(winmail(attribute(MESSAGE, listed)))[1].body == "behind"


def test_attached_messages_are_read_level_by_level() -> None:
    stream = tnef(attribute(BODY, b"level 9\0"), tnef_file("file 9.txt", b"text 9"))
    for level in range(8, 0, -1):
        stream = tnef(attribute(BODY, b"level %d\0" % level), tnef_message(f"message {level}", stream))
    mail = enclosing(stream, "application/ms-tnef", "winmail.dat")
    found = files(mail)
    assert [file.filename for file in found] == ["winmail.dat", *(f"message {n}.tnef" for n in range(1, 6))]
    assert [file.within for file in found] == [0, 1, 2, 3, 4, 5]
    assert read_message(mail)[1].body.split() == [word for n in range(1, 6) for word in ("level", str(n))]


@pytest.mark.parametrize("data", [b"no TNEF at all", tnef()[:4], tnef()[:9], tnef(), tnef() + b"\xff" * 20])
def test_an_empty_container_counts_as_a_file(data: bytes) -> None:
    mail = enclosing(data, "application/ms-tnef", "winmail.dat")
    summary, text = read_message(mail)
    assert (summary.attachments, text.body, text.filenames) == (1, "", ("winmail.dat",))


@pytest.mark.parametrize("claimed", [0, 3, 9, 100, 2**31, 2**32 - 1])
def test_a_wrong_length_ends_with_the_stream(claimed: int) -> None:
    mail = winmail(
        attribute(BODY, b"words\0"), attribute(NEW_FILE, bytes(14), 2), attribute(TITLE, b"a.bin\0", 2),
        attribute(FILE, b"content", 2, claimed),
    )  # fmt: skip
    ((name, data),) = shown(mail)
    assert name == "a.bin"
    assert data[:7] == b"content"[: max(claimed, 0)]
    assert read_message(mail)[1].body == "words"
    assert claimed < 100 or CUT in read_message(mail)[1].notes


SAMPLE = tnef(
    attribute(SUBJECT, b"subject\0"),
    attribute(MESSAGE, props((0x1000, 31, wide("body")), (0x1009, 258, packed_rtf(b"{\\rtf1 rich}")))),
    tnef_file("a.txt", b"one"),
    tnef_message("m", tnef(tnef_file("b.txt", b"two"))),
)


@given(st.integers(6, len(SAMPLE)), st.binary(max_size=12))
def test_no_bytes_raise(at: int, noise: bytes) -> None:
    for broken in (SAMPLE[:at], SAMPLE[:at] + noise, SAMPLE[:at] + noise + SAMPLE[at + len(noise) :]):
        found = read_tnef(broken)
        spans = [(file.start, file.end) for file in found.files]
        spans += [(one.start, one.end) for one in (found.plain, found.html) if one]
        assert all(0 <= start <= end <= len(broken) for start, end in spans)
        mail = enclosing(broken, "application/ms-tnef", "winmail.dat")
        assert read_message(mail)[0].attachments == sum(1 for file in files(mail) if not file.inline)


FIXED = struct.pack("<HHI", 0x1003, 1, 2**32 - 1)
MANY = struct.pack("<HHI", 31, 0x1000, 2**32 - 1)
BOMBS = {
    "attributes": tnef(attribute(BODY, b"") * 100_000),
    "files": tnef(attribute(NEW_FILE, b"", 2) * 100_000),
    "properties": tnef(attribute(MESSAGE, b"\xff" * 4 + struct.pack("<HHI", 3, 1, 0) * 100_000)),
    "values": tnef(attribute(MESSAGE, struct.pack("<I", 9) + MANY + bytes(400_000))),
    "fixed values": tnef(attribute(MESSAGE, b"\x09\0\0\0" + FIXED + bytes(300_000))),
    "names": tnef(attribute(MESSAGE, b"\xff" * 4 + (struct.pack("<HH", 3, 0x8000) + bytes(24)) * 40_000)),
    "RTF": tnef(attribute(MESSAGE, props((0x1009, 258, struct.pack("<II4sI", 9, 2**31, b"LZFu", 0)
                                          + (b"\xff" + b"\x00\x0f" * 8) * 60_000)))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_no_time(name: str) -> None:
    mail = enclosing(BOMBS[name], "application/ms-tnef", "winmail.dat")
    started = time.process_time()
    assert len(files(mail)) <= FILES + 1
    read_message(mail)
    assert time.process_time() - started < 5
