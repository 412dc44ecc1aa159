"""Compressed files of mail: gzip, bzip2, xz and Zstandard, known by their first bytes.

What is in one is written into a file without a name in the work folder, so that it can be read anywhere and
is gone however the process ends. Memory is bounded whatever the file says. One that grows to far more than
mail does, or that the disk has no room for, is refused; of a damaged one, what comes before the damage is
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
from muniment.sources.spool_files import make_work

ENDINGS = (".gz", ".bz2", ".xz", ".zst")
RATIO = 200
"""How many times its size a file may unpack to: text of mail shrinks to a fifth, logs to a fiftieth."""
FREE = 64 * 1024 * 1024
"""Bytes that any file may unpack to."""
ROOM = 512 * 1024 * 1024
"""Bytes of the work folder's disk that are left free."""
_BLOCK = 1024 * 1024
_UNCHECKED = 16 * _BLOCK
"""Bytes that are unpacked between two looks at how much room there is."""
_MEMORY = 128 * 1024 * 1024
"""Bytes that a decoder may take; what programs write at their highest levels takes 65 MiB."""
_WINDOW = 27
"""Binary logarithm of the largest window of Zstandard: as many bytes."""
_HELD = 2
_FAULTS = (EOFError, ValueError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError)
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC_LENGTH = max(map(len, _MAGIC))


class Opened(NamedTuple):
    """A file as it is, or what a compressed one holds."""

    file: BinaryIO
    fault: str = ""
    """Why not all of it could be unpacked, or nothing; "" where all is well."""
    stamp: tuple[int, ...] = ()
    """How the file itself was when it was opened (see Item)."""


def packing(head: bytes) -> str:
    """How a file is compressed, by its first bytes; "" where it is not."""
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


@contextmanager
def opened(path: Path | str, work: Path) -> Iterator[Opened]:
    """Open a regular file to read, and unpack it where it is compressed. Raises OSError, SourceError."""
    with open_plain(path) as file:
        kind = packing(file.read(MAGIC_LENGTH))
        file.seek(0)
        stamp = stamp_of(os.fstat(file.fileno()))
        if not kind:
            yield Opened(file, stamp=stamp)
            return
        make_work(work)
        with tempfile.TemporaryFile(dir=work, buffering=0) as unpacked:
            fault = _unpack(file, kind, cast(BinaryIO, unpacked))
            unpacked.seek(0)
            yield Opened(cast(BinaryIO, unpacked), fault, stamp)


class Held:
    """Opens files again and again, and holds the last two that it has unpacked."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._stacks: dict[tuple[str, int, int, int], tuple[ExitStack, Opened]] = {}

    @contextmanager
    def opened(self, path: Path) -> Iterator[Opened]:
        """As `opened` of this module."""
        with open_plain(path) as file:
            if not packing(file.read(MAGIC_LENGTH)):
                yield Opened(file)
                return
            found = os.fstat(file.fileno())
        known = (str(path), found.st_ino, found.st_mtime_ns, found.st_size)
        if known not in self._stacks:
            stack = ExitStack()
            opening = stack.enter_context(opened(path, self._work))
            self._stacks[known] = stack, opening
        file = self._stacks[known][1].file
        with os.fdopen(os.dup(file.fileno()), "rb") as again:  # the listing may go on in one that is let go
            again.seek(0)
            while len(self._stacks) > _HELD:
                self._stacks.pop(next(iter(self._stacks)))[0].close()
            yield Opened(again, self._stacks[known][1].fault)

    def close(self) -> None:
        """Let go of all."""
        for stack, _ in self._stacks.values():
            stack.close()
        self._stacks.clear()


def beginning(file: BinaryIO, kind: str, length: int) -> bytes:
    """The first bytes of what a file holds; fewer where it is damaged. Raises OSError."""
    found = b""
    try:
        for block in _BLOCKS[kind](file):
            found += block
            if len(found) >= length:
                break
    except _FAULTS:
        pass
    return found[:length]


def _unpack(file: BinaryIO, kind: str, into: BinaryIO) -> str:
    """Write what a file holds; returns what is wrong with it. Nothing is kept of what is refused."""
    limit = max(FREE, os.fstat(file.fileno()).st_size * RATIO)
    size, checked = 0, _UNCHECKED
    try:
        for block in _BLOCKS[kind](file):
            size += len(block)
            if size > limit:
                into.truncate(0)
                return BOMB
            if size >= checked:
                checked = size + _UNCHECKED
                if _room(into) < ROOM + _UNCHECKED:
                    into.truncate(0)
                    return NO_ROOM
            into.write(block)
    except _FAULTS:
        return DAMAGED
    return ""


def _room(file: BinaryIO) -> int:
    found = os.fstatvfs(file.fileno())
    return found.f_bavail * found.f_frsize


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
                if error.errno is None:  # the library says so of data that is none
                    raise EOFError from error
                raise
            if not block:
                return
            yield block


def _xz(file: BinaryIO) -> Iterator[bytes]:
    """Several streams may follow one another; zeros between and behind them mean nothing."""
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
