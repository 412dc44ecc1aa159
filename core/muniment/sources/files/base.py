"""What the sources in local files share: safe reading, spooling, removing for good."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, PassedOver, Place, Unfetched
from muniment.sources.endpoint import Endpoint
from muniment.sources.passing import LINK, SPECIAL, Passing
from muniment.sources.spool_files import make_work, spool_file

GONE = "its file is no longer there"
_BLOCK = 1024 * 1024


class FileSource(ABC):
    """Mail in files of this machine. Symbolic links and special files are no mail: they are passed over."""

    session = 5000
    vouches = False
    expected: int | None = None

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._root = Path(endpoint.path).expanduser().absolute()
        self._place = Place(f"file:{self._root}", "")
        self._passing = Passing()

    def connect(self) -> None:
        """See that the mail is there and can be read. Raises SourceError."""
        make_work(self._endpoint.work)
        self._check()

    def close(self) -> None:  # noqa: B027
        """Nothing is held open between calls."""

    @abstractmethod
    def _check(self) -> None:
        """Raise SourceError unless the path is what this kind reads."""

    @abstractmethod
    def listing(self) -> Iterator[Item]:
        """Every message there now."""

    @abstractmethod
    def _answer(self, item: Item) -> Fetched | Unfetched:
        """One item's bytes. May raise OSError."""

    @abstractmethod
    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete for good; returns what is no longer there."""

    def passed_over(self) -> list[PassedOver]:
        """What the listing has passed over so far: links, special files, what is no mail."""
        return self._passing.told()

    def fetch(self, items: Sequence[Item]) -> Iterator[Fetched | Unfetched]:
        """The bytes of listed items, in their order."""
        for item in items:
            try:
                answer = self._answer(item)
            except FileNotFoundError:
                answer = Unfetched(item, GONE, gone=True)
            except OSError as error:
                answer = Unfetched(item, f"its file can't be read: {error.strerror}")
            yield answer

    def _read(self, item: Item, path: Path | str) -> Fetched | Unfetched:
        """A whole file as an item's bytes. Raises OSError."""
        with open_plain(path) as file:
            known = replace(item, stamp=stamp_of(os.fstat(file.fileno())))
            return self._take(known, iter(lambda: file.read(_BLOCK), b""))

    def _take(self, item: Item, blocks: Iterator[bytes]) -> Fetched:
        """An item's bytes, in a file of the work folder where there are many. Raises OSError."""
        held: list[bytes] = []
        size = 0
        for block in blocks:
            held.append(block)
            size += len(block)
            if size > SPOOL_ABOVE:
                break
        else:
            return Fetched(item, b"".join(held))
        with spool_file(self._endpoint.work) as (copy, spooled):
            copy.writelines(held)
            held.clear()
            copy.writelines(blocks)
        return Fetched(item, spooled)


def open_plain(path: Path | str) -> BinaryIO:
    """Open a regular file to read, and nothing else: no link is followed, no pipe waited for.

    Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise OSError(0, "it is not a regular file")
    return file


def plain_names(folder: Path, passing: Passing | None = None) -> Iterator[str]:
    """Names of the regular files of a folder, in no order; links and special files are passed over.

    Raises SourceError.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name
                elif passing and not entry.is_dir(follow_symlinks=False):
                    passing.add(f"{folder.name}/{entry.name}", LINK if entry.is_symlink() else SPECIAL)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(folder, error) from error


def unreadable(path: Path, error: OSError) -> SourceError:
    """The error for a path that can't be listed."""
    return SourceError(f"{path} can't be read: {error.strerror}; check its owner and permissions.")


def stamp_of(found: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to, or another takes its name."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def remove(
    paths: Iterable[tuple[Item, Path]], ready: Callable[[os.stat_result], bool] = lambda found: True
) -> list[Item]:
    """Unlink files and sync their folders; returns the items whose files are gone for good by it.

    A file stays that is not the one that was read, that was written to since, or that is not `ready`. So does
    the item of a file that is not there: it may have been moved.

    Raises SourceError when a folder can't be synced: then nothing is confirmed.
    """
    gone = []
    folders = set()
    for item, path in paths:
        try:
            found = path.lstat()
            if item.stays or not ready(found) or item.stamp not in ((), stamp_of(found)):
                continue
            path.unlink()
        except OSError:
            continue
        folders.add(path.parent)
        gone.append(item)
    for folder in folders:
        _sync(folder)
    return gone


def _sync(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(folder, error) from error
    try:
        os.fsync(handle)
    except OSError as error:
        raise SourceError(f"{folder} can't be synced: {error.strerror}; check the disk.") from error
    finally:
        os.close(handle)


def key_of(name: str) -> str:
    """A file's name as a key: itself, or where it is no Unicode a slash and its bytes in hex."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "/" + os.fsencode(name).hex()
    return name


def name_of(key: str) -> str:
    """The name that `key_of` made a key of."""
    return os.fsdecode(bytes.fromhex(key[1:])) if key.startswith("/") else key
