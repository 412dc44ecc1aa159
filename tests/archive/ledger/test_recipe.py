"""Recipes: they give the exact bytes back, as a stream, and invalid ones are refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.ledger import recipe
from muniment.archive.ledger.recipe import (
    EOLS,
    ContentSlice,
    InlineBase64,
    LiteralBytes,
    PartBase64,
    Piece,
    RecipeError,
    encoded_length,
)

WIDTHS = st.integers(1, 249).map(lambda count: 4 * count)
EOL = st.sampled_from(EOLS)
CONTENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4, unique=True)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def wrapped(data: bytes, width: int, eol: bytes) -> bytes:
    text = base64.b64encode(data)
    return eol.join(text[start : start + width] for start in range(0, len(text), width))


@st.composite
def cooked(draw: st.DrawFn) -> tuple[list[Piece], dict[bytes, bytes], bytes]:
    """Pieces, the contents that they refer to, and the content that they make."""
    contents = {sha256(data): data for data in draw(CONTENTS)}
    pieces: list[Piece] = []
    made = []
    for make in draw(st.lists(st.sampled_from("lips"), max_size=12)):
        sha, data = draw(st.sampled_from(sorted(contents.items())))
        width, eol, own = draw(WIDTHS), draw(EOL), draw(st.binary(max_size=200))
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, len(data)))
        cases: dict[str, tuple[Piece, bytes]] = {
            "l": (LiteralBytes(own), own),
            "i": (InlineBase64(own, width, eol), wrapped(own, width, eol)),
            "p": (PartBase64(sha, width, eol), wrapped(data, width, eol)),
            "s": (ContentSlice(sha, start, end - start), data[start:end]),
        }
        piece, result = cases[make]
        pieces.append(piece)
        made.append(result)
    return pieces, contents, b"".join(made)


def in_chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(cooked(), st.integers(1, 100))
def test_a_recipe_gives_its_pieces_and_its_content_back(
    case: tuple[list[Piece], dict[bytes, bytes], bytes], size: int
) -> None:
    pieces, contents, made = case
    data = recipe.encode(pieces)
    assert recipe.decode(data) == pieces
    named = [piece.sha for piece in pieces if isinstance(piece, ContentSlice | PartBase64)]
    assert recipe.references(data) == list(dict.fromkeys(named))
    assert b"".join(recipe.rebuild(pieces, lambda sha: in_chunks(contents[sha], size))) == made


@given(st.binary(max_size=300), WIDTHS, EOL)
def test_encoded_length_is_the_length_of_the_result(data: bytes, width: int, eol: bytes) -> None:
    piece = PartBase64(sha256(data), width, eol)
    assert encoded_length(piece, len(data)) == len(wrapped(data, width, eol))


def test_lines_that_recipes_can_not_express_are_refused() -> None:
    for piece in (PartBase64(bytes(32), 61), PartBase64(bytes(32), 0), InlineBase64(b"x", 76, b"\n\n")):
        assert encoded_length(piece, 100) == -1
        with pytest.raises(ValueError):
            recipe.encode([piece])


def test_a_literal_costs_a_few_bytes() -> None:
    assert len(recipe.encode([LiteralBytes(b"x" * 100)])) <= 106


def test_a_reference_is_stored_once() -> None:
    pieces = [ContentSlice(sha256(b"a"), start, 1) for start in range(50)]
    assert len(recipe.encode(pieces)) < 32 + 50 * 4 + 5


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_recipe_or_refused(data: bytes) -> None:
    for candidate in (data, b"\x01" + data):
        try:
            pieces = recipe.decode(candidate)
        except RecipeError:
            continue
        assert recipe.decode(recipe.encode(pieces)) == pieces


@given(cooked(), st.data())
def test_a_damaged_recipe_is_refused_or_read(
    case: tuple[list[Piece], dict[bytes, bytes], bytes], data: st.DataObject
) -> None:
    good = bytearray(recipe.encode(case[0]))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    for candidate in (bytes(good), bytes(good)[: data.draw(st.integers(0, len(good)))]):
        with contextlib.suppress(RecipeError):
            pieces = recipe.decode(candidate)
            assert sum(len(p.data) for p in pieces if isinstance(p, LiteralBytes | InlineBase64)) <= len(
                candidate
            )


def test_a_recipe_that_claims_large_numbers_takes_no_memory() -> None:
    huge = b"\xff" * 7 + b"\x7f"
    tracemalloc.start()
    try:
        for claim in (
            huge + b"\0\0",
            b"\0" + huge + b"\0",
            b"\0\0" + huge,
            b"\xff\xff\xff\x7f\1\0" + bytes(1000),
        ):
            with pytest.raises(RecipeError):
                recipe.decode(b"\x01" + claim)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_slice_beyond_the_content_is_refused() -> None:
    with pytest.raises(RecipeError, match="beyond"):
        list(recipe.rebuild([ContentSlice(bytes(32), 3, 5)], lambda sha: (b"seven..",)))


def test_slices_in_order_read_the_content_once() -> None:
    data = bytes(range(256)) * 100
    readings = []

    def read(sha: bytes) -> Iterable[bytes]:
        readings.append(sha)
        return in_chunks(data, 1000)

    pieces = [ContentSlice(bytes(32), start, 50) for start in range(0, len(data) - 50, 60)]
    expected = b"".join(data[piece.offset : piece.offset + 50] for piece in pieces)
    assert b"".join(recipe.rebuild(pieces, read)) == expected
    assert len(readings) == 1


def test_large_content_is_encoded_and_cut_in_bounded_memory() -> None:
    chunk = bytes(range(256)) * 4096 * 4
    count = 38
    pieces: list[Piece] = [
        PartBase64(bytes(32), 76, b"\r\n"),
        ContentSlice(bytes(32), len(chunk), 36 * len(chunk)),
    ]
    size = 0
    tracemalloc.start()
    try:
        for made in recipe.rebuild(pieces, lambda sha: (chunk for _ in range(count))):
            size += len(made)
        assert tracemalloc.get_traced_memory()[1] < 24 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert size == encoded_length(PartBase64(bytes(32)), count * len(chunk)) + 36 * len(chunk)
