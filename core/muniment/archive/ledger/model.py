"""Types of the ledger: records, frames and committed states.

`docs/ledger-format.md` specifies their form on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msgspec import Struct

from muniment.archive.facts import FramePosition

CHUNK = 16 * 1024 * 1024
"""Content larger than this many bytes is a list of chunk records."""
SEGMENT = 256 * 1024 * 1024
"""A segment is sealed at the first commit past this many bytes."""


class RecordKind(IntEnum):
    """The kind of a record. The numbers are part of the format: never change them."""

    MESSAGE = 1
    PART = 2
    CHUNKS = 3
    """Content larger than CHUNK: the payload is the SHA-256 hashes of its PART records, joined."""
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
    RULE = 16
    """A version of a retention rule."""
    GRANT = 17
    """A right to read other people's mail, or its end."""
    APPROVAL = 18
    """A request for a second person's consent, or the answer to one."""
    SENDER_EVIDENCE = 20
    """What the signatures of messages gave, and the keys that they were judged by."""
    SUBJECT = 21
    """A person's request for the mail about them, or a step of its answer."""


DECISIONS = (
    RecordKind.HOLD,
    RecordKind.RULE,
    RecordKind.GRANT,
    RecordKind.APPROVAL,
    RecordKind.SUBJECT,
)
"""Kinds of decisions: dated JSON records that say what may be kept, read, erased or handed over."""
ERASABLE = frozenset(
    {
        RecordKind.MESSAGE,
        RecordKind.PART,
        RecordKind.CHUNKS,
        RecordKind.ENVELOPE,
        RecordKind.QUARANTINE,
    }
)
"""The kinds of record that hold mail: no other may be erased."""


class PayloadCodec(IntEnum):
    """How a payload is encoded. The numbers are part of the format: never change them.

    Bit 0x80 is reserved for encryption.
    """

    RAW = 0
    ZSTD = 1
    ZSTD_DICT = 2
    """zstd with the dictionary that the frame names."""
    RECIPE = 0x10
    """Added to one of the above: the payload decodes to a recipe for the content (see recipe.py)."""
    CHUNK_LIST = 0x20
    """Added to RAW: the payload is the SHA-256 hashes of the content's chunks, joined."""
    ERASED = 0x40
    """Alone: the content is erased, and the payload is zeros. A redaction record must name the frame."""


class LedgerRecord(Struct, frozen=True, array_like=True):
    """Encoded content, ready to be framed. Worker processes make records; the writer appends them.

    `sha` and `size` are those of the decoded content, such as the exact bytes of a message. So a record
    can be compressed differently later and still prove the same content.
    """

    kind: RecordKind
    sha: bytes
    size: int
    codec: int
    payload: bytes
    dictionary: int = 0
    """Number of the compression dictionary; 0 for none."""


class AppendedRecord(Struct, frozen=True):
    """Where a record was appended: its leaf index in the Merkle tree, and the position of its frame."""

    sequence: int
    position: FramePosition


@dataclass(frozen=True, slots=True)
class Frame:
    """A record as read from a segment."""

    sequence: int
    position: FramePosition
    kind: RecordKind
    codec: int
    dictionary: int
    time: int
    """Microseconds since 1970 UTC."""
    size: int
    sha: bytes
    payload: bytes
    next_offset: int
    """Byte offset in the segment where the next frame begins."""


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """A committed state: the number of leaves that a commit frame proves, and their root (RFC 9162)."""

    tree_size: int
    root: bytes
    segment: int
    offset: int
    """Byte offset in the segment just after the commit frame."""
