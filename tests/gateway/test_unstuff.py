"""DATA gives the message's own bytes, in any blocks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.gateway.unstuff import DotUnstuffer

END = b".\r\n"
PIECES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"text", b"\0", b"\xff"]), max_size=40
).map(b"".join)


def stuffed(body: bytes) -> bytes:
    """A body as a client sends it, with the added dots of RFC 5321 4.5.2. It ends with a line end."""
    lines = body.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


def fed(blocks: list[bytes]) -> tuple[bytes, DotUnstuffer]:
    stream = DotUnstuffer()
    return b"".join(stream.feed(block) for block in blocks), stream


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    body=PIECES,
    after=st.sampled_from([b"", b"QUIT\r\n", b".\r\n", b"\r\n.\r\n"]),
    places=st.lists(st.integers(0, 500)),
)
def test_any_body_in_any_blocks(body: bytes, after: bytes, places: list[int]) -> None:
    body = body + b"\r\n" if body else body
    stream = DotUnstuffer()
    got, rest = b"", b""
    for block in cut(stuffed(body) + END + after, places):
        if stream.done:
            rest += block
        else:
            got += stream.feed(block)
    assert stream.done
    assert got == body
    assert stream.rest + rest == after


@pytest.mark.parametrize(
    "line", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\n.\r.\n"]
)
def test_only_the_real_end_ends_a_message(line: bytes) -> None:
    got, stream = fed([b"a" + line + b"MAIL FROM:<x@y>\r\n"])
    assert not stream.done
    assert b"MAIL FROM" in got


@given(data=PIECES, places=st.lists(st.integers(0, 500)))
def test_the_result_does_not_depend_on_blocks_and_little_is_held(data: bytes, places: list[int]) -> None:
    whole, once = fed([data])
    stream = DotUnstuffer()
    parts, rest = b"", b""
    for block in cut(data, places):
        if stream.done:
            rest += block
            continue
        parts += stream.feed(block)
        assert len(stream._held) <= 4
    assert (parts, stream.done, stream.rest + rest) == (whole, once.done, once.rest)
