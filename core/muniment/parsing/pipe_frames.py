"""Frames on the pipes to a worker process: a length (8 bytes, little endian), then MessagePack.

Bytes of mail may follow a frame directly, so they are copied neither into it nor out of it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import Generic, TypeVar

import msgspec

LENGTH = struct.Struct("<Q")
AT_ONCE = 512
"""Pieces that are written in one call: half of what Linux allows (IOV_MAX)."""
KEPT = 2 * 1024 * 1024
"""Largest buffer, in bytes, that is kept for the next frame."""

MOST = 256 * 1024 * 1024
"""Largest frame in bytes. The answer to a batch has some 30 MB. A worker that a mail has taken over may claim
any length."""

T = TypeVar("T")
_encoder = msgspec.msgpack.Encoder()


def send(
    pipe: int, value: object, behind: Sequence[bytes] = (), wait: Callable[[], None] | None = None
) -> None:
    """Write one frame, and bytes behind it.

    Args:
        pipe: the descriptor to write to.
        value: becomes the frame.
        behind: bytes that follow it.
        wait: called while a non-blocking pipe is full. Without it, BlockingIOError is raised.

    Raises:
        OSError: the other end is closed.
    """
    frame = _encoder.encode(value)
    left = [memoryview(piece) for piece in (LENGTH.pack(len(frame)), frame, *behind) if piece]
    while left:
        try:
            written = os.writev(pipe, left[:AT_ONCE])
        except BlockingIOError:
            if wait is None:
                raise
            wait()
            continue
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


class PipeReader(Generic[T]):
    """Reads frames, each with a value of one type, from a pipe. It belongs to one thread."""

    def __init__(self, pipe: BufferedReader, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._pipe = pipe
        self._decoder = decoder
        self._buffer = bytearray()

    def receive(self) -> T | None:
        """The value of the next frame; None at the end of the stream.

        Raises:
            OSError: the frame can't be read, or is longer than MOST.
            msgspec.DecodeError: the frame is no such value.
        """
        head = self._pipe.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack(head)
        if length > MOST:
            raise OSError(f"a frame of {length} bytes is too long")
        if len(self._buffer) < length:
            self._buffer = bytearray(length)
        with memoryview(self._buffer) as whole, whole[:length] as frame:
            if self._pipe.readinto(frame) < length:
                return None
            value = self._decoder.decode(frame)
        if length > KEPT:
            self._buffer = bytearray()
        return value

    def behind(self, size: int) -> bytes:
        """The next `size` bytes behind the frame.

        Raises:
            OSError: they can't be read.
            EOFError: the stream ends early.
        """
        data = self._pipe.read(size)
        if len(data) < size:
            raise EOFError
        return data
