"""Mbox files: one file, or a folder of them. Read only.

A message begins behind a line that starts with `From `, as mboxrd and mboxo have it (RFC 4155), and
ends before the empty line ahead of the next such line, or of the file's end. Its bytes are handed on
as they are stored: `>From ` stays quoted, since a file doesn't tell whether mboxrd or mboxo wrote
it, and undoing the wrong one would change the mail. Files may have LF or CRLF.

A key is `OFFSET:SIZE:HASH`, the hash being the beginning of the content's SHA-256: it stays when
the file is appended to, and tells when the file was rewritten.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, Place, Unfetched
from muniment.sources.files import FileSource, key_of, name_of, open_plain, plain_names
from muniment.sources.work import spool_file

_BLOCK = 1024 * 1024
_HASH_DIGITS = 16
_SEPARATOR = b"From "


class MboxSource(FileSource):
    """An mbox file, or every mbox file of a folder; what does not begin with `From ` is passed over there."""

    vouches = True

    def _check(self) -> None:
        if self._root.is_dir():
            return
        try:
            with open_plain(self._root) as file:
                begins = file.read(len(_SEPARATOR))
        except OSError as error:
            raise SourceError(f"{self._root} can't be read: {error.strerror}; check `path`.") from error
        if begins not in (b"", _SEPARATOR):
            raise SourceError(f"{self._root} is no mbox file (it does not begin with 'From '): check `path`.")

    def listing(self) -> Iterator[Item]:
        """Every message there now, file by file, in the order in which they stand."""
        if not self._root.is_dir():
            yield from self._list_file(self._root, self._place)
            return
        for name in sorted(plain_names(self._root)):
            place = Place(self._place.host, "", key_of(name))
            yield from self._list_file(self._root / name, place)

    def _list_file(self, path: Path, place: Place) -> Iterator[Item]:
        try:
            with open_plain(path) as file:
                for start, end in messages(file):
                    yield Item(place, f"{start}:{end - start}:{_hash(file, start, end)}", end - start)
        except OSError as error:
            raise SourceError(f"{path} can't be read: {error.strerror}; check its permissions.") from error

    def _answer(self, item: Item) -> Fetched | Unfetched:
        start, size, digest = item.key.split(":")
        with open_plain(self._path(item)) as file:
            begin, end = int(start), int(start) + int(size)
            if _hash(file, begin, end) != digest:
                return Unfetched(item, "the file was changed since it was listed", gone=True)
            if end - begin <= SPOOL_ABOVE:
                return Fetched(item, b"".join(_blocks(file, begin, end)))
            with spool_file(self._endpoint.work) as (copy, spooled):
                for block in _blocks(file, begin, end):
                    copy.write(block)
            return Fetched(item, spooled)

    def _path(self, item: Item) -> Path:
        return self._root / name_of(item.place.folder) if item.place.folder else self._root

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Raise SourceError: an mbox file is never written to."""
        raise SourceError(
            f"Mail can't be deleted in {self._root}: mbox files are read only; keep the mail with `--keep`."
        )


def messages(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where the messages of an mbox file lie: [start, end) each. None where it is no mbox file."""
    if os.pread(file.fileno(), len(_SEPARATOR), 0) != _SEPARATOR:
        return
    size = os.fstat(file.fileno()).st_size
    for start, end in pairwise(chain(separators(file), (size,))):
        body = _line_end(file, start, end)
        yield body, _without_blank(file, body, end)


def separators(file: BinaryIO) -> Iterator[int]:
    """Offsets of the lines that begin with `From `; reads the file block by block."""
    mark = b"\n" + _SEPARATOR
    # A line break before the file makes its first line one like any other.
    carried, offset, base = b"\n", 0, -1
    while block := os.pread(file.fileno(), _BLOCK, offset):
        data = carried + block
        found = data.find(mark)
        while found >= 0:
            yield base + found + 1
            found = data.find(mark, found + len(mark))
        offset += len(block)
        carried = data[-(len(mark) - 1) :]
        base = offset - len(carried)


def _line_end(file: BinaryIO, start: int, end: int) -> int:
    """The offset behind the line that begins at `start`."""
    while start < end:
        block = os.pread(file.fileno(), min(_BLOCK, end - start), start)
        found = block.find(b"\n")
        if found >= 0:
            return start + found + 1
        if not block:
            break
        start += len(block)
    return end


def _without_blank(file: BinaryIO, start: int, end: int) -> int:
    """The end of the content, ahead of the empty line that closes it."""
    tail = os.pread(file.fileno(), min(4, end - start), max(start, end - 4))
    if tail.endswith(b"\r\n\r\n") or tail == b"\r\n":
        return end - 2
    if tail.endswith(b"\n\n") or tail == b"\n":
        return end - 1
    return end


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end and (block := os.pread(file.fileno(), min(_BLOCK, end - start), start)):
        yield block
        start += len(block)


def _hash(file: BinaryIO, start: int, end: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks(file, start, end):
        digest.update(block)
    return digest.hexdigest()[:_HASH_DIGITS]
