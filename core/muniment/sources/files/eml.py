"""A folder of files with one mail each, with its subfolders: .eml and Apple's .emlx, also compressed.

A key is the path within the folder. Files with other names, and files without a mail in them, are passed
over. `sources.files.containers` says which part of a file is kept.

A file is deleted only if all its bytes are kept; compression does not count. So a file stays if its mail had
a frame or another encoding, and if it is damaged. A file that was written to lately stays, too, since
programs write such files in place.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, MailItem, UnfetchedItem
from muniment.sources.files.base import FileSource, key_of, name_of, open_plain, remove
from muniment.sources.files.containers import HEAD, ContainedMail, find_mail, pieces
from muniment.sources.files.naming import reason_by_name
from muniment.sources.files.unpacking import ENDINGS, MAGIC_LENGTH, beginning, opened, packing
from muniment.sources.files.walking import walk
from muniment.sources.listing_store import ListingStore
from muniment.sources.passing import BOMB, NO_ROOM
from muniment.sources.received import of_file

_SINGLE = (".eml", ".emlx")
SETTLED = 60.0
"""Seconds since the last write before a file can be deleted, since its writer may not have finished."""
_NAMES = tuple(f"{single}{packed}" for single in _SINGLE for packed in ("", *ENDINGS))


class EmlSource(FileSource):
    """Files that end in .eml or .emlx, in the order of their paths."""

    def _check(self) -> None:
        if not self._root.is_dir():
            raise SourceError(f"There is no folder {self._root}: set `path` to the folder of .eml files.")

    def listing(self) -> Iterator[MailItem]:
        """List every mail that is there now."""
        self._passing.clear()
        roll = ListingStore(self._endpoint.work, self._endpoint.limits)
        roll.merge((key_of(name), "") for name in self._mail_files())
        self.expected = len(roll) + self._passing.count
        for key, _ in roll.by_key():
            try:
                item = self._listed(key)
            except FileNotFoundError:
                continue
            except OSError:
                item = MailItem(self._place, key)  # fetching it gives the reason
            if item is not None:
                yield item

    def _mail_files(self) -> Iterator[str]:
        for path in walk(self._root, self._passing):
            if path.lower().endswith(_NAMES):
                yield path
            else:
                self._passing.add(path, reason_by_name(path) or "a file that is not named .eml or .emlx")

    def _listed(self, key: str) -> MailItem | None:
        """The item for a file; None if there is no mail in it. Raises OSError."""
        path = name_of(key)
        with open_plain(self._root / path) as file:
            date = of_file(os.fstat(file.fileno()))
            packed = packing(file.read(MAGIC_LENGTH))
            file.seek(0)
            if packed:
                head = io.BytesIO(beginning(file, packed, HEAD))
                found = "" if _is_framed(path) else find_mail(head, False, whole=False)
                size = len(head.getbuffer())
            else:
                found = find_mail(file, _is_framed(path), whole=False)
                size = os.fstat(file.fileno()).st_size
        if isinstance(found, str) and found:
            self._passing.add(path, found)
            return None
        stays = not (isinstance(found, ContainedMail) and found.is_all_of(size))
        mail = found if isinstance(found, ContainedMail) and not packed else ContainedMail(0, 0, "unknown")
        return MailItem(self._place, key, mail.size(), mail.flags, date, stays=stays)

    def _answer(self, item: MailItem) -> FetchedItem | UnfetchedItem:
        path = name_of(item.key)
        with opened(self._root / path, self._endpoint.work, self._endpoint.limits) as (file, fault, stamp):
            mail = fault if fault in (BOMB, NO_ROOM) else find_mail(file, _is_framed(path))
            if isinstance(mail, str):
                return UnfetchedItem(item, f"it is {fault or mail}")
            stays = bool(fault) or not mail.is_all_of(file.seek(0, os.SEEK_END))
            return self._take(replace(item, stays=stays, stamp=stamp), pieces(file, mail))

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Unlink files and sync their folders (see Source.delete)."""
        paths = ((item, self._root / name_of(item.key)) for item in items)
        return remove(paths, self._note_kept, _is_settled)


def _is_settled(found: os.stat_result) -> bool:
    """Whether the last write was long enough ago. A time far in the future does not count as a write."""
    return abs(time.time() - found.st_mtime) >= SETTLED


def _is_framed(path: str) -> bool:
    return ".emlx" in Path(path.lower()).suffixes[-2:]
