"""A Maildir: each message is a file in `new/` or `cur/`. A key is the file's unique name, without flags.

Its subfolders are read as well: `.Folder.Sub` beside `cur/` (Maildir++, used by Dovecot and Courier), or
folders within folders. Other files, such as the indexes of a server, are passed over. **Nothing is deleted in
a subfolder**, since people keep mail there. To empty a subfolder, give it a profile of its own.

Mail programs move messages from new/ to cur/, and rename them when flags change. So a file is searched first
where it was listed, and then all missing files are searched together in both folders. Files that a server has
compressed are unpacked.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.files.base import GONE, FileSource, key_of, name_of, plain_names, remove, unreadable
from muniment.sources.files.naming import maildir_title, reason_by_name
from muniment.sources.files.unpacking import opened
from muniment.sources.listing_store import ListingStore
from muniment.sources.passing import BOMB, LINK, NO_ROOM, SPECIAL, unreadable_folder
from muniment.sources.received import of_maildir

_INFO = ":2,"
_LOOKS = 3
_BLOCK = 1024 * 1024
TWIN = "a message in cur/ with the unique name of one in new/: rename one of them"
_SUBS = ("new", "cur")
"""The folders with messages. new/ is read first, since messages move from there to cur/."""


class MaildirSource(FileSource):
    """A Maildir with its subfolders. `tmp/` is never read: its messages are not delivered yet."""

    def _check(self) -> None:
        self._passing.clear()
        if not self._root.is_dir() or not any(True for _ in self._folders()):
            raise SourceError(f"{self._root} is not a Maildir (it has no new/ and cur/): check `path`.")

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now, folder by folder, in the order of unique names.

        A message that moves from new/ to cur/ at the same time is listed only once.
        """
        self._passing.clear()
        roll = ListingStore(self._endpoint.work, self._endpoint.limits)
        folders = sorted(self._folders())
        for place, folder in enumerate(folders):
            roll.merge(
                (f"{place:08}/{key_of(_unique(path.name))}", key_of(str(path)))
                for path in self._paths(self._root / folder)
            )
        self.expected = len(roll) + self._passing.count
        for key, note in roll.by_key():
            number, _, unique = key.partition("/")
            yield self._item(self._place_of(folders[int(number)]), unique, Path(name_of(note)))

    def _folders(self) -> Iterator[str]:
        """The paths of all Maildirs, relative to the root, which is ""."""
        waiting = [""]
        while waiting:
            inside = waiting.pop()
            below: list[str] = []
            try:
                with os.scandir(self._root / inside) as entries:
                    below.extend(entry.name for entry in entries if self._is_folder(entry, inside))
            except OSError as error:
                if not inside:
                    raise unreadable(self._root, error) from error
                self._passing.add(inside, unreadable_folder(error))
            if any(sub in below for sub in _SUBS):
                yield inside
                below = [name for name in below if name not in (*_SUBS, "tmp")]
            waiting.extend(os.path.join(inside, name) for name in below)  # noqa: PTH118  need not be Unicode

    def _is_folder(self, entry: os.DirEntry[str], inside: str) -> bool:
        """Whether an entry is a folder. Files beside new/ and cur/ are no messages, and are passed over."""
        if entry.is_dir(follow_symlinks=False):
            return True
        path = os.path.join(inside, entry.name)  # noqa: PTH118
        reason = LINK if entry.is_symlink() else reason_by_name(path) or "a file beside new/ and cur/"
        self._passing.add(path, reason if entry.is_file() or entry.is_symlink() else SPECIAL)
        return False

    def _place_of(self, folder: str) -> MailPlace:
        if not folder:
            return self._place
        return MailPlace(self._place.host, "", key_of(folder), maildir_title(folder))

    def _home(self, item: MailItem) -> Path:
        """The Maildir that contains an item."""
        return self._root / name_of(item.place.folder) if item.place.folder else self._root

    def _paths(self, home: Path) -> Iterator[Path]:
        """The files of a Maildir, relative to it. Raises SourceError if the root can't be read."""
        for sub in _SUBS:
            try:
                for name in plain_names(home / sub, self._passing):
                    if sub == "cur" and os.path.lexists(home / "new" / _unique(name)):
                        self._passing.add(os.path.relpath(home / sub / name, self._root), TWIN)
                    else:
                        yield Path(sub, name)
            except SourceError as error:
                if home == self._root or not isinstance(error.__cause__, OSError):
                    raise
                self._passing.add(f"{home.relative_to(self._root)}/{sub}", unreadable_folder(error.__cause__))

    def _item(self, place: MailPlace, key: str, path: Path) -> MailItem:
        flags = tuple(path.name.partition(_INFO)[2])
        home = self._root / name_of(place.folder) if place.folder else self._root
        try:
            found = (home / path).lstat()
        except OSError:  # fetching it gives the reason
            return MailItem(place, key, None, flags, stays=bool(place.folder))
        date = of_maildir(path.name, found)
        return MailItem(place, key, found.st_size, flags, date, stays=bool(place.folder))

    def fetch(self, items: Sequence[MailItem]) -> Iterator[FetchedItem | UnfetchedItem]:
        """Read the bytes of listed items; renamed files come last."""
        missing: list[MailItem] = list(items)
        for look in range(_LOOKS):
            paths = self._search(missing) if look else {}
            still = []
            for item in missing:
                answer = self._fetch_at(item, paths.get(item))
                if answer is None:
                    still.append(item)
                else:
                    yield answer
            missing = still
        yield from (UnfetchedItem(item, GONE, gone=True) for item in missing)

    def _fetch_at(self, item: MailItem, found: str | None) -> FetchedItem | UnfetchedItem | None:
        """The answer for an item; None if its file is in none of the likely places."""
        for path in [found] if found else self._likely(item):
            try:
                with opened(path, self._endpoint.work, self._endpoint.limits) as (file, fault, stamp):
                    if fault in (BOMB, NO_ROOM):
                        return UnfetchedItem(item, f"it is {fault}")
                    known = replace(item, stays=item.stays or bool(fault), stamp=stamp)
                    return self._take(known, iter(lambda: file.read(_BLOCK), b""))
            except FileNotFoundError:
                continue
            except OSError as error:
                return UnfetchedItem(item, f"its file can't be read: {error.strerror}")
        return None

    def _answer(self, item: MailItem) -> FetchedItem | UnfetchedItem:
        return self._fetch_at(item, None) or UnfetchedItem(item, GONE, gone=True)

    def _likely(self, item: MailItem) -> list[str]:
        """The paths where an item was when it was listed, the likeliest first."""
        root, name = str(self._home(item)), name_of(item.key)
        new, bare = f"{root}/new/{name}", f"{root}/cur/{name}"
        cur = f"{bare}{_INFO}{''.join(item.flags)}"
        return [cur, new, bare] if item.flags else [new, cur, bare]

    def _search(self, items: Iterable[MailItem]) -> dict[MailItem, str]:
        """The present paths of these items' files."""
        found = {}
        for folder, group in itertools.groupby(items, key=lambda item: item.place):
            wanted = {name_of(item.key): item for item in group}
            home = self._root / name_of(folder.folder) if folder.folder else self._root
            for sub in _SUBS:
                for name in plain_names(home / sub):
                    if (unique := _unique(name)) in wanted:
                        found[wanted[unique]] = f"{home}/{sub}/{name}"
        return found

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Unlink files and sync their folders (see Source.delete). Mail in subfolders stays."""
        places = {item: self._present(item) for item in items if not item.place.folder}
        missing = self._search(item for item, path in places.items() if path is None)
        found = ((item, path or missing.get(item)) for item, path in places.items())
        paths = ((item, Path(path)) for item, path in found if path is not None)
        return remove(paths, self._note_kept)

    def remarks(self) -> list[str]:
        """What an administrator should know of these folders (see base.RemarkingSource)."""
        below = sum(1 for folder in self._folders() if folder) if self._endpoint.deletes else 0
        if not below:
            return []
        return [
            f"{below:,} folders below are read, and nothing is deleted there: to empty a folder, give it a "
            "profile with its own path"
            if below > 1
            else "1 folder below is read, and nothing is deleted there: to empty it, give it a profile with "
            "its own path"
        ]

    def _present(self, item: MailItem) -> Path | None:
        return next((path for path in map(Path, self._likely(item)) if path.exists()), None)


def _unique(name: str) -> str:
    return name.partition(_INFO)[0]
