"""What the sources in local files share: reading files safely, and removing them for good."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, MailPlace, PassedOver, UnfetchedItem
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.passing import LINK, SPECIAL, PassedOverCounter, readable
from muniment.sources.refusing import RefusalKeeper
from muniment.sources.spool_files import make_work, spool_file
from muniment.system.environment import current_folder, with_home

GONE = "its file is no longer there"
_BLOCK = 1024 * 1024


class FileSource(ABC, RefusalKeeper):
    """Mail in files of this machine. Symbolic links and special files are passed over."""

    session = 5000
    vouches = False
    expected: int | None = None

    def __init__(self, endpoint: FileEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._root = current_folder() / with_home(endpoint.path)
        self._place = MailPlace(f"file:{self._root}", "")
        self._passing = PassedOverCounter()

    def connect(self) -> None:
        """Check that the path is right and can be read. Raises SourceError."""
        make_work(self._endpoint.work)
        self._check()

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    @abstractmethod
    def _check(self) -> None:
        """Raise SourceError if the path is not what this kind reads."""

    @abstractmethod
    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now (see Source.listing)."""

    @abstractmethod
    def _answer(self, item: MailItem) -> FetchedItem | UnfetchedItem:
        """The answer for one item. Can raise OSError."""

    @abstractmethod
    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete items for good (see Source.delete)."""

    def passed_over(self) -> list[PassedOver]:
        """What the listing has passed over so far: links, special files, and files that are no mail."""
        return self._passing.by_reason()

    def fetch(self, items: Sequence[MailItem]) -> Iterator[FetchedItem | UnfetchedItem]:
        """Read the bytes of listed items, in their order."""
        for item in items:
            try:
                answer = self._answer(item)
            except FileNotFoundError:
                answer = UnfetchedItem(item, GONE, gone=True)
            except OSError as error:
                answer = UnfetchedItem(item, f"its file can't be read: {error.strerror}")
            yield answer

    def _note_kept(self, path: Path, error: OSError) -> None:
        """Note a file that can't be removed; one of each folder is named."""
        name = readable(str(path))
        self.refuse(
            readable(str(path.parent)),
            f"{name} can't be deleted: {error.strerror}; check the owner and permissions of its folder.",
            deleting=True,
        )

    def _read(self, item: MailItem, path: Path | str) -> FetchedItem | UnfetchedItem:
        """Read a whole file as the bytes of an item. Raises OSError."""
        with open_plain(path) as file:
            known = replace(item, stamp=stamp_of(os.fstat(file.fileno())))
            return self._take(known, iter(lambda: file.read(_BLOCK), b""))

    def _take(self, item: MailItem, blocks: Iterator[bytes]) -> FetchedItem:
        """The answer with these bytes, above SPOOL_ABOVE in a file of the work folder. Raises OSError."""
        held: list[bytes] = []
        size = 0
        for block in blocks:
            held.append(block)
            size += len(block)
            if size > SPOOL_ABOVE:
                break
        else:
            return FetchedItem(item, b"".join(held))
        with spool_file(self._endpoint.work) as (copy, spooled):
            copy.writelines(held)
            held.clear()
            copy.writelines(blocks)
        return FetchedItem(item, spooled)


def open_plain(path: Path | str) -> BinaryIO:
    """Open a regular file for reading. No link is followed, and no pipe is waited for.

    Raises:
        OSError: It is not a regular file, or it can't be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise OSError(0, "it is not a regular file")
    return file


def plain_names(folder: Path, passing: PassedOverCounter | None = None) -> Iterator[str]:
    """The names of the regular files in a folder, in any order; links and special files are passed over.

    Args:
        folder: The folder; a missing one has no files.
        passing: Counts what is passed over.

    Raises:
        SourceError: The folder can't be read.
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
    """The error for a path that can't be read."""
    return SourceError(f"{path} can't be read: {error.strerror}; check its owner and permissions.")


def stamp_of(found: os.stat_result) -> tuple[int, ...]:
    """Values that change when a file is written to or replaced (see MailItem.stamp)."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def remove(
    paths: Iterable[tuple[MailItem, Path]],
    kept: Callable[[Path, OSError], None],
    ready: Callable[[os.stat_result], bool] = lambda found: True,
) -> list[MailItem]:
    """Unlink files and sync their folders.

    A file stays if it was replaced or written to since it was read, or if it is not `ready`.

    Args:
        paths: Items and their files.
        kept: Called with a file that can't be removed, and the reason.
        ready: Whether a file can be removed, by its `lstat`.

    Returns:
        The items whose files this call removed for good. A file that is missing is not among them, since it
        may have been moved.

    Raises:
        SourceError: A folder can't be synced, so no removal is confirmed.
    """
    gone = []
    folders = set()
    for item, path in paths:
        try:
            found = path.lstat()
            if item.stays or not ready(found) or item.stamp not in ((), stamp_of(found)):
                continue
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            kept(path, error)
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
    """The key for a file's name: the name itself, or if it is not Unicode, a slash and its bytes in hex."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "/" + os.fsencode(name).hex()
    return name


def name_of(key: str) -> str:
    """The file's name for a key; the reverse of `key_of`."""
    return os.fsdecode(bytes.fromhex(key[1:])) if key.startswith("/") else key
