"""Header blocks, their fields, and the text of a value."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muniment.mail.charsets.decode import codec, to_text
from muniment.mail.headers.fields import (
    BLOCK_LIMIT,
    block,
    decode,
    decode_words,
    field,
    fields,
    gather,
    header_end,
    parameters,
    pick,
)
from support.corpus import malformed

HEADER_PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"To", b"subject", b"x\xff", b"\r\n\r\n", b"From "]
    )
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)


@pytest.mark.parametrize(
    ("mail", "end"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody", 14),
        (b"A: 1\nB: 2\n\nbody", 11),
        (b"A: 1\rB: 2\r\rbody\nmore\n\n", 11),
        (b"A: 1\r\n\nbody", 7),
        (b"\r\nbody", 2),
        (b"\nbody", 1),
        (b"A: 1\r\nB: 2\r\n", 12),
        (b"", 0),
        (b"A: 1\r\r\nB: 2\r\r\n\r\nbody", 16),
    ],
)
def test_header_ends_behind_the_blank_line(mail: bytes, end: int) -> None:
    assert header_end(mail) == end


@pytest.mark.parametrize("eol", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("size", [16370, 16380, 16381, 16382, 16383, 16384, 16385, 70_000])
def test_blank_line_is_found_wherever_a_window_ends(eol: bytes, size: int) -> None:
    head = b"A: " + b"x" * (size - 3) + eol
    assert header_end(head + eol + b"body" + eol + eol) == len(head) + len(eol)


@pytest.mark.parametrize("size", [16382, 16383, 16384, 16385])
def test_cr_cr_lf_across_a_window_end_is_no_blank_line(size: int) -> None:
    mail = b"A" * size + b"\r\r\nB: 2\n\nbody"
    assert header_end(mail) == len(mail) - 4


def test_header_of_a_range() -> None:
    mail = b"outer: 1\r\n\r\ninner: 2\r\n\r\nbody\r\n\r\n"
    assert header_end(mail, 12) == 24
    assert header_end(mail, 12, 20) == 20
    assert block(mail, 12) == b"inner: 2\r\n\r\n"


def test_block_is_capped() -> None:
    assert len(block(b"A: " + b"x" * (2 * BLOCK_LIMIT) + b"\n\nbody")) == BLOCK_LIMIT


@given(HEADER_PIECES)
def test_fields_cover_the_block(header: bytes) -> None:
    spans = list(fields(header))
    assert b"".join(header[span.start : span.end] for span in spans) == header
    assert all(span.start < span.end for span in spans)


@given(HEADER_PIECES, st.sampled_from([b"to", b"Subject", b"x"]))
@example(b"subject:", b"Subject")
@example(b"to: a\r\nsubject:", b"Subject")
@example(b"subject: \t", b"Subject")
@example(b"subject", b"Subject")
def test_field_gather_and_pick_agree(header: bytes, name: bytes) -> None:
    other, found = gather(header, (b"y", name))
    assert field(header, name) == (found[0] if found else None)
    assert pick(header, (b"y", name)) == [other[0] if other else None, field(header, name)]


def test_field_is_unfolded_and_found_in_any_case() -> None:
    header = b"sUBJECT :  one\r\n\t two \r\nX: y\r\nSubject: three\r\n\r\n"
    assert field(header, b"Subject") == b"one\t two"
    assert gather(header, (b"subject",)) == [[b"one\t two", b"three"]]
    assert field(header, b"Subj") is None
    assert field(b"X-Subject: a\r\nX-Y: Subject: b\r\n", b"Subject") is None


@pytest.mark.parametrize("before", [b"", b"A: b\r\n", b"A: b\n", b"A: b\r"])
@pytest.mark.parametrize("value", [b"", b" ", b"\t", b" \t "])
@pytest.mark.parametrize("after", [b"", b"\n", b"\r\n", b"\r", b"\r\nC: d\r\n\r\n", b"\n\n", b"\r\n folded"])
def test_empty_value_is_not_a_missing_field(before: bytes, value: bytes, after: bytes) -> None:
    """This holds for every reader of fields, also if no line end follows."""
    if b"\r" in (before[-1:], after) and b"\n" in before + after:
        return  # a lone CR ends no line in a block that has LFs
    header = before + b"X-MS-Journal-Report:" + value + after
    expected = b"folded" if after.endswith(b"folded") else b""
    name = b"X-MS-Journal-Report"
    assert field(header, name) == expected
    assert pick(header, (b"C2", name)) == [None, expected]
    assert gather(header, (b"C2", name)) == [[], [expected]]
    assert name.lower() in [one.name for one in fields(header)]


def test_field_of_a_block_with_cr_alone() -> None:
    header = b"A: 1\rSubject: x\r y\rB: 2\r\r"
    assert field(header, b"subject") == b"x\r y"
    assert field(header, b"b") == b"2"


def test_field_names() -> None:
    header = b"From x@y Thu Jan 1 00:00:00\nTo : a\n folded: no\nrubbish\nSub ject: b\n\n"
    assert [span.name for span in fields(header)] == [b"", b"to", b"", b"", b""]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        ("grün".encode(), "grün"),
        (b"gr\xfcn", "grün"),
        (b"=?utf-8?q?gr=C3=BCn_ist?= gut", "grün ist gut"),
        (b"=?utf-8?b?Z3I=?= =?utf-8?B?w7xu?=", "grün"),
        (b"=?utf-8?b?w?= =?utf-8?q?=C3?=\r\n =?UTF-8?q?=BC?=", "=?utf-8?b?w?= ü"),
        (b"=?iso-8859-1?q?a?= =?utf-8?q?b?=", "ab"),
        (b"a =?utf-8?q?b?= c =?utf-8?q?d?= e", "a b c d e"),
        (b"=?utf-8*de?q?ja?=", "ja"),
        (b"=?x-unknown?q?gr=FCn?=", "grün"),
        (b"=?rot13?q?abc?=", "abc"),
        (b"=?unicode_escape?q?=5Cd=5CN?=", "\\d\\N"),
        (b"=?gb2312?b?xOO6ww==?=", "你好"),
        (b"=?utf-8?b?Z3LDvG4?=", "grün"),
        (b"=?broken", "=?broken"),
    ],
)
def test_decode(value: bytes, text: str) -> None:
    assert decode(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # The end is missing, as in a value that was cut.
        (b"=?utf-8?B?R3LDvMOfZSBhdXM", "Grüße aus"),
        (b"=?utf-8?B?R3LDvMOfZSBhdX", "Grüße au"),
        (b"=?utf-8?Q?Gr=C3=BC=C3=9F?", "Grüß"),
        (b"=?utf-8?Q?Gr=C3=BC=C", "Grü"),
        (b"Re: =?utf-8?Q?Gr=C3=BC and more", "Re: Grü and more"),
        (b"=?utf-8?Q?Gr=C3=BC =?utf-8?Q?=C3=9Fe?=", "Grüße"),
        # A character is split between words, of one encoding or two.
        (b"=?utf-8?B?R3LDvMM=?= =?utf-8?B?n2U=?=", "Grüße"),
        (b"=?utf-8?Q?Gr=C3=BC=C3?=\r\n =?UTF8?B?n2U=?=", "Grüße"),
        (b"=?gb2312?B?us/NrLE=?= =?gb2312?B?qLzb?=", "合同报价"),
        (b"=?iso-2022-jp?B?GyRCOGY4Kw==?= =?iso-2022-jp?B?QFE9cRsoQg==?=", "御見積書"),
        # Bytes that no word may contain.
        (b"=?iso-8859-1?Q?M\xfcller?=", "Müller"),
        (b"=?gb2312?Q?\xba\xcf\xcd\xac?=", "合同"),
        (b"=?utf-8?Q?M\xc3\xbcller?= & S\xc3\xb6hne", "Müller & Söhne"),
        (b"=?iso-8859-1?Q?M\xc3\xbcller?=", "Müller"),
        # Blanks and question marks.
        (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe aus M=C3=BCnchen?=", "Grüße aus München"),
        (b"=?utf-8?Q? Gr=C3=BC=C3=9Fe ?=", " Grüße "),
        (b"=?utf-8?B?R3LD vMOf ZQ==?=", "Grüße"),
        (b"=?utf-8?Q?Was ist das? Gr=C3=BC=C3=9Fe??=", "Was ist das? Grüße?"),
        (b"=? utf-8 ?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe? =", "Grüße"),
        (b"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"),
        # A wrong letter for the encoding.
        (b"=?utf-8?X?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?8?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?B?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?Q?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8??Gr=C3=BC=C3=9Fe?=", "Grüße"),
        # Base64 in another alphabet, in pieces, without padding.
        (b"=?utf-8?B?w7_Dv-DDvw?=", "ÿÿ\ufffdÿ"),
        (b"=?utf-8?B?R3I=w7w=w59l?=", "Grüße"),
        (b"=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        # Labels and languages.
        (b"=?utf-8*de-CH?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?utf-8?Q?=DCberaus_sch=F6n?=", "Überaus schön"),
        (b"=?iso-8859-1?Q?50_=80_=96_Gr=FC=DFe?=", "50 € – Grüße"),
        (b"=?windows-31j?B?h0A=?=", "①"),
        (b"=?unicode-1-1-utf-7?Q?Gr+APwA3w-e?=", "Grüße"),
        (b"\x1b$B8f8+@Q=q\x1b(B", "御見積書"),
        (b"Re: \x1b$B8f8+\x1b(B =?utf-8?q?=C3=BC?=", "Re: 御見 ü"),
        # Text that only looks like a word stays unchanged.
        (b"is 1 =? 2 or =?b?", "is 1 =? 2 or =?b?"),
        (b"=?a?q?b", "=?a?q?b"),
        (b"=?x-nonsense?w?b?=", "=?x-nonsense?w?b?="),
        (b"a=?b?c?d=e", "a=?b?c?d=e"),
    ],
)
def test_encoded_words_that_are_cut_or_odd(value: bytes, text: str) -> None:
    assert decode(value) == text
    if value.isascii() and b"\x1b" not in value:
        assert decode_words(value.decode()) == text


def test_raw_text_beside_encoded_words_is_in_the_charset_of_the_body() -> None:
    value = "Счёт ".encode("koi8-r") + b"=?utf-8?q?=C3=BC?=" + " оплата".encode("koi8-r")
    assert decode(value, lambda: ["koi8-r"]) == "Счёт ü оплата"
    assert decode(b"=?unknown-8bit?b?896j1A==?=", lambda: ["koi8-r"]) == "Счёт"


@given(
    st.lists(st.sampled_from([b"=?utf-7?q?", b"=?utf-16?b?", b"+2AA-", b"?=", b" "]) | st.binary(max_size=8))
)
def test_decoded_text_can_be_encoded(pieces: list[bytes]) -> None:
    decode(b"".join(pieces)).encode("utf-8")


@given(
    st.binary(max_size=60), st.sampled_from(["", "utf-7", "UTF-16", "hz", "x", "iso-2022-jp", "idna", "a\0b"])
)
def test_text_of_any_bytes_can_be_encoded(raw: bytes, charset: str) -> None:
    to_text(raw, charset).encode("utf-8")


def test_codecs_that_are_no_charsets_are_unknown() -> None:
    assert [codec(name) for name in ("base64", "zlib", "rot13", "punycode", "idna", "undefined")] == [""] * 6
    assert codec("Windows-1252") == "cp1252"


@pytest.mark.slow
def test_hostile_values_take_linear_time() -> None:
    started = time.perf_counter()
    for piece in (b"=?", b"=?a", b"=?a?q?", b"=?a?b?=?=", b"?", b"=?utf-8?q??= "):
        decode(piece * (500_000 // len(piece)))
    for piece in (b";", b';a="', b";a=b", b'";', b'\\"', b";a*0*=", b"; a"):
        parameters(piece * (500_000 // len(piece)))
    for piece in (b"to\n", b"to :", b"to ", b"\n", b"to:\n "):
        gather(piece * (500_000 // len(piece)), (b"to",))
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/mixed; boundary=abc", b"abc"),
        (b'multipart/mixed;\tboundary="a b;c"; x=y', b"a b;c"),
        (b'Multipart/Mixed; charset=x; BOUNDARY = "=_a\\"b"', b'=_a"b'),
        (b"multipart/mixed; boundary==_odd=chars'()", b"=_odd=chars'()"),
        (b'multipart/mixed; boundary*1="cd"; boundary*0="ab"', b"abcd"),
        (b"multipart/mixed; boundary*=us-ascii'en'a%20b", b"a b"),
        (b"multipart/mixed; boundary*0*=utf-8''a%3D; boundary*1=b", b"a=b"),
        (b'multipart/mixed; boundary="unclosed', b"unclosed"),
    ],
)
def test_parameters(value: bytes, boundary: bytes) -> None:
    main, found = parameters(value)
    assert main == b"multipart/mixed"
    assert found[b"boundary"] == boundary


def test_malformed_mail_has_headers_that_can_be_read() -> None:
    for name, mail in malformed():
        header = block(mail)
        spans = list(fields(header))
        assert b"".join(header[span.start : span.end] for span in spans) == header, name
        for span in spans:
            decode(header[span.start : span.end]).encode("utf-8")
