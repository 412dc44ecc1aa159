"""Delimiter lines are found one by one and by a pattern, with the same result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.journal.report import read_report
from muniment.mail.mime.delimiters import DelimiterLine, delimiters, last_closing
from muniment.mail.mime.walker import leaves
from support.reports import plain, report

PIECES = st.sampled_from(
    [b"--b", b"--", b"-", b"b", b"\r\n", b"\n", b"\r", b" ", b"\t", b"x", b"--b--", b" " * 77, b" " * 80]
)
BODIES = st.lists(PIECES, max_size=40).map(b"".join)
BOUNDARIES = st.sampled_from([b"b", b"-", b"bb", b"b--", b"--b", b"b\\", b"."])
LINE = rb"(?:(?<=[\r\n])|(?<![\s\S]))--%s(?=((--)?(?:[ \t]{78}|[ \t]*+(?:\r\n|\r|\n|\Z))))"


def reference(body: bytes, boundary: bytes) -> list[DelimiterLine]:
    """The delimiters by one pattern over the whole body."""
    found = re.finditer(LINE.replace(b"%s", re.escape(boundary)), body)
    return [DelimiterLine(one.start(), one.end(1), one[2] is not None) for one in found]


@pytest.mark.parametrize("patience", [0, 1, 1000])
@given(body=BODIES, boundary=BOUNDARIES, window=st.integers(1, 40), before=st.binary(max_size=3))
def test_both_ways_find_the_same_delimiters(
    patience: int, body: bytes, boundary: bytes, window: int, before: bytes
) -> None:
    start, end = len(before), len(before) + len(body)
    expected = [
        DelimiterLine(at + start, behind + start, closing)
        for at, behind, closing in reference(body, boundary)
    ]
    text = before + body
    found = delimiters(text + b"--b\r\n", boundary, start, end, patience=patience, window=window)
    assert list(found) == expected
    closing = [one for one in expected if one.closing]
    last = last_closing(text + b"--b--\r\n", boundary, start, end, patience=patience, window=window)
    assert last == (closing[-1] if closing else None)


def test_a_true_delimiter_behind_many_false_ones_is_found(tmp_path: Path) -> None:
    text = b"x--b" * 1_000_000
    body = b"--b\r\n\r\n" + text + b"\r\n--b\r\n\r\nsecond\r\n--b--\r\n" + b"x--b--" * 500_000
    path = tmp_path / "message"
    path.write_bytes(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body)
    with FileBuffer(path) as buffer:
        for buf in (buffer, path.read_bytes()):
            first, second, _ = leaves(buf)
            assert (first.end - first.body, buf[second.body : second.end]) == (len(text), b"second")


def test_a_report_s_last_delimiter_is_found_before_many_false_ones() -> None:
    original = plain()
    wrapped = report(original, boundary="b") + b"x--b--" * 1_000_000
    found = read_report(wrapped)
    assert found is not None
    assert [wrapped[span.start : span.end] for span in found.originals] == [original]
