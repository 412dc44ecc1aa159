"""Reads a segment frame by frame, and goes on after damaged bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from muniment.archive.ledger.commits import MAX_COMMIT, Commit, read_commit
from muniment.archive.ledger.frame import (
    HEADER_SIZE,
    TAG_OFFSET,
    FrameError,
    FrameHeader,
    NewerFrame,
    intact,
    parse_header,
    stated_identity,
)
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.segment_store import OpenSegment, SegmentStore, segment_size
from muniment.errors import VaultError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 1024 * 1024
SMALL_BUFFER = 8 * 1024

Payloads = bool | Callable[[FrameHeader], bool]
"""Which payloads a walk reads: all, none, or those of the headers for which the function returns true."""


class FoundFrame(NamedTuple):
    """An intact frame."""

    offset: int
    """Byte offset in the segment."""
    header: FrameHeader
    payload: bytes
    """Empty if the walk skips payloads, except for commit frames."""

    @property
    def end(self) -> int:
        """Byte offset in the segment where the next frame begins."""
        return self.offset + HEADER_SIZE + self.header.length


@dataclass(frozen=True, slots=True)
class FrameGap:
    """Bytes that are not an intact frame, up to the next intact frame or the end of the file."""

    offset: int
    length: int
    reason: str
    header: FrameHeader | None = None
    """The header, if it is intact and only the payload is damaged: the leaf is known then."""
    cut_short: bool = False
    """Whether the file ends within a frame that may be intact so far."""
    stated: tuple[int, bytes] = (0, b"")
    """Kind and hash from a damaged header."""

    @property
    def is_one_frame(self) -> bool:
        """Whether it is one frame, by its header; otherwise more frames may be lost in it."""
        return self.header is not None and self.length == HEADER_SIZE + self.header.length


def walk(
    segments: SegmentStore, number: int, tag: bytes, offset: int = 0, *, payloads: Payloads = True
) -> Iterator[FoundFrame | FrameGap]:
    """Yield the frames and gaps of a segment, up to the end that it has now.

    Args:
        segments: The ledger's segments.
        number: The segment's number.
        tag: The vault's id, 8 bytes.
        offset: Byte offset to begin at.
        payloads: Which payloads to read and check. Those of commit frames are always read.

    Raises:
        VaultError: A newer program wrote a frame.
    """
    with closing(segments.open(number)) as segment:
        end = segment.size()
        file = io.BufferedReader(_RawSegment(segment), BUFFER if payloads else SMALL_BUFFER)
        file.seek(offset)
        while offset < end:
            try:
                item = _next(file, tag, offset, end, payloads)
            except NewerFrame as error:
                where = f"{segments.name(number)}, offset {offset}"
                raise VaultError(f"{where}: {error}: update Muniment to use it") from error
            yield item
            offset = item.end if isinstance(item, FoundFrame) else offset + item.length


class _RawSegment(io.RawIOBase):
    """A segment as a file without a buffer."""

    def __init__(self, segment: OpenSegment) -> None:
        self._segment = segment
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            offset += self._offset if whence == io.SEEK_CUR else self._segment.size()
        self._offset = offset
        return offset

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._segment.read(self._offset, len(view))
        view[: len(data)] = data
        self._offset += len(data)
        return len(data)


def _next(file: BinaryIO, tag: bytes, offset: int, end: int, payloads: Payloads) -> FoundFrame | FrameGap:
    """Read the frame or gap at `offset`, the file's current position; the file is then after it."""
    head = file.read(HEADER_SIZE)
    try:
        header = parse_header(head, tag)
    except NewerFrame:
        raise
    except FrameError as error:
        gap_end = _resynchronise(file, tag, offset + 1, end)
        cut_short = len(head) < HEADER_SIZE
        return FrameGap(offset, gap_end - offset, str(error), None, cut_short, stated_identity(head))
    frame_end = offset + HEADER_SIZE + header.length
    if frame_end > end:
        gap_end = _resynchronise(file, tag, offset + 1, end)
        return FrameGap(offset, gap_end - offset, "cut short", header, gap_end == end)
    wanted = payloads if isinstance(payloads, bool) else payloads(header)
    if not wanted and header.kind != RecordKind.COMMIT:
        file.seek(frame_end)
        return FoundFrame(offset, header, b"")
    payload = file.read(header.length)
    if intact(header, payload):
        return FoundFrame(offset, header, payload)
    if frame_end < end and not _frame_at(file, tag, frame_end):
        frame_end = _resynchronise(file, tag, offset + 1, end)
    file.seek(frame_end)
    return FrameGap(offset, frame_end - offset, "its payload is damaged", header)


def _frame_at(file: BinaryIO, tag: bytes, offset: int) -> bool:
    file.seek(offset)
    return _is_header(file.read(HEADER_SIZE), tag, 0)


def _is_header(data: bytes, tag: bytes, offset: int) -> bool:
    try:
        parse_header(data, tag, offset)
    except NewerFrame:
        return True
    except FrameError:
        return False
    return True


def _resynchronise(file: BinaryIO, tag: bytes, start: int, end: int) -> int:
    """Return the offset of the next intact header from `start`, or `end`, and move the file there."""
    file.seek(start)
    data = b""
    while start < end:
        fresh = file.read(min(BUFFER, end - start - len(data)))
        data += fresh
        at = data.find(tag)
        while at >= 0:
            if at >= TAG_OFFSET and _is_header(data, tag, at - TAG_OFFSET):
                file.seek(start + at - TAG_OFFSET)
                return start + at - TAG_OFFSET
            at = data.find(tag, at + 1)
        if not fresh:
            break
        kept = data[-(HEADER_SIZE - 1) :]
        start += len(data) - len(kept)
        data = kept
    file.seek(end)
    return end


def commit_of(found: FoundFrame) -> Commit | None:
    """Decode a commit frame; None if the frame is of another kind or its content is not valid."""
    if found.header.kind != RecordKind.COMMIT:
        return None
    try:
        return read_commit(found.payload)
    except ValueError:
        return None


def commit_before(
    segments: SegmentStore, number: int, tag: bytes, end: int
) -> tuple[FoundFrame, Commit] | None:
    """Find the commit frame that ends at offset `end`, without reading the segment from its beginning."""
    start = max(0, end - MAX_COMMIT)
    try:
        with closing(segments.open(number)) as segment:
            data = segment.read(start, end - start)
    except FileNotFoundError:
        return None
    at = len(data)
    while (at := data.rfind(tag, 0, at)) >= TAG_OFFSET:
        found = _found(data, tag, at - TAG_OFFSET, start)
        if found is not None:
            commit = commit_of(found) if found.end == end else None
            return None if commit is None else (found, commit)
    return None


def _found(data: bytes, tag: bytes, at: int, start: int) -> FoundFrame | None:
    """Return the intact frame at index `at` of `data`, which was read at offset `start` of a segment."""
    try:
        header = parse_header(data, tag, at)
    except FrameError:
        return None
    payload = data[at + HEADER_SIZE : at + HEADER_SIZE + header.length]
    return FoundFrame(start + at, header, payload) if intact(header, payload) else None


def last_commit(segments: SegmentStore, number: int, tag: bytes) -> tuple[FoundFrame, Commit] | None:
    """Return the last commit frame of a segment, not counting its opening frame; None if there is none.

    This is quick if the segment ends with that frame. Otherwise, such as during a write, all headers of the
    segment are read.

    Raises:
        VaultError: A newer program wrote a frame.
    """
    last = commit_before(segments, number, tag, segment_size(segments, number))
    if last is None:
        for item in walk(segments, number, tag, payloads=False):
            commit = commit_of(item) if isinstance(item, FoundFrame) else None
            if commit is not None and isinstance(item, FoundFrame):
                last = item, commit
    return None if last is None or last[1].segment else last
