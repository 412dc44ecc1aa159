"""The values a ledger is made of. `docs/ledger-format.md` says how they lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msgspec import Struct

from muniment.archive.facts import Position

CHUNK = 16 * 1024 * 1024
"""Content larger than this many bytes is a list of chunk records."""
SEGMENT = 256 * 1024 * 1024
"""A segment is sealed at the first commit past this many bytes."""


class Kind(IntEnum):
    """What a record is. On disk: never renumber."""

    MESSAGE = 1
    PART = 2
    CHUNKS = 3
    """Content above CHUNK: its payload is the concatenated SHA-256 of its PART records."""
    ENVELOPE = 4
    RECEIPT = 5
    DELETION = 6
    QUARANTINE = 7
    DIRECTORY = 8
    CONFIG = 9
    HOLD = 10
    REDACTION = 11
    AUDIT = 12
    RUN = 13
    DICTIONARY = 14
    COMMIT = 15


class Codec(IntEnum):
    """How a payload is stored. On disk: never renumber. Bit 0x80 is reserved for encryption."""

    RAW = 0
    ZSTD = 1
    ZSTD_DICT = 2
    """zstd with the dictionary that the frame names."""
    RECIPE = 0x10
    """Added to one of the above: what it decodes to is a recipe (see recipe.py) for the content."""
    CHUNK_LIST = 0x20
    """Added to RAW: the payload is the concatenated SHA-256 of the chunks of the content."""


class Record(Struct, frozen=True, array_like=True):
    """Encoded content, ready to be framed; made in worker processes, appended by the writer.

    `sha` and `size` are of the decoded content (a message's or report's very bytes), so that a
    record can be compressed anew and still proves the same.
    """

    kind: Kind
    sha: bytes
    size: int
    codec: int
    payload: bytes
    dictionary: int = 0
    """Which dictionary, 0 for none."""


class Appended(Struct, frozen=True):
    """Where a record went: its leaf index in the tree, and its frame's position."""

    sequence: int
    position: Position


@dataclass(frozen=True, slots=True)
class Frame:
    """A record as read back."""

    sequence: int
    position: Position
    kind: Kind
    codec: int
    dictionary: int
    time: int
    """Microseconds since 1970 UTC."""
    size: int
    sha: bytes
    payload: bytes
    next_offset: int
    """Where the next frame of the segment begins."""


@dataclass(frozen=True, slots=True)
class Head:
    """The state a commit frame proves: that many leaves, and their Merkle root (RFC 9162)."""

    tree_size: int
    root: bytes
    segment: int
    offset: int
    """Just past the commit frame."""
