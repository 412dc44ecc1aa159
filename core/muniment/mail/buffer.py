"""Buffers for content that memory should not hold: a file read in windows, and ranges of another buffer."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self, overload

from muniment.mail.model import MailBuffer

WINDOW = 1024 * 1024
"""Bytes of a file that are read, and cached, at a time."""
_KEPT = 2
"""Windows that are cached."""


class _Ranged(ABC):
    """The calls of `bytes` that need only `_read` and `_size`."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    @abstractmethod
    def _read(self, start: int, end: int) -> bytes:
        """Bytes [start, end), which lie inside the buffer."""

    def startswith(self, prefix: bytes, start: int = 0, end: int | None = None, /) -> bool:
        if start > self._size:
            return False
        first, last, _ = slice(start, end).indices(self._size)
        return first + len(prefix) <= last and self._read(first, first + len(prefix)) == prefix

    @overload
    def __getitem__(self, index: int, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...
    def __getitem__(self, index: slice | int, /) -> bytes | int:
        """Raises IndexError as `bytes` does, and ValueError for a slice with a step."""
        if isinstance(index, slice):
            start, end, step = index.indices(self._size)
            if step != 1:
                raise ValueError("a slice of a buffer has no step")
            return self._read(start, end) if start < end else b""
        at = index + self._size if index < 0 else index
        if not 0 <= at < self._size:
            raise IndexError("buffer index out of range")
        return self._read(at, at + 1)[0]


class _Blocked(_Ranged):
    """A buffer that loads windows and caches the last few."""

    __slots__ = ("_blocks", "_window")

    def __init__(self, size: int, window: int) -> None:
        super().__init__(size)
        self._window = window
        self._blocks: dict[int, bytes] = {}

    @abstractmethod
    def _load(self, start: int, end: int) -> bytes:
        """Bytes [start, end), which lie inside the buffer."""

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        first, last, _ = slice(start, end).indices(self._size)
        if start > self._size or first + len(sub) > last:
            return -1
        while first + len(sub) <= last:
            base, border = self._bounds(first)
            at = self._block(base).find(sub, first - base, last - base)
            if at >= 0:
                return base + at
            across = max(first, border - len(sub) + 1)
            at = self[across : min(last, border + len(sub) - 1)].find(sub)
            if at >= 0:
                return across + at
            first = border
        return first if not sub else -1

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        first, last, _ = slice(start, end).indices(self._size)
        if start > self._size or first + len(sub) > last:
            return -1
        if not sub:
            return last
        border = last
        while border > first:
            base, top = self._bounds(border - 1)
            across = max(first, base, top - len(sub) + 1)
            at = self[across : min(last, top + len(sub) - 1)].rfind(sub)
            if at >= 0:
                return across + at
            at = self._block(base).rfind(sub, max(first - base, 0), last - base)
            if at >= 0:
                return base + at
            border = base
        return -1

    def _bounds(self, at: int) -> tuple[int, int]:
        """Begin and end of the window that holds offset `at`."""
        base = at - at % self._window
        return base, base + self._window

    def _block(self, base: int) -> bytes:
        """The window that begins at `base`, from the cache if it is there."""
        block = self._blocks.get(base)
        if block is None:
            while len(self._blocks) >= _KEPT:
                del self._blocks[next(iter(self._blocks))]
            block = self._load(base, min(base + self._window, self._size))
            self._blocks[base] = block
        return block

    def _read(self, start: int, end: int) -> bytes:
        base, border = self._bounds(start)
        if end <= border:
            return self._block(base)[start - base : end - base]
        if end - start <= self._window:
            head = self._block(base)[start - base :]
            return head + self._block(border)[: end - border]
        return self._load(start, end)


class FileBuffer(_Blocked):
    """A file with the calls of `bytes`, in constant memory. Leaving a `with` block closes it.

    It is never mapped, since mapped pages count as the process's memory.

    Raises:
        OSError: from any call, as reading a file does; also when the file became shorter since it was opened.
    """

    __slots__ = ("_file",)

    def __init__(self, path: Path | int, window: int = WINDOW) -> None:
        """Open the file.

        Args:
            path: a path, or the descriptor of an open file. The descriptor is duplicated.
            window: bytes that are read at a time.

        Raises:
            OSError: the file can't be opened.
        """
        self._file = os.dup(path) if isinstance(path, int) else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        super().__init__(os.fstat(self._file).st_size, window)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._blocks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, start: int, end: int) -> bytes:
        pieces: list[bytes] = []
        while start < end:
            piece = os.pread(self._file, end - start, start)
            if not piece:
                raise OSError("the file became shorter while it was read")
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class LinesBuffer(_Blocked):
    """The decoded content of base64 text in lines of one width.

    It decodes what is read, in constant memory.
    """

    __slots__ = ("_buf", "_decode", "_start", "_stop", "_stride", "_width")

    def __init__(
        self, buf: MailBuffer, start: int, end: int, width: int, eol: int, decode: Callable[[bytes], bytes]
    ) -> None:
        """Take the base64 text at [start, end) of `buf`.

        Args:
            buf: the buffer with the text.
            start: where the text begins.
            end: where the text ends, in front of the last line end.
            width: characters of each line but the last; a multiple of 4.
            eol: bytes of each line end.
            decode: decodes base64 without line ends.
        """
        self._buf, self._start, self._stop = buf, start, end
        self._width, self._stride, self._decode = width, width + eol, decode
        lines, rest = divmod(end - start, self._stride)
        padding = buf[max(start, end - 2) : end].count(b"=")
        super().__init__((lines * width + min(rest, width)) // 4 * 3 - padding, WINDOW)

    def _load(self, start: int, end: int) -> bytes:
        line = self._width // 4 * 3
        first = start // line
        at = self._start + first * self._stride
        stop = min(self._start + -(-end // line) * self._stride, self._stop)
        data = self._decode(self._buf[at:stop].translate(None, b"\r\n"))
        return data[start - first * line : end - first * line]


class JoinedBuffer(_Blocked):
    """Several ranges of another buffer, one after the other."""

    __slots__ = ("_buf", "_ends", "_spans")

    def __init__(self, buf: MailBuffer, spans: Sequence[tuple[int, int]]) -> None:
        self._buf = buf
        self._spans = [(start, end) for start, end in spans if start < end]
        self._ends = list(accumulate(end - start for start, end in self._spans))
        super().__init__(self._ends[-1] if self._ends else 0, WINDOW)

    def _load(self, start: int, end: int) -> bytes:
        pieces = []
        number = bisect_right(self._ends, start)
        while start < end:
            last = self._spans[number][1]
            at = last - (self._ends[number] - start)
            pieces.append(self._buf[at : min(last, at + end - start)])
            start, number = self._ends[number], number + 1
        return b"".join(pieces)


class _View(_Ranged):
    """The range [start, start + size) of another buffer, as a buffer."""

    __slots__ = ("_buf", "_start")

    def __init__(self, buf: MailBuffer, start: int, size: int) -> None:
        super().__init__(size)
        self._buf = buf
        self._start = start

    def _read(self, start: int, end: int) -> bytes:
        return self._buf[self._start + start : self._start + end]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        if start > self._size:
            return -1
        first, last, _ = slice(start, end).indices(self._size)
        at = self._buf.find(sub, self._start + first, self._start + last) if first <= last else -1
        return at - self._start if at >= 0 else -1

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        if start > self._size:
            return -1
        first, last, _ = slice(start, end).indices(self._size)
        at = self._buf.rfind(sub, self._start + first, self._start + last) if first <= last else -1
        return at - self._start if at >= 0 else -1


def sub(buf: MailBuffer, start: int, end: int) -> MailBuffer:
    """Bytes [start, end) of a buffer as a buffer: a slice of `bytes`, otherwise a view without a copy."""
    first, last, _ = slice(start, end).indices(len(buf))
    if isinstance(buf, bytes):
        return buf[first:last]
    return _View(buf, first, max(last - first, 0))


def window(buf: MailBuffer, start: int, end: int, size: int = WINDOW) -> Iterator[bytes]:
    """Yield bytes [start, end) in pieces of `size` bytes; the last may be shorter."""
    for at in range(start, min(end, len(buf)), size):
        yield buf[at : min(at + size, end)]
