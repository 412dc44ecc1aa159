"""Reads single frames by position, and the compression dictionaries among them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Protocol

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.codec import DecodeError, PayloadDecoder
from muniment.archive.ledger.frame import HEADER_SIZE, FrameError, FrameHeader, intact, parse_header
from muniment.archive.ledger.model import Frame, RecordKind
from muniment.archive.ledger.segment_store import OpenSegment, SegmentStore
from muniment.archive.ledger.walk import FoundFrame, last_commit, walk
from muniment.errors import Erased, LedgerDamaged
from muniment.system.sanitise import clean

log = logging.getLogger("muniment.ledger")

UNKNOWN = -1
"""The sequence of a frame that was read by position, so that its leaf index is not known."""
OPEN_SEGMENTS = 64
"""Most segments that are kept open."""
GUESS = 16 * 1024
"""Bytes that the first read of a frame asks for; most frames are smaller."""


class FrameReader:
    """Reads frames by position, and keeps at most OPEN_SEGMENTS segments open. Thread-safe."""

    def __init__(self, segments: SegmentStore, vault_id: bytes) -> None:
        self.segments = segments
        self.vault_id = vault_id
        self._open: OrderedDict[int, OpenSegment] = OrderedDict()
        """Segments by number. One that is dropped here may still be read by another thread."""
        self._lock = threading.Lock()

    def frame(self, position: FramePosition) -> Frame:
        """Read the frame at `position`; its sequence is UNKNOWN.

        Raises:
            LedgerDamaged: There is no intact frame at that position.
        """
        try:
            header, payload = self._read(position)
        except (OSError, FrameError) as error:
            raise LedgerDamaged(f"{describe_position(position)}: {error}") from error
        return make_frame(UNKNOWN, position, header, payload)

    def header(self, position: FramePosition) -> FrameHeader:
        """Read the header of the frame at `position`; its payload is not checked.

        Raises:
            LedgerDamaged: There is no intact header at that position.
        """
        try:
            data = self._segment(position.segment).read(position.offset, HEADER_SIZE)
            return parse_header(data, self.vault_id)
        except (OSError, FrameError) as error:
            raise LedgerDamaged(f"{describe_position(position)}: {error}") from error

    def close(self) -> None:
        """Close all segments; the next read opens them again."""
        with self._lock:
            self._open.clear()

    def _read(self, position: FramePosition) -> tuple[FrameHeader, bytes]:
        segment = self._segment(position.segment)
        data = segment.read(position.offset, GUESS)
        header = parse_header(data, self.vault_id)
        payload = data[HEADER_SIZE : HEADER_SIZE + header.length]
        if len(payload) < header.length:
            payload += segment.read(position.offset + len(data), header.length - len(payload))
        if not intact(header, payload):
            raise FrameError(f"the payload of {describe_record(header.kind, header.sha)} is damaged")
        return header, payload

    def _segment(self, number: int) -> OpenSegment:
        with self._lock:
            segment = self._open.get(number)
            if segment is None:
                segment = self._open[number] = self.segments.open(number)
                if len(self._open) > OPEN_SEGMENTS:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(number)
            return segment


def make_frame(sequence: int, position: FramePosition, header: FrameHeader, payload: bytes) -> Frame:
    """Make a frame of a header and a payload."""
    return Frame(
        sequence,
        position,
        RecordKind(header.kind),
        header.codec,
        header.dictionary,
        header.time,
        header.size,
        header.sha,
        payload,
        position.offset + HEADER_SIZE + header.length,
    )


def describe_position(position: FramePosition) -> str:
    """Return where a frame is, as text for error messages."""
    return f"segment {position.segment}, offset {position.offset}"


def describe_record(kind: int, sha: bytes) -> str:
    """Return the kind and hash of a record, as text for error messages."""
    try:
        name = RecordKind(kind).name.lower()
    except ValueError:
        name = f"record of kind {kind}"
    return f"{name} {sha.hex()}"


class ErasureDecision(Protocol):
    """The fields of a decision to erase that errors name."""

    @property
    def at(self) -> int:
        """When it was decided, in seconds since 1970 UTC."""

    @property
    def basis(self) -> str:
        """Why, such as the article of a law."""


def erased(what: str, decision: ErasureDecision | None) -> Erased:
    """Make the error for content that was erased.

    Args:
        what: The content, as text for messages.
        decision: The decision by which it was erased; None if it is not known here.
    """
    if decision is None:
        return Erased(f"{what} was erased; `muniment verify` says whether a decision allows it")
    day = datetime.fromtimestamp(decision.at, UTC).date().isoformat()
    return Erased(f"{what} was erased on {day}, on this basis: {clean(decision.basis)}")


def read_dictionaries(frames: FrameReader, positions: Mapping[int, FramePosition]) -> dict[int, bytes]:
    """Read the dictionaries at these positions, by number.

    A dictionary that can't be read is left out, and a warning is logged.
    """
    found = {}
    for number, position in sorted(positions.items()):
        try:
            found[number] = PayloadDecoder().payload(frames.frame(position))
        except (LedgerDamaged, DecodeError) as error:
            log.warning("compression dictionary %d can't be read: %s", number, error)
    return found


class Dictionaries(Mapping[int, bytes]):
    """The ledger's compression dictionaries by number, each read when it is first needed."""

    def __init__(self, frames: FrameReader) -> None:
        self._frames = frames
        self._known: dict[int, bytes] = {}
        self._preferred = threading.local()

    def prefer_segment(self, segment: int) -> None:
        """Search this segment first for the dictionaries that the current thread asks for.

        A segment has a copy of every dictionary that its records use.
        """
        self._preferred.segment = segment

    def committed(self) -> dict[int, bytes]:
        """Return all dictionaries of the last committed state, by number."""
        segments = self._frames.segments
        for number in reversed(segments.numbers()):
            last = last_commit(segments, number, self._frames.vault_id)
            if last is not None:
                places = last[1].dictionaries
                missing = {key: at for key, at in places.items() if key not in self._known}
                self._known |= read_dictionaries(self._frames, missing)
                return {key: self._known[key] for key in places if key in self._known}
        return {}

    def __getitem__(self, id: int) -> bytes:
        if id not in self._known:
            self._known[id] = self._find(id)
        return self._known[id]

    def __iter__(self) -> Iterator[int]:
        return iter(self.committed())

    def __len__(self) -> int:
        return len(self.committed())

    def _find(self, id: int) -> bytes:
        own = getattr(self._preferred, "segment", 0)
        segments = self._frames.segments
        for number in sorted(segments.numbers(), key=lambda number: (number != own, number)):
            for item in walk(segments, number, self._frames.vault_id, payloads=False):
                if isinstance(item, FoundFrame) and _is_dictionary(item.header, id):
                    found = read_dictionaries(self._frames, {id: FramePosition(number, item.offset)})
                    if found:
                        return found[id]
        raise KeyError(id)


def _is_dictionary(header: FrameHeader, id: int) -> bool:
    return header.kind == RecordKind.DICTIONARY and header.dictionary == id
