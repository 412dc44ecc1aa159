"""Quoted-printable with any line ends hides no text."""

from __future__ import annotations

import binascii
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.mail.headers.fields import decode
from muniment.mail.headers.quoted import unquoted, unquoted_pieces
from muniment.mail.text.read_text import read_text

BYTES = st.lists(st.sampled_from(list(b"=3D0A \t\r\nxyz_")), max_size=60).map(bytes)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Hello.=\r Wire the money\r\nBye.", b"Hello. Wire the money\r\nBye."),
        (b"a=\r\nb", b"ab"),
        (b"a=\nb", b"ab"),
        (b"a=\rb=\rc", b"abc"),
        (b"a=\r", b"a"),
        (b"a==\rb=\rc", b"a=\rbc"),
        (b"a===\rb", b"a=b"),
        (b"=3D=\r=41", b"=A"),
    ],
)
def test_a_soft_line_break_before_a_lone_cr_hides_nothing(raw: bytes, text: bytes) -> None:
    assert unquoted(raw) == text


def test_the_reader_shows_such_text_and_subjects() -> None:
    mail = (
        b"Subject: x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Hello.=\r Wire the money\r\nBye."
    )
    assert read_text(mail).body == "Hello. Wire the money\nBye."
    assert decode(b"=?utf-8?Q?Hello.=\r_Wire_the_money?=") == "Hello. Wire the money"


@given(BYTES)
@example(b"=\r\r\n=\r=")
def test_without_a_lone_cr_the_result_is_that_of_the_standard_library(raw: bytes) -> None:
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
    assert unquoted(raw) == binascii.a2b_qp(raw)
    assert unquoted(raw, header=True) == binascii.a2b_qp(raw, header=True)


@given(BYTES, st.integers(1, 20))
@example(b"A =A=\rA_", 7)
def test_the_result_in_pieces_is_the_same(raw: bytes, size: int) -> None:
    pieces = (raw[at : at + size] for at in range(0, len(raw), size))
    assert b"".join(unquoted_pieces(pieces)) == unquoted(raw)


@given(BYTES)
@example(b"=A=\rA")
def test_a_lone_cr_breaks_a_line_like_crlf(raw: bytes) -> None:
    """The text around it makes no escape."""
    raw = re.sub(rb"==+", b"=", raw.replace(b"\n", b""))  # the second equal sign of a pair breaks no line
    assert unquoted(raw.replace(b"=\r", b"=\r\n")) == unquoted(raw)


@pytest.mark.parametrize("count", [77, 78, 79, 200, 201])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_run_of_equal_signs_is_not_split_between_pieces(count: int, size: int) -> None:
    raw = b"x" + b"=" * count + b"41"
    assert b"".join(unquoted_pieces(raw[at : at + size] for at in range(0, len(raw), size))) == unquoted(raw)
