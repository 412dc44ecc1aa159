from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.fork import TRANSPORT_HEADERS, ForkPiece, content_hash, fork_cuts
from muniment.mail.headers import BLOCK_LIMIT
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


def test_forks_have_one_content() -> None:
    original = plain(attachments=[("a.bin", bytes(5000))])
    hashes = {content_hash(fork(original, number)) for number in range(5)} | {content_hash(original)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "other",
    [
        plain(body="Another text.\n", message_id="<1@x>"),
        plain(subject="Another", message_id="<1@x>"),
        plain(bcc=["eve@example.com"], message_id="<1@x>"),
        plain(headers=["DKIM-Signature: v=1; d=example.com"], message_id="<1@x>"),
        plain(headers=["X-Received-By: x"], message_id="<1@x>"),
        plain(headers=["Resent-To: x@y"], message_id="<1@x>"),
        plain(message_id="<2@x>"),
    ],
)
def test_what_transport_does_not_add_is_content(other: bytes) -> None:
    assert content_hash(other) != content_hash(plain(message_id="<1@x>"))


def test_a_transport_header_in_the_body_is_content() -> None:
    assert content_hash(plain(body="Received: a\n", message_id="<1@x>")) != content_hash(
        plain(body="Received: b\n", message_id="<1@x>")
    )


@pytest.mark.parametrize("name", TRANSPORT_HEADERS)
def test_every_transport_header_is_left_out_in_any_case(name: bytes) -> None:
    written = name.replace(b"*", b"xyz").title()
    message = plain()
    assert content_hash(written + b": a\r\n b\r\n" + message) == content_hash(message)
    assert content_hash(written.upper() + b" : c\r\n" + message) == content_hash(message)


@given(LINES, LINES)
def test_line_ends_make_no_difference(head: list[bytes], body: list[bytes]) -> None:
    lines = [*head, b"", *body]
    assert content_hash(b"\n".join(lines)) == content_hash(b"\r\n".join(lines))


@pytest.mark.parametrize("size", [2**20 - 2, 2**20 - 1, 2**20, 2**20 + 1])
def test_line_end_over_a_block_border(size: int) -> None:
    message = b"A: b\r\n\r\n" + b"x" * size + b"\r\nend\r\n" + b"y" * size + b"\r\n"
    assert content_hash(message) == content_hash(message.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("size", [BLOCK_LIMIT - 40, BLOCK_LIMIT - 20, BLOCK_LIMIT, 2 * BLOCK_LIMIT])
def test_line_ends_of_a_header_beyond_the_limit(size: int) -> None:
    message = b"Received: x\r\nA: " + b"b" * size + b"\r\n" * 10 + b"body\r\n"
    assert content_hash(message) == content_hash(message.replace(b"\r\n", b"\n"))


def test_a_lone_cr_is_content() -> None:
    assert content_hash(b"A: b\r\n\r\nx\ry") != content_hash(b"A: b\r\n\r\nx\r\ny")
    assert content_hash(b"Received: a\rA: b\r\rx\r") == content_hash(b"A: b\r\rx\r")


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


def test_malformed_mail_has_a_content_hash_and_is_its_own_fork() -> None:
    for name, mail in malformed():
        assert len(content_hash(mail)) == 32
        other = fork(mail, 1)
        assert rebuilt(other, mail, fork_cuts(other, mail)) == other, name
