"""The one way to write a small file: whole or not at all, and private from its first byte.

What `write_file` guarantees:

| Event | `durable=True` | `durable=False` |
|---|---|---|
| another process reads it meanwhile | old or new content, never a part | the same |
| an error before it is replaced, such as a full disk | old content, nothing beside it | the same |
| an error in the last step, the sync of the folder | new content, not surely on disk | no such step |
| the process is killed at any moment | old or new content | the same |
| power fails at any moment before it returns | old or new content | old, new or no content |
| power fails after it has returned | new content | old, new or no content |

"Old content" of a file that was not there is no file. A killed process can leave a temporary file beside the
file, for its owner alone; a later write of the same file removes it once it is older than STALE.

The guarantees hold on file systems where `rename` is atomic and `fsync` is honest.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
"""The mode of a file that only its owner can read and write."""
STALE = 3600.0
"""Age in seconds at which a temporary file counts as left behind by a process that was killed."""
_BLOCK = 1024 * 1024
_ENDING = len(".01234567.tmp")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp\Z", re.DOTALL)


def write_file(
    path: Path,
    data: bytes,
    *,
    durable: bool,
    mode: int = PRIVATE,
    last_check: Callable[[], None] | None = None,
) -> None:
    """Make or replace a file in one step (see the table above).

    Args:
        path: The file. Its folder must exist. A symbolic link is replaced, not followed.
        data: The whole content.
        durable: Whether the content is on disk when the call returns.
        mode: The permissions of the file. The umask does not change them.
        last_check: Called when all is written, just before the file is replaced. If it raises, nothing is
            changed.

    Raises:
        OSError: The file can't be written; the table says what is there then.
    """
    _replace(path, (data,), durable, mode, last_check)


def write_pieces(path: Path, pieces: Iterable[bytes], *, durable: bool, mode: int = PRIVATE) -> None:
    """Make or replace a file by content in pieces, with the guarantees of `write_file`.

    Raises:
        OSError: The file can't be written; the table says what is there then.
    """
    _replace(path, pieces, durable, mode, None)


def copy_file(source: Path, target: Path, *, durable: bool, mode: int = PRIVATE) -> None:
    """Make or replace a file by a copy of another one, with the guarantees of `write_file`.

    Raises:
        OSError: The copy can't be made.
    """
    with source.open("rb") as file:
        _replace(target, iter(lambda: file.read(_BLOCK), b""), durable, mode, None)


def create_file(path: Path, data: bytes, *, durable: bool, mode: int = PRIVATE) -> None:
    """Make a file that was not there before; no other file is ever replaced, nor a link followed.

    Readers and a killed process can meet a part of it, so nothing must refer to it before the call returns.

    Args:
        path: The file. Its folder must exist.
        data: The whole content.
        durable: Whether the content is on disk when the call returns.
        mode: The permissions of the file. The umask does not change them.

    Raises:
        FileExistsError: There is something at `path`.
        OSError: It can't be written. Nothing is left of it.
    """
    handle = _open_new(path)
    try:
        _fill(handle, (data,), durable, mode)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk: files that were made, renamed or removed there.

    Raises:
        OSError: They may not be on disk.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of those that `write_file` uses until it replaces the file."""
    return _TEMPORARY.match(name) is not None


def _replace(
    path: Path, pieces: Iterable[bytes], durable: bool, mode: int, last_check: Callable[[], None] | None
) -> None:
    _remove_stale(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    handle = _open_new(temporary)
    try:
        _fill(handle, pieces, durable, mode)
        if last_check is not None:
            last_check()
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)


def _fill(handle: int, pieces: Iterable[bytes], durable: bool, mode: int) -> None:
    """Write a new file, and close it."""
    with os.fdopen(handle, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fchmod(handle, mode)
        if durable:
            os.fsync(handle)


def _remove_stale(path: Path) -> None:
    """Remove temporary files of `path` that a killed process left behind. It is no error if that fails."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if not is_temporary(entry.name) or entry.name[:-_ENDING] != f".{path.name}":
                continue
            with suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE:
                    Path(entry.path).unlink()
