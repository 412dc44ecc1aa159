"""How a record lies on disk: a fixed header of 80 bytes, then the payload.

All numbers are little endian; `docs/ledger-format.md` is the specification. The vault's tag, 8
random bytes that nobody outside knows, stands in every header, so that bytes inside a hostile mail
can't pass as a frame when a reader looks for the next one behind damage.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple
from zlib import crc32

from muniment.archive.ledger.model import CHUNK, Kind

MAGIC = b"MUNF"
VERSION = 1
TAG_SIZE = 8
MAX_PAYLOAD = 4 * CHUNK
"""No payload has more bytes; a header that says otherwise is damaged."""

_FIELDS = struct.Struct("<4sBBBB8sqQII32sI")
_CRC = struct.Struct("<I")
_LEAF = struct.Struct("<BBBqQ32s")
HEADER_SIZE = _FIELDS.size + _CRC.size
TAG_OFFSET = 8
_KINDS = frozenset(int(kind) for kind in Kind)


class FrameError(ValueError):
    """These bytes are no intact frame; the text says why."""


class NewerFrame(FrameError):
    """An intact header of a format that this program does not know."""


class Header(NamedTuple):
    """What a frame's header says."""

    kind: int
    codec: int
    time: int
    """Microseconds since 1970 UTC, by the writer's clock."""
    size: int
    """Bytes of the decoded content."""
    length: int
    """Bytes of the payload."""
    dictionary: int
    sha: bytes
    """SHA-256 of the decoded content."""
    payload_crc: int


def pack_header(
    tag: bytes, kind: int, codec: int, time: int, size: int, sha: bytes, payload: bytes, dictionary: int = 0
) -> bytes:
    """The header of a frame; the payload follows it on disk.

    Raises:
        ValueError: a field is out of range.
    """
    if len(payload) > MAX_PAYLOAD or len(sha) != 32 or len(tag) != TAG_SIZE:
        raise ValueError("a payload, hash or tag of the wrong size can't be framed")
    try:
        fields = _FIELDS.pack(
            MAGIC, VERSION, kind, codec, 0, tag, time, size, len(payload), dictionary, sha, crc32(payload)
        )
    except struct.error as error:
        raise ValueError(f"this can't be framed: {error}") from error
    return fields + _CRC.pack(crc32(fields))


def parse_header(data: bytes, tag: bytes, offset: int = 0) -> Header:
    """Read the header at `offset` of `data`.

    Raises:
        FrameError: there is no intact header of this vault.
        NewerFrame: there is one, of a later format.
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
    return Header(kind, codec, time, size, length, dictionary, sha, payload_crc)


def intact(header: Header, payload: bytes) -> bool:
    """Whether a payload is the one that its header speaks of."""
    return len(payload) == header.length and crc32(payload) == header.payload_crc


def tag_in(data: bytes) -> bytes | None:
    """The vault's tag in the header that `data` begins with; None if that is damaged."""
    tag = data[TAG_OFFSET : TAG_OFFSET + TAG_SIZE]
    try:
        parse_header(data, tag)
    except NewerFrame:
        return tag
    except FrameError:
        return None
    return tag


def claimed(data: bytes) -> tuple[int, bytes]:
    """Kind and hash as a header states them that may be damaged; (0, b"") where `data` is too short."""
    if len(data) < HEADER_SIZE:
        return 0, b""
    fields = _FIELDS.unpack_from(data)
    return fields[2], fields[10]


def leaf_hash(kind: int, time: int, size: int, sha: bytes) -> bytes:
    """The record's leaf in the Merkle tree (RFC 9162, 2.1.1): it binds what was kept, not how.

    SHA-256 over 0x00, version, kind, time (i64), size (u64) and SHA-256 of the decoded content.
    """
    return hashlib.sha256(_LEAF.pack(0, VERSION, kind, time, size, sha)).digest()
