"""A folder of .eml files, with its subfolders. A key is the path within the folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import Fetched, Item, Unfetched
from muniment.sources.files import FileSource, key_of, name_of, remove, unreadable
from muniment.sources.received import of_file
from muniment.sources.roll import Roll


class EmlSource(FileSource):
    """Files that end in .eml, in the order of their paths."""

    def _check(self) -> None:
        if not self._root.is_dir():
            raise SourceError(f"There is no folder {self._root}: set `path` to the folder of .eml files.")

    def listing(self) -> Iterator[Item]:
        """Every .eml file there now."""
        roll = Roll(self._endpoint.work)
        roll.merge((key_of(name), "") for name in _walk(self._root, ""))
        self.expected = len(roll)
        for key, _ in roll.by_key():
            try:
                found = (self._root / name_of(key)).lstat()
            except FileNotFoundError:
                continue
            yield Item(self._place, key, found.st_size, date=of_file(found))

    def _answer(self, item: Item) -> Fetched | Unfetched:
        return self._read(item, self._root / name_of(item.key))

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Unlink, and sync the folders."""
        return remove((item, self._root / name_of(item.key)) for item in items)


def _walk(root: Path, inside: str) -> Iterator[str]:
    """Paths, relative to `root`, of the files in one folder and below it; links are not followed."""
    folders = []
    try:
        with os.scandir(root / inside) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(".eml"):
                    yield os.path.join(inside, entry.name)  # noqa: PTH118  names may be no Unicode
    except OSError as error:
        raise unreadable(root / inside, error) from error
    for folder in folders:
        yield from _walk(root, os.path.join(inside, folder))  # noqa: PTH118
