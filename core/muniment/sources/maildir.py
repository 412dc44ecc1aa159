"""A Maildir: one message a file in `new/` and `cur/`. A key is the unique name, without flags.

Mail programs move messages from new/ to cur/ and rename them when flags change, so a file is sought
where it was last, and where it isn't, by one look through both folders for all that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import Fetched, Item, Unfetched
from muniment.sources.files import GONE, FileSource, key_of, name_of, plain_names, remove
from muniment.sources.received import of_maildir
from muniment.sources.roll import Roll

_INFO = ":2,"
_LOOKS = 3


class MaildirSource(FileSource):
    """One Maildir folder. `tmp/` is never read: what lies there is not delivered yet."""

    def _check(self) -> None:
        if not any((self._root / name).is_dir() for name in ("new", "cur")):
            raise SourceError(f"{self._root} is no Maildir (it has no new/ and cur/): check `path`.")

    def listing(self) -> Iterator[Item]:
        """Every message there now, in the order of unique names. One that moves meanwhile is listed once."""
        roll = Roll(self._endpoint.work)
        roll.merge((key_of(_unique(path.name)), key_of(str(path))) for path in self._paths())
        self.expected = len(roll)
        for key, note in roll.by_key():
            yield self._item(key, Path(name_of(note)))

    def _paths(self) -> Iterator[Path]:
        """Files relative to the Maildir: those of new/ first, as messages move from there to cur/."""
        for sub in ("new", "cur"):
            yield from (Path(sub, name) for name in plain_names(self._root / sub))

    def _item(self, key: str, path: Path) -> Item:
        flags = tuple(path.name.partition(_INFO)[2])
        try:
            found = (self._root / path).lstat()
        except FileNotFoundError:
            return Item(self._place, key, None, flags)
        return Item(self._place, key, found.st_size, flags, of_maildir(path.name, found))

    def fetch(self, items: Sequence[Item]) -> Iterator[Fetched | Unfetched]:
        """The bytes of listed items; those that have been renamed come last."""
        missing: list[Item] = list(items)
        for look in range(_LOOKS):
            paths = self._search(missing) if look else {}
            still = []
            for item in missing:
                answer = self._fetch_at(item, paths.get(item.key))
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
                return self._read(item, path)
            except FileNotFoundError:
                continue
            except OSError as error:
                return Unfetched(item, f"its file can't be read: {error.strerror}")
        return None

    def _answer(self, item: Item) -> Fetched | Unfetched:
        return self._fetch_at(item, None) or Unfetched(item, GONE, gone=True)

    def _likely(self, item: Item) -> list[str]:
        """Where an item was when it was listed, the likeliest first."""
        root, name = str(self._root), name_of(item.key)
        new, bare = f"{root}/new/{name}", f"{root}/cur/{name}"
        cur = f"{bare}{_INFO}{''.join(item.flags)}"
        return [cur, new, bare] if item.flags else [new, cur, bare]

    def _search(self, items: Iterable[Item]) -> dict[str, str]:
        """Where the files of these items are now, by key."""
        wanted = {name_of(item.key): item.key for item in items}
        if not wanted:
            return {}
        return {
            wanted[unique]: f"{self._root}/{path}"
            for path in self._paths()
            if (unique := _unique(path.name)) in wanted
        }

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Unlink, and sync the folders."""
        places = {item: self._present(item) for item in items}
        found = self._search(item for item, path in places.items() if path is None)
        return remove(
            (item, path or Path(found.get(item.key) or self._root / "cur" / name_of(item.key)))
            for item, path in places.items()
        )

    def _present(self, item: Item) -> Path | None:
        return next((path for path in map(Path, self._likely(item)) if path.exists()), None)


def _unique(name: str) -> str:
    return name.partition(_INFO)[0]
