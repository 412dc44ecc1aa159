"""What one frame tells about an erasure: what it states, whether it is erased, and which frames it names."""

from __future__ import annotations

from typing import NamedTuple

from muniment.archive.erasure.redaction import Redaction, read_redaction
from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.codec import DecodeError, PayloadDecoder
from muniment.archive.ledger.frame import HEADER_SIZE, FrameHeader
from muniment.archive.ledger.model import Frame, PayloadCodec
from muniment.archive.ledger.stored import describe_position, describe_record
from muniment.errors import LedgerDamaged

UNNAMED = "it is erased, but no committed redaction record names it"
OTHERWISE = "it is erased, but the redaction record that names it states other values"
NO_ZEROS = "it is erased, but its payload is not zeros"
DICTIONARY = "it is erased, but its header names a dictionary"


class CommittedRedaction(NamedTuple):
    """A redaction, and where its record is."""

    sequence: int
    position: FramePosition
    redaction: Redaction


def decode_redaction(frame: Frame) -> CommittedRedaction:
    """Decode the frame of a redaction record.

    Raises:
        LedgerDamaged: The record can't be read, or names frames that do not come before it.
    """
    where = describe_position(frame.position)
    try:
        redaction = read_redaction(PayloadDecoder().payload(frame))
    except (DecodeError, ValueError) as error:
        raise LedgerDamaged(f"{where}: {describe_record(frame.kind, frame.sha)}: {error}") from error
    last = redaction.frames[-1] if redaction.frames else None
    place = (frame.position.segment, frame.position.offset)
    if last is not None and (last.sequence >= frame.sequence or (last.segment, end_of(last)) > place):
        raise LedgerDamaged(f"{where}: the redaction record names frames that do not come before it")
    return CommittedRedaction(frame.sequence, frame.position, redaction)


def fault_of(header: FrameHeader | Frame, payload: bytes) -> str:
    """Return what is wrong with an erased frame as such, as text for messages; "" if nothing is."""
    if header.codec != PayloadCodec.ERASED:
        return f"codec {header.codec:#x} is not known"
    if header.dictionary:
        return DICTIONARY
    return NO_ZEROS if payload.count(0) != len(payload) else ""


def stated(segment: int, sequence: int, offset: int, header: FrameHeader) -> ErasedFrame:
    """Return what the header of a frame states, as a redaction names it."""
    return ErasedFrame(
        sequence, segment, offset, header.length, header.kind, header.time, header.size, header.sha
    )


def stated_by(frame: Frame) -> ErasedFrame:
    """Return what a frame states, as a redaction names it."""
    place = frame.position
    length = frame.next_offset - place.offset - HEADER_SIZE
    return ErasedFrame(
        frame.sequence, place.segment, place.offset, length, frame.kind, frame.time, frame.size, frame.sha
    )


def is_erased(frame: Frame | FrameHeader) -> bool:
    """Return whether the content of a frame is erased, by what its header states (see also `fault_of`)."""
    return bool(frame.codec & PayloadCodec.ERASED)


def end_of(frame: ErasedFrame) -> int:
    """Return the offset after a frame."""
    return frame.offset + HEADER_SIZE + frame.length
