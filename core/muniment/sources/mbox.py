"""Mbox files: one file, or a folder of them. Read only.

Where messages lie is found by `sources.mbox_scan`. Their bytes are handed on as they are stored: `>From `
stays quoted, since a file doesn't tell whether mboxrd or mboxo wrote it, and undoing the wrong one would
change the mail. Files may have LF or CRLF.

A key is `OFFSET:SIZE:HASH`, the hash being the beginning of the content's SHA-256: it stays when
the file is appended to, and tells when the file was rewritten.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, Place, Unfetched
from muniment.sources.files import FileSource, key_of, name_of, open_plain, plain_names
from muniment.sources.mbox_scan import is_mbox, is_whole, spots
from muniment.sources.work import spool_file

_BLOCK = 1024 * 1024
_HASH_DIGITS = 16


class MboxSource(FileSource):
    """An mbox file, or every mbox file of a folder; what does not begin with `From ` is passed over there."""

    vouches = True

    def _check(self) -> None:
        if self._root.is_dir():
            return
        try:
            with open_plain(self._root) as file:
                found = os.fstat(file.fileno()).st_size == 0 or is_mbox(file)
        except OSError as error:
            raise SourceError(f"{self._root} can't be read: {error.strerror}; check `path`.") from error
        if not found:
            raise SourceError(
                f"{self._root} is no mbox file (it does not begin with `From ADDRESS DATE`): check `path`."
            )

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
                for start, end, date, _ in spots(file):
                    key = f"{start}:{end - start}:{_hash(file, start, end)}"
                    yield Item(place, key, end - start, date=date)
        except OSError as error:
            raise SourceError(f"{path} can't be read: {error.strerror}; check its permissions.") from error

    def _answer(self, item: Item) -> Fetched | Unfetched:
        start, size, digest = item.key.split(":")
        with open_plain(self._path(item)) as file:
            begin, end = int(start), int(start) + int(size)
            if _hash(file, begin, end) != digest:
                return Unfetched(item, "the file was changed since it was listed", gone=True)
            if not is_whole(file, begin, end):
                return Unfetched(item, "it was still being written when it was listed", gone=True)
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


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end and (block := os.pread(file.fileno(), min(_BLOCK, end - start), start)):
        yield block
        start += len(block)


def _hash(file: BinaryIO, start: int, end: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks(file, start, end):
        digest.update(block)
    return digest.hexdigest()[:_HASH_DIGITS]
