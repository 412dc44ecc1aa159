"""Compressed files of mail: gzip, bzip2, xz and Zstandard, recognised by their first bytes.

The content is written to a file without a name in the work folder. So it can be read at any offset, and it is
gone however the process ends. Memory is limited for any input. A file that unpacks to far more than mail does
is refused, and so is one for which the disk has no room. Of a damaged file, the part before the damage is
read.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import zstandard

from muniment.sources.files.base import open_plain, stamp_of
from muniment.sources.passing import BOMB, DAMAGED, NO_ROOM
from muniment.sources.source_limits import SourceLimits
from muniment.sources.spool_files import make_work
from muniment.system.free_space import free_bytes

ENDINGS = (".gz", ".bz2", ".xz", ".zst")
RATIO = 200
"""How many times its own size a file can unpack to. Mail shrinks to a fifth, logs to a fiftieth."""
_BLOCK = 1024 * 1024
_MEMORY = 128 * 1024 * 1024
"""Most bytes of memory for a decoder; files written at the highest levels need 65 MiB."""
_WINDOW = 27
"""Binary logarithm of the largest window of Zstandard, in bytes."""
_HELD = 2
_FAULTS = (EOFError, ValueError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError)
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC_LENGTH = max(map(len, _MAGIC))


class OpenedFile(NamedTuple):
    """A file itself, or the content of a compressed one."""

    file: BinaryIO
    fault: str = ""
    """Why not all of it could be unpacked; "" if there was no problem."""
    stamp: tuple[int, ...] = ()
    """State of the file itself when it was opened (see MailItem.stamp)."""


def packing(head: bytes) -> str:
    """How a file is compressed, by its first bytes; "" if it is not compressed."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def opened(path: Path | str, work: Path, limits: SourceLimits) -> Iterator[OpenedFile]:
    """Open a regular file for reading, and unpack it within limits if it is compressed.

    Raises:
        OSError: The file can't be opened.
        SourceError: The work folder can't be used.
    """
    with open_plain(path) as file:
        kind = packing(file.read(MAGIC_LENGTH))
        file.seek(0)
        stamp = stamp_of(os.fstat(file.fileno()))
        if not kind:
            yield OpenedFile(file, stamp=stamp)
            return
        make_work(work)
        with tempfile.TemporaryFile(dir=work, buffering=0) as unpacked:
            fault = _unpack(file, kind, cast(BinaryIO, unpacked), limits)
            unpacked.seek(0)
            yield OpenedFile(cast(BinaryIO, unpacked), fault, stamp)


class UnpackedFiles:
    """Opens the same files several times, and keeps the last two that it has unpacked."""

    def __init__(self, work: Path, limits: SourceLimits) -> None:
        self._work = work
        self._limits = limits
        self._stacks: dict[tuple[str, int, int, int], tuple[ExitStack, OpenedFile]] = {}

    @contextmanager
    def opened(self, path: Path) -> Iterator[OpenedFile]:
        """The same as `opened` of this module."""
        with open_plain(path) as file:
            if not packing(file.read(MAGIC_LENGTH)):
                yield OpenedFile(file)
                return
            found = os.fstat(file.fileno())
        known = (str(path), found.st_ino, found.st_mtime_ns, found.st_size)
        if known not in self._stacks:
            stack = ExitStack()
            opening = stack.enter_context(opened(path, self._work, self._limits))
            self._stacks[known] = stack, opening
        file = self._stacks[known][1].file
        with os.fdopen(
            os.dup(file.fileno()), "rb"
        ) as again:  # a listing can still read the file that is closed below
            again.seek(0)
            while len(self._stacks) > _HELD:
                self._stacks.pop(next(iter(self._stacks)))[0].close()
            yield OpenedFile(again, self._stacks[known][1].fault)

    def close(self) -> None:
        """Remove all unpacked content."""
        for stack, _ in self._stacks.values():
            stack.close()
        self._stacks.clear()


def beginning(file: BinaryIO, kind: str, length: int) -> bytes:
    """The first `length` bytes of a compressed file's content; fewer if it is damaged. Raises OSError."""
    found = b""
    try:
        for block in _BLOCKS[kind](file):
            found += block
            if len(found) >= length:
                break
    except _FAULTS:
        pass
    return found[:length]


def _unpack(file: BinaryIO, kind: str, into: BinaryIO, limits: SourceLimits) -> str:
    """Unpack a file, and return its fault. If it is refused, nothing is kept of it."""
    limit = max(limits.unpacked, os.fstat(file.fileno()).st_size * RATIO)
    size, checked = 0, limits.unchecked
    try:
        for block in _BLOCKS[kind](file):
            size += len(block)
            if size > limit:
                into.truncate(0)
                return BOMB
            if size >= checked:
                checked = size + limits.unchecked
                free = free_bytes(into.fileno())
                if free is not None and free < limits.free_space + limits.unchecked:
                    into.truncate(0)
                    return NO_ROOM
            into.write(block)
    except _FAULTS:
        return DAMAGED
    return ""


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as stream:
        while block := stream.read1(_BLOCK):
            yield block


def _bzip2(file: BinaryIO) -> Iterator[bytes]:
    with bz2.BZ2File(file) as stream:
        while True:
            try:
                block = stream.read1(_BLOCK)
            except OSError as error:
                if error.errno is None:  # the library's error for invalid data
                    raise EOFError from error
                raise
            if not block:
                return
            yield block


def _xz(file: BinaryIO) -> Iterator[bytes]:
    """Unpack xz: several streams can follow one another, with zero bytes between and after them."""
    data = file.read(_BLOCK)
    while data:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        while not decoder.eof:
            if decoder.needs_input and not data:
                data = file.read(_BLOCK)
                if not data:
                    raise EOFError
            yield decoder.decompress(data, _BLOCK)
            data = b""
        data = (decoder.unused_data or file.read(_BLOCK)).lstrip(b"\0")


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW)
    with decoder.stream_reader(file, read_across_frames=True, closefd=False) as stream:
        while block := stream.read(_BLOCK):
            yield block


_BLOCKS = {"gzip": _gzip, "bzip2": _bzip2, "xz": _xz, "zstd": _zstd}
