"""The binary form of a record: a header of 80 bytes, then the payload.

All numbers are little endian; `docs/ledger-format.md` is the specification. Every header holds the vault's
id, 8 random bytes that a sender of mail can't know (called the tag here). So bytes inside a hostile mail
can't pass as a frame when a reader searches for the next frame after damage.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple
from zlib import crc32

from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.model import CHUNK, PayloadCodec, RecordKind

MAGIC = b"MUNF"
VERSION = 1
TAG_SIZE = 8
MAX_PAYLOAD = 4 * CHUNK
"""Largest payload, in bytes; a header that states more is damaged."""

_FIELDS = struct.Struct("<4sBBBB8sqQII32sI")
_CRC = struct.Struct("<I")
_LEAF = struct.Struct("<BBBqQ32s")
HEADER_SIZE = _FIELDS.size + _CRC.size
TAG_OFFSET = 8
_CHANGED = (slice(6, 7), slice(36, 40), slice(72, 80))
"""Where an erasure changes a header: codec, dictionary, and both checksums."""
_ZEROS = memoryview(bytes(1024 * 1024))
_KINDS = frozenset(map(int, RecordKind))


class FrameError(ValueError):
    """The bytes are not an intact frame; the text says why."""


class NewerFrame(FrameError):
    """An intact header of a format that this program does not know."""


class FrameHeader(NamedTuple):
    """The fields of a frame's header."""

    kind: int
    codec: int
    time: int
    """Microseconds since 1970 UTC, by the writer's clock."""
    size: int
    """Size of the decoded content, in bytes."""
    length: int
    """Size of the payload, in bytes."""
    dictionary: int
    sha: bytes
    """SHA-256 of the decoded content."""
    payload_crc: int


def pack_header(
    tag: bytes, kind: int, codec: int, time: int, size: int, sha: bytes, payload: bytes, dictionary: int = 0
) -> bytes:
    """Encode the header of a frame; the payload follows it on disk.

    Args:
        tag: The vault's id, 8 bytes.
        kind: A number of `RecordKind`.
        codec: A sum of `PayloadCodec` numbers.
        time: Microseconds since 1970 UTC.
        size: Size of the decoded content, in bytes.
        sha: SHA-256 of the decoded content, 32 bytes.
        payload: The encoded content.
        dictionary: Number of the compression dictionary; 0 for none.

    Raises:
        ValueError: A field is out of range.
    """
    stated = FrameHeader(kind, codec, time, size, len(payload), dictionary, sha, crc32(payload))
    return _pack(tag, stated)


def erased_header(tag: bytes, frame: ErasedFrame) -> bytes:
    """Encode the header of an erased frame; `frame.length` zeros follow it on disk.

    Raises:
        ValueError: A field is out of range.
    """
    zeros = _crc_of_zeros(frame.length)
    stated = FrameHeader(
        frame.kind, PayloadCodec.ERASED, frame.time, frame.size, frame.length, 0, frame.sha, zeros
    )
    return _pack(tag, stated)


def differs_by_erasure(header: bytes, erased: bytes) -> bool:
    """Return whether a header is that of the frame which is erased: before, after or while it is rewritten.

    Args:
        header: The bytes on the disk. A crash may have left a part of them old and a part of them new.
        erased: The header of the erased frame.
    """
    kept = bytearray(header)
    if len(kept) != HEADER_SIZE:
        return False
    for changed in _CHANGED:
        kept[changed] = erased[changed]
    return bytes(kept) == erased


def _pack(tag: bytes, header: FrameHeader) -> bytes:
    if header.length > MAX_PAYLOAD or len(header.sha) != 32 or len(tag) != TAG_SIZE:
        raise ValueError("can't make a frame: the payload, hash or vault id has the wrong size")
    kind, codec, time, size, length, dictionary, sha, payload_crc = header
    try:
        fields = _FIELDS.pack(
            MAGIC, VERSION, kind, codec, 0, tag, time, size, length, dictionary, sha, payload_crc
        )
    except struct.error as error:
        raise ValueError(f"can't make a frame: {error}") from error
    return fields + _CRC.pack(crc32(fields))


def _crc_of_zeros(length: int) -> int:
    crc = 0
    while length:
        crc = crc32(_ZEROS[:length], crc)
        length -= min(length, len(_ZEROS))
    return crc


def parse_header(data: bytes, tag: bytes, offset: int = 0) -> FrameHeader:
    """Decode the header at byte `offset` of `data`.

    Raises:
        FrameError: There is no intact header of the vault with id `tag`.
        NewerFrame: The header is intact and of a later format.
    """
    if len(data) - offset < HEADER_SIZE:
        raise FrameError("cut short")
    magic, version, kind, codec, flags, found, time, size, length, dictionary, sha, payload_crc = (
        _FIELDS.unpack_from(data, offset)
    )
    end = offset + _FIELDS.size
    if magic != MAGIC or found != tag:
        raise FrameError("no frame begins here")
    if crc32(data[offset:end]) != _CRC.unpack_from(data, end)[0]:
        raise FrameError("its header is damaged")
    if version != VERSION or flags or kind not in _KINDS:
        raise NewerFrame(f"written by a newer program (format {version}, kind {kind}, flags {flags})")
    if length > MAX_PAYLOAD:
        raise FrameError("its header states an impossible length")
    return FrameHeader(kind, codec, time, size, length, dictionary, sha, payload_crc)


def intact(header: FrameHeader, payload: bytes) -> bool:
    """Return whether `payload` has the length and the checksum that its header states."""
    return len(payload) == header.length and crc32(payload) == header.payload_crc


def tag_in(data: bytes) -> bytes | None:
    """Return the vault's id from the header at the start of `data`; None if that header is damaged."""
    tag = data[TAG_OFFSET : TAG_OFFSET + TAG_SIZE]
    try:
        parse_header(data, tag)
    except NewerFrame:
        return tag
    except FrameError:
        return None
    return tag


def stated_identity(data: bytes) -> tuple[int, bytes]:
    """Return kind and hash from a header that may be damaged; (0, b"") if `data` is too short."""
    if len(data) < HEADER_SIZE:
        return 0, b""
    fields = _FIELDS.unpack_from(data)
    return fields[2], fields[10]


def leaf_entry(kind: int, time: int, size: int, sha: bytes) -> bytes:
    """Return what the leaf of a record is made of, as proofs for others hold it (see `leaf_hash`)."""
    return _LEAF.pack(0, VERSION, kind, time, size, sha)[1:]


def leaf_hash(kind: int, time: int, size: int, sha: bytes) -> bytes:
    """Return the hash of a record's leaf in the Merkle tree (RFC 9162, 2.1.1).

    It is the SHA-256 over 0x00, version, kind, time (i64), size (u64) and the SHA-256 of the decoded
    content. It covers what is stored, not how it is encoded.
    """
    return hashlib.sha256(_LEAF.pack(0, VERSION, kind, time, size, sha)).digest()
