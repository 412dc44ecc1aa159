"""Frames: headers survive a round trip, and any flipped bit is found."""

from __future__ import annotations

import hashlib
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.ledger.frame import (
    HEADER_SIZE,
    MAX_PAYLOAD,
    FrameError,
    NewerFrame,
    intact,
    leaf_hash,
    pack_header,
    parse_header,
    stated_identity,
    tag_in,
)
from muniment.archive.ledger.model import RecordKind

TAG = bytes(range(8))
U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
U32 = st.integers(0, 2**32 - 1)
SHA = st.binary(min_size=32, max_size=32)


@given(
    st.sampled_from(sorted(RecordKind)),
    st.integers(0, 255),
    I64,
    U64,
    SHA,
    st.binary(max_size=500),
    U32,
)
def test_a_header_is_parsed_as_it_was_packed(
    kind: RecordKind, codec: int, time: int, size: int, sha: bytes, payload: bytes, dictionary: int
) -> None:
    data = pack_header(TAG, kind, codec, time, size, sha, payload, dictionary)
    header = parse_header(b"xx" + data + payload, TAG, 2)
    assert len(data) == HEADER_SIZE == 80
    assert header[:7] == (kind, codec, time, size, len(payload), dictionary, sha)
    assert intact(header, payload)
    assert not intact(header, payload + b"x")
    assert tag_in(data) == TAG
    assert stated_identity(data) == (kind, sha)


@pytest.mark.parametrize("kind", [0, max(RecordKind) + 1, 255])
def test_a_kind_that_this_program_does_not_know_is_of_a_newer_one(kind: int) -> None:
    with pytest.raises(NewerFrame, match=f"newer program .*kind {kind},"):
        parse_header(pack_header(TAG, kind, 1, 5, 6, bytes(32), b""), TAG)


@given(st.integers(0, 8 * HEADER_SIZE - 1), st.binary(max_size=50))
def test_any_flipped_bit_of_a_header_is_found(bit: int, payload: bytes) -> None:
    data = bytearray(pack_header(TAG, RecordKind.PART, 1, 5, 6, bytes(32), payload))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        parse_header(bytes(data), TAG)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_frame(data: bytes) -> None:
    with pytest.raises(FrameError):
        parse_header(data, TAG)
    assert tag_in(data) is None


def test_a_frame_of_another_vault_is_refused() -> None:
    data = pack_header(bytes(8), RecordKind.PART, 0, 0, 0, bytes(32), b"")
    with pytest.raises(FrameError, match="no frame begins here"):
        parse_header(data, TAG)


@pytest.mark.parametrize(("at", "value"), [(4, 2), (5, 200), (7, 1)])
def test_a_later_format_is_distinguished_from_damage(at: int, value: int) -> None:
    data = bytearray(pack_header(TAG, RecordKind.PART, 0, 0, 0, bytes(32), b""))
    data[at] = value
    data[-4:] = struct.pack("<I", crc32(data[:-4]))
    with pytest.raises(NewerFrame, match="newer program"):
        parse_header(bytes(data), TAG)
    assert tag_in(bytes(data)) == TAG


def test_fields_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError):
        pack_header(TAG, RecordKind.PART, 0, 0, 0, bytes(32), bytes(MAX_PAYLOAD + 1))
    with pytest.raises(ValueError):
        pack_header(TAG, RecordKind.PART, 0, 0, 0, bytes(31), b"")
    with pytest.raises(ValueError):
        pack_header(TAG, RecordKind.PART, 0, 1 << 63, 0, bytes(32), b"")


def test_a_leaf_hash_covers_what_the_format_says() -> None:
    sha = hashlib.sha256(b"content").digest()
    plain = (
        b"\x00" + b"\x01" + b"\x02" + (3).to_bytes(8, "little", signed=True) + (7).to_bytes(8, "little") + sha
    )
    assert leaf_hash(2, 3, 7, sha) == hashlib.sha256(plain).digest()
