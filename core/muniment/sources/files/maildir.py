"""A Maildir: one message a file in `new/` and `cur/`. A key is the unique name, without flags.

Its subfolders are read as well: `.Folder.Sub` beside `cur/` (Maildir++, as Dovecot and Courier have it), or
folders within folders. Other files, such as the indexes of a server, are passed over. **Nothing is deleted
in a subfolder**: a person keeps mail there, and throws some away. One that is to be emptied has a profile of
its own.

Mail programs move messages from new/ to cur/ and rename them when flags change, so a file is sought where it
was last, and where it isn't, by one look through both folders for all that are missing. A server may have
compressed them: they are unpacked.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import Fetched, Item, Place, Unfetched
from muniment.sources.files.base import GONE, FileSource, key_of, name_of, plain_names, remove, unreadable
from muniment.sources.files.naming import maildir_title, reason_by_name
from muniment.sources.files.unpacking import opened
from muniment.sources.listing_store import Roll
from muniment.sources.passing import BOMB, LINK, NO_ROOM, SPECIAL, unreadable_folder
from muniment.sources.received import of_maildir

_INFO = ":2,"
_LOOKS = 3
_BLOCK = 1024 * 1024
TWIN = "a message in cur/ with the unique name of one in new/: give it another"
_SUBS = ("new", "cur")
"""Where messages are. Those of new/ come first, as they move from there to cur/."""


class MaildirSource(FileSource):
    """A Maildir with its subfolders. `tmp/` is never read: what lies there is not delivered yet."""

    def _check(self) -> None:
        self._passing.clear()
        if not self._root.is_dir() or not any(True for _ in self._folders()):
            raise SourceError(f"{self._root} is no Maildir (it has no new/ and cur/): check `path`.")

    def listing(self) -> Iterator[Item]:
        """Every message there now, folder by folder in the order of unique names.

        One that moves meanwhile is listed once.
        """
        self._passing.clear()
        roll = Roll(self._endpoint.work)
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
        """Paths, relative to the root, of the Maildirs there: "" for the root itself."""
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
            waiting.extend(os.path.join(inside, name) for name in below)  # noqa: PTH118  maybe no Unicode

    def _is_folder(self, entry: os.DirEntry[str], inside: str) -> bool:
        """Whether an entry is a folder; what is none is passed over: messages are in new/ and cur/ alone."""
        if entry.is_dir(follow_symlinks=False):
            return True
        path = os.path.join(inside, entry.name)  # noqa: PTH118
        reason = LINK if entry.is_symlink() else reason_by_name(path) or "a file beside new/ and cur/"
        self._passing.add(path, reason if entry.is_file() or entry.is_symlink() else SPECIAL)
        return False

    def _place_of(self, folder: str) -> Place:
        if not folder:
            return self._place
        return Place(self._place.host, "", key_of(folder), maildir_title(folder))

    def _home(self, item: Item) -> Path:
        """The Maildir in which an item is."""
        return self._root / name_of(item.place.folder) if item.place.folder else self._root

    def _paths(self, home: Path) -> Iterator[Path]:
        """Files relative to a Maildir. Raises SourceError where the Maildir itself can't be read."""
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

    def _item(self, place: Place, key: str, path: Path) -> Item:
        flags = tuple(path.name.partition(_INFO)[2])
        home = self._root / name_of(place.folder) if place.folder else self._root
        try:
            found = (home / path).lstat()
        except FileNotFoundError:
            return Item(place, key, None, flags, stays=bool(place.folder))
        date = of_maildir(path.name, found)
        return Item(place, key, found.st_size, flags, date, stays=bool(place.folder))

    def fetch(self, items: Sequence[Item]) -> Iterator[Fetched | Unfetched]:
        """The bytes of listed items; those that have been renamed come last."""
        missing: list[Item] = list(items)
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
        yield from (Unfetched(item, GONE, gone=True) for item in missing)

    def _fetch_at(self, item: Item, found: str | None) -> Fetched | Unfetched | None:
        """The answer for an item; None where it is in none of the likely places."""
        for path in [found] if found else self._likely(item):
            try:
                with opened(path, self._endpoint.work) as (file, fault, stamp):
                    if fault in (BOMB, NO_ROOM):
                        return Unfetched(item, f"it is {fault}")
                    known = replace(item, stays=item.stays or bool(fault), stamp=stamp)
                    return self._take(known, iter(lambda: file.read(_BLOCK), b""))
            except FileNotFoundError:
                continue
            except OSError as error:
                return Unfetched(item, f"its file can't be read: {error.strerror}")
        return None

    def _answer(self, item: Item) -> Fetched | Unfetched:
        return self._fetch_at(item, None) or Unfetched(item, GONE, gone=True)

    def _likely(self, item: Item) -> list[str]:
        """Where an item was when it was listed, the likeliest first."""
        root, name = str(self._home(item)), name_of(item.key)
        new, bare = f"{root}/new/{name}", f"{root}/cur/{name}"
        cur = f"{bare}{_INFO}{''.join(item.flags)}"
        return [cur, new, bare] if item.flags else [new, cur, bare]

    def _search(self, items: Iterable[Item]) -> dict[Item, str]:
        """Where the files of these items are now."""
        found = {}
        for folder, group in itertools.groupby(items, key=lambda item: item.place):
            wanted = {name_of(item.key): item for item in group}
            home = self._root / name_of(folder.folder) if folder.folder else self._root
            for sub in _SUBS:
                for name in plain_names(home / sub):
                    if (unique := _unique(name)) in wanted:
                        found[wanted[unique]] = f"{home}/{sub}/{name}"
        return found

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Unlink, and sync the folders. What lies in a subfolder stays."""
        places = {item: self._present(item) for item in items if not item.place.folder}
        missing = self._search(item for item, path in places.items() if path is None)
        found = ((item, path or missing.get(item)) for item, path in places.items())
        return remove((item, Path(path)) for item, path in found if path is not None)

    def remarks(self) -> list[str]:
        """What an administrator should know of these folders (see base.Remarking)."""
        below = sum(1 for folder in self._folders() if folder) if self._endpoint.deletes else 0
        if not below:
            return []
        return [
            f"{below:,} folders below are read, and nothing is deleted there: a folder that is to be emptied "
            "takes a profile with its own path"
            if below > 1
            else "1 folder below is read, and nothing is deleted there: to empty it takes a profile with its "
            "own path"
        ]

    def _present(self, item: Item) -> Path | None:
        return next((path for path in map(Path, self._likely(item)) if path.exists()), None)


def _unique(name: str) -> str:
    return name.partition(_INFO)[0]
