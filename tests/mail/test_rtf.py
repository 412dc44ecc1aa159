"""The text of RTF is what a person reads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.mime.rtf import RichText, decompressed, is_rtf, read_rtf
from muniment.mail.text.read_text import read_message
from support.wrapped import enclosing, packed_rtf

SPECIFIED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
"""MS-OXRTFCP 4.1.1 and 4.1.2: the form that Outlook writes, and one whose copies overlap themselves."""
CIRCLE = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def test_the_examples_of_the_specification_are_decompressed() -> None:
    assert decompressed(SPECIFIED, 10_000) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed(CIRCLE, 10_000) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


@given(st.binary(max_size=500), st.integers(0, 600))
def test_any_bytes_come_back_up_to_the_limit(raw: bytes, limit: int) -> None:
    whole = packed_rtf(raw)
    assert decompressed(whole, limit) == raw[:limit]
    assert decompressed(whole[:8] + b"MELA" + bytes(4) + raw, limit) == raw[:limit]


@given(st.binary(max_size=500))
def test_no_bytes_raise(raw: bytes) -> None:
    assert len(decompressed(b"\0\0\0\0\xff\xff\xff\x7fLZFu\0\0\0\0" + raw, 1000)) <= 1000
    for before in (b"", b"{\\rtf1 ", b"{\\rtf1\\fromhtml1{\\*\\htmltag1 ", b"{\\fonttbl\\f1\\fcharset"):
        read_rtf(before + raw).text.encode()


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            rb"{\rtf1\ansi hello {\b bold} world\par next\line third\tab x}",
            "hello bold world\nnext\nthird\tx",
        ),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (
            rb"{\rtf1{\fonttbl{\f0\fcharset0 A;}{\f3\fcharset204 B;}}\f0 \'e4 \f3 \'e4 {\f0 \'e4}\'e4}",
            "ä д äд",
        ),
        (rb"{\rtf1{\fonttbl{\f2\fcharset128 M;}}\f2\'93\'fa\'96\'7b}", "日本"),
        (rb"{\rtf1\uc1 \u8364?\u-10179?\u-8704?}", "€😀"),
        (rb"{\rtf1\uc2 \u8364\'80\'80x{\uc0 \u8364 y}\u8364abz}", "€x€y€z"),
        (rb"{\rtf1 a\{b\}c\\d\~e\_f\-g}", "a{b}c\\d\xa0e\u2011fg"),
        (
            rb"{\rtf1 {\*\unknown hidden}{\info{\title no}}{\pict 00ff}{\v shown}{\footnote note}}",
            "shownnote",
        ),
        (rb"{\rtf1 {\pict\bin7 }}\}{{\}}after}", "after"),
        (rb"{\rtf1 {\field{\*\fldinst HYPERLINK x}{\fldrslt link}}}", "link"),
        (rb"{\rtf1 never closed {\b here", "never closed here"),
        (rb"{\rtf1 too}}}} many", "too many"),
        (rb"{\rtf1 \u9999999999?\u128512?\'zz\ansicpg99999\'e4\bin99999999 gone}", "😀zzä"),
        (rb"{\rtf1 {\lquote a\rquote\emdash\ldblquote}}", "‘a’—“"),
    ],
)
def test_the_text_is_what_a_person_reads(written: bytes, text: str) -> None:
    assert is_rtf(written)
    found = read_rtf(written)
    assert (found.html, found.text.replace("\ufffd", "")) == (False, text)


def test_wrapped_html_comes_back() -> None:
    written = (
        rb"{\rtf1\ansi\fromhtml1 \deff0{\fonttbl{\f0 A;}}{\*\htmltag64 <p class=\'22x\'22>}\htmlrtf "
        rb"{\par\htmlrtf0 "
        rb"Hallo W\'f6rld{\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 fett\htmlrtf }\htmlrtf0 {\*\htmltag92 </b>}"
        rb"{\*\mhtmltag1 <not this>}\htmlrtf\par}\htmlrtf0 {\*\htmltag72 </p>}}"
    )
    assert read_rtf(written) == RichText('<p class="x">Hallo Wörld<b>fett</b></p>', True)


@pytest.mark.parametrize(
    ("kind", "name"), [("application/rtf", ""), ("text/rtf", ""), ("application/msword", "letter.rtf")]
)
def test_rtf_in_a_mail_is_searched(kind: str, name: str) -> None:
    mail = enclosing(rb"{\rtf1 a {\b letter} in rtf}", kind, name)
    summary, text = read_message(mail)
    assert text.body == "a letter in rtf"
    assert summary.attachments == (kind != "text/rtf")


def test_a_part_that_is_only_labelled_rtf_is_read_as_text() -> None:
    assert read_message(enclosing(b"plain words", "text/rtf"))[1].body == "plain words"
    assert read_message(enclosing(b"\0\1 words", "application/rtf"))[1].body == ""


@pytest.mark.parametrize(
    "text",
    [
        b"{" * 300_000, b"{\\rtf1 " + b"{\\f1 " * 60_000, b"\\u1 " * 80_000, b"\\'e4" * 80_000,
        b"\\field{\\*\\fldinst{HYPERLINK " * 10_000, b"{\\fonttbl" + b"\\f1\\fcharset204 " * 60_000,
        b"\\pict\\bin" * 40_000, b"\\bin1" * 60_000,
    ],
)  # fmt: skip
def test_hostile_text_is_read_quickly(text: bytes) -> None:
    started = time.process_time()
    read_rtf(text)
    assert time.process_time() - started < 5
