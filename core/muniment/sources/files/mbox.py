"""Mbox files: one file, or a folder of them. They are only read.

`sources.files.mbox_scan` finds the messages in a file. Their bytes stay as they are stored: `>From ` stays
quoted, since a file does not say whether it is mboxrd or mboxo, and undoing the wrong one would change the
mail. Files can have LF or CRLF, and can be compressed.

If the path is a folder, all files in it and below are read. The path of a file is its mail folder:
Thunderbird has the folders below `Inbox` in `Inbox.sbd`, and Apple Mail has each folder in `NAME.mbox/mbox`.

A key is `OFFSET:SIZE:HASH`, with the beginning of the content's SHA-256. It stays the same when something is
appended to the file, and shows when the file was rewritten.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.base import FileSource, key_of, name_of, open_plain, unreadable
from muniment.sources.files.containers import find_mail
from muniment.sources.files.mbox_scan import is_mbox, is_whole, spots
from muniment.sources.files.naming import folder_title, reason_by_name
from muniment.sources.files.unpacking import MAGIC_LENGTH, UnpackedFiles, packing
from muniment.sources.files.walking import walk
from muniment.sources.listing_store import ListingStore
from muniment.sources.passing import unreadable_file

_BLOCK = 1024 * 1024
_HASH_DIGITS = 16


class MboxSource(FileSource):
    """An mbox file, or every mbox file in a folder and below; other files are passed over."""

    vouches = True

    def __init__(self, endpoint: FileEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._held = UnpackedFiles(endpoint.work, endpoint.limits)

    def close(self) -> None:
        """Remove what was unpacked."""
        self._held.close()

    def _check(self) -> None:
        if self._root.is_dir():
            return
        try:
            with open_plain(self._root) as file:
                packed = packing(file.read(MAGIC_LENGTH))
                found = packed or os.fstat(file.fileno()).st_size == 0 or is_mbox(file)
        except OSError as error:
            raise SourceError(f"{self._root} can't be read: {error.strerror}; check `path`.") from error
        if not found:
            raise SourceError(
                f"{self._root} is not an mbox file (it does not begin with `From ADDRESS DATE`): check "
                "`path`."
            )

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now: files in the order of their paths, messages in file order."""
        self._passing.clear()
        if not self._root.is_dir():
            try:
                yield from self._list_file(self._root, "", self._place)
            except OSError as error:
                raise unreadable(self._root, error) from error
            return
        roll = ListingStore(self._endpoint.work, self._endpoint.limits)
        roll.merge((key_of(path), "") for path in walk(self._root, self._passing))
        for key, _ in roll.by_key():
            path = name_of(key)
            place = MailPlace(self._place.host, "", key, folder_title(path))
            try:
                yield from self._list_file(self._root / path, path, place)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._passing.add(path, unreadable_file(error))

    def _list_file(self, path: Path, name: str, place: MailPlace) -> Iterator[MailItem]:
        """The messages of one file; `name` is its path in the folder, or "" without one. Raises OSError."""
        reason = reason_by_name(name) if name else ""
        if reason:
            self._passing.add(name, reason)
            return
        with self._held.opened(path) as (file, fault, _):
            listed = False
            for start, end, date, _ in spots(file):
                listed = True
                key = f"{start}:{end - start}:{_hash(file, start, end)}"
                yield MailItem(place, key, end - start, date=date)
            if fault or (name and not listed):
                self._passing.add(name or str(self._root), fault or _why(file))

    def _answer(self, item: MailItem) -> FetchedItem | UnfetchedItem:
        start, size, digest = item.key.split(":")
        with self._held.opened(self._path(item)) as (file, *_):
            begin, end = int(start), int(start) + int(size)
            if _hash(file, begin, end) != digest:
                return UnfetchedItem(item, "the file has changed since it was listed", gone=True)
            if not is_whole(file, begin, end):
                return UnfetchedItem(item, "it was still being written when it was listed", gone=True)
            return self._take(item, _blocks(file, begin, end))

    def _path(self, item: MailItem) -> Path:
        return self._root / name_of(item.place.folder) if item.place.folder else self._root

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Raise SourceError, since an mbox file is never written to."""
        raise SourceError(
            f"Mail can't be deleted in {self._root}: mbox files are read only; keep the mail with `--keep`."
        )


def _why(file: BinaryIO) -> str:
    """The reason why a file is not an mbox file."""
    found = find_mail(file, False, whole=False)
    return found if isinstance(found, str) else "a file of a single mail: use a profile of kind eml"


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end and (block := os.pread(file.fileno(), min(_BLOCK, end - start), start)):
        yield block
        start += len(block)


def _hash(file: BinaryIO, start: int, end: int) -> str:
    digest = hashlib.sha256()
    for block in _blocks(file, start, end):
        digest.update(block)
    return digest.hexdigest()[:_HASH_DIGITS]
