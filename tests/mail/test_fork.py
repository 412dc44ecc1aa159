"""Forks are described by a few pieces of the stored message, and rebuilt exactly."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.content.fork import ForkPiece, fork_cuts
from support.corpus import malformed
from support.reports import fork, plain

LINES = st.lists(
    st.sampled_from(
        [b"Received: a", b" folded", b"X-MS-Exchange-Foo: b", b"Subject: c", b"", b"\tx", b"\xff"]
    )
    | st.binary(max_size=8).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
    max_size=20,
)


def rebuilt(copy: bytes, stored: bytes, pieces: list[ForkPiece]) -> bytes:
    out = []
    position = 0
    for start, end, offset in pieces:
        assert start == position < end
        position = end
        out.append(copy[start:end] if offset is None else stored[offset : offset + end - start])
    assert position == len(copy)
    return b"".join(out)


def test_fork_is_cut_into_few_pieces() -> None:
    original = plain(body="A line of text.\n" * 1000)
    one, two = fork(original, 1), fork(original, 2)
    pieces = fork_cuts(two, one)
    assert rebuilt(two, one, pieces) == two
    assert sum(piece.end - piece.start for piece in pieces if piece.offset is None) < 400
    assert fork_cuts(one, one) == [ForkPiece(0, len(one), 0)]


def test_fork_with_a_changed_body_keeps_both_ends() -> None:
    stored = plain(body="A line of text.\n" * 10_000)
    middle = len(stored) // 2
    copy = stored[:middle] + b"a disclaimer" + stored[middle:]
    pieces = fork_cuts(copy, stored)
    assert rebuilt(copy, stored, pieces) == copy
    assert sum(piece.end - piece.start for piece in pieces if piece.offset is None) <= 16


@given(LINES, LINES, LINES, st.binary(max_size=60), st.binary(max_size=60))
def test_fork_is_rebuilt_exactly(
    common: list[bytes], one: list[bytes], two: list[bytes], body: bytes, tail: bytes
) -> None:
    stored = b"\r\n".join([*one, *common]) + b"\r\n\r\n" + body + b"same" * 10 + tail
    copy = (
        b"\r\n".join([*two, *reversed(common), *common]) + b"\r\n\r\n" + body + b"other" + b"same" * 10 + tail
    )
    for left, right in ((copy, stored), (stored, copy), (copy, b""), (b"", stored)):
        assert rebuilt(left, right, fork_cuts(left, right)) == left


def test_hostile_forks_take_linear_time() -> None:
    started = time.perf_counter()
    stored = b"A: b\n" * 100_000 + b"\n" + b"x" * 2_000_000
    copy = b"A: b\nB: c\n" * 50_000 + b"\n" + b"x" * 1_000_000 + b"y" * 1_000_000
    assert rebuilt(copy, stored, fork_cuts(copy, stored)) == copy
    assert time.perf_counter() - started < 10


def test_malformed_mail_is_its_own_fork() -> None:
    for name, mail in malformed():
        other = fork(mail, 1)
        assert rebuilt(other, mail, fork_cuts(other, mail)) == other, name
