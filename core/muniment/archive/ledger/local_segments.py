"""Segments as files in a folder. No other module opens them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from muniment.archive.ledger.segment_store import SegmentLost
from muniment.system.atomic_files import PRIVATE, create_file, sync_folder, write_pieces
from muniment.system.holes import punch_hole

VAULT_ID = "vault-id"
TORN = "torn"
SUFFIX = ".seg"
_NAME = re.compile(r"(\d{12})" + re.escape(SUFFIX))
_COPY = 1024 * 1024
_WORTH = 64 * 1024
"""Fewest zeros in a row whose space is given back, in bytes."""


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of a segment file."""
    return folder / f"{number:012d}{SUFFIX}"


class LocalSegments:
    """A `SegmentStore` whose place is a folder: a file for each segment, and one with the vault's id.

    Only the owner can read the files.
    """

    def __init__(self, folder: Path) -> None:
        """Name the place; nothing is opened or made.

        Args:
            folder: The ledger's folder, VAULT/ledger. It need not exist.
        """
        self._folder = folder
        self._grown: int | None = None
        """Descriptor of the segment that grows, once this store has appended to it."""
        self._number = 0
        """Number of that segment."""
        self._unnamed = False
        """Whether the name of that segment's file may not be on the disk yet."""

    @property
    def place(self) -> str:
        return str(self._folder)

    def name(self, number: int) -> str:
        return str(segment_path(self._folder, number))

    # --- the vault's id -----------------------------------------------------------------------

    @property
    def vault_id_name(self) -> str:
        return str(self._folder / VAULT_ID)

    def begin(self, vault_id: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        create_file(self._folder / VAULT_ID, vault_id, durable=True)
        segment_path(self._folder, 1).touch(PRIVATE)
        sync_folder(self._folder)
        sync_folder(self._folder.parent)

    def vault_id(self) -> bytes | None:
        try:
            return (self._folder / VAULT_ID).read_bytes()
        except FileNotFoundError:
            return None

    # --- reading ------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        try:
            names = [_NAME.fullmatch(entry.name) for entry in os.scandir(self._folder)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match[1]) for match in names if match)

    def open(self, number: int) -> LocalSegment:
        return LocalSegment(segment_path(self._folder, number))

    def generation(self, number: int) -> str:
        return _identity(segment_path(self._folder, number).stat())

    # --- the segment that grows ---------------------------------------------------------------

    def append(self, number: int, offset: int, data: bytes) -> None:
        descriptor = self._growing(number)
        self._unnamed |= not offset
        view = memoryview(data)
        while view:
            written = os.pwrite(descriptor, view, offset)
            view = view[written:]
            offset += written

    def own_size(self, number: int) -> int:
        own = os.fstat(self._growing(number))
        try:
            found = segment_path(self._folder, number).stat()
        except FileNotFoundError:
            raise SegmentLost("was removed") from None
        if not os.path.samestat(own, found):
            raise SegmentLost("was replaced")
        return own.st_size

    def sync(self, number: int) -> None:
        os.fdatasync(self._growing(number))
        if self._unnamed:
            sync_folder(self._folder)
            self._unnamed = False

    def cut(self, number: int, size: int) -> None:
        if self._grown is not None and self._number == number:
            os.ftruncate(self._grown, size)

    def seal(self, number: int) -> None:
        if self._number == number:
            self.close()

    def close(self) -> None:
        grown, self._grown = self._grown, None
        self._unnamed = False
        if grown is not None:
            os.close(grown)

    def _growing(self, number: int) -> int:
        """Return the descriptor of the segment that grows; it stays open until the segment is sealed."""
        if self._grown is not None and self._number != number:
            self.close()
        if self._grown is None:
            path = segment_path(self._folder, number)
            self._grown = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, PRIVATE)
            self._number = number
        return self._grown

    # --- repair and replacement ---------------------------------------------------------------

    def sync_again(self, number: int, start: int, end: int) -> None:
        with _opened(segment_path(self._folder, number), os.O_RDWR) as file:
            while start < end:
                data = os.pread(file, min(_COPY, end - start), start)
                start += os.pwrite(file, data, start)
            os.fdatasync(file)
        sync_folder(self._folder)

    def set_aside(self, number: int, offset: int) -> str:
        target = self._folder / TORN
        target.mkdir(mode=0o700, exist_ok=True)
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = target / f"{number:012d}-{offset}-{now}.bin"
        with (
            _opened(segment_path(self._folder, number), os.O_RDWR) as source,
            _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as copy,
        ):
            _copy(source, offset, copy)
            os.fsync(copy)
            sync_folder(target)
            sync_folder(self._folder)
            os.ftruncate(source, offset)
            os.fsync(source)
        return str(path)

    def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        zeros = _ZeroRanges()
        with _opened(segment_path(self._folder, number), os.O_RDWR) as file:
            for offset, data in changes:
                zeros.add(offset, data)
                view = memoryview(data)
                while view:
                    written = os.pwrite(file, view, offset)
                    view, offset = view[written:], offset + written
            os.fdatasync(file)
            # Only now: the old bytes must be overwritten on the disk before their blocks are given back.
            for offset, length in zeros.found:
                punch_hole(file, offset, length)

    def put(self, number: int, content: Iterable[bytes]) -> None:
        write_pieces(segment_path(self._folder, number), content, durable=True)


class LocalSegment:
    """An `OpenSegment` that is a file."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def generation(self) -> str:
        return _identity(os.fstat(self._descriptor))

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


class _ZeroRanges:
    """Collects the ranges of zeros in what is written that are long enough to be given back."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []
        """Offset and length of each."""

    def add(self, offset: int, data: bytes) -> None:
        """Take the next bytes that are written."""
        if len(data) < _WORTH or data.count(0) != len(data):
            return
        if self.found and sum(self.found[-1]) == offset:
            start, length = self.found.pop()
            self.found.append((start, length + len(data)))
        else:
            self.found.append((offset, len(data)))


def _identity(status: os.stat_result) -> str:
    """Return the identity of a file: no other file has it while this one is open."""
    return f"{status.st_dev:x}-{status.st_ino:x}"


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file descriptor and close it at the end. A new file is readable by its owner only."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, PRIVATE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(source: int, offset: int, target: int) -> None:
    while data := os.pread(source, _COPY, offset):
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        offset += len(data)
