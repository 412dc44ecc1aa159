"""Writes files for the user. They are private to the user and never replace another file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from muniment.api import Chunk, Done, WireWord
from muniment.errors import UsageError
from muniment.system.environment import absolute
from muniment.system.formatting import size


def path_of(typed: str) -> Path:
    """The absolute path that the user typed."""
    return absolute(str(Path(typed.strip()).expanduser()))


def path_problem(typed: str) -> str:
    """A sentence if nothing can be written to this path, else ""."""
    if not typed.strip():
        return "Type a path."
    try:
        path = path_of(typed)
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            return f"{path} already exists; name another."
        near = next(one for one in path.parents if one.exists())
    except (OSError, RuntimeError, ValueError):
        return "This path is not valid."
    if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
        return f"{near} is not writable; name another folder."
    return ""


def free_path(folder: Path, name: str) -> Path:
    """A path in `folder` that does not exist yet: `name`, with a number if necessary."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path


def save_stream(words: Iterator[WireWord], path: Path) -> Iterator[WireWord]:
    """Write the Chunks of a stream to a new file, and yield the other messages.

    An incomplete file is removed.

    Raises:
        UsageError: the file can't be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another path") from error
    written, whole = 0, False
    try:
        with os.fdopen(handle, "wb") as file:
            for word in words:
                if isinstance(word, Chunk):
                    written += file.write(word.data)
                else:
                    yield word
        whole = True
    except OSError as error:
        raise UsageError(
            f"{path} could not be written ({error.strerror}): make room and try again"
        ) from error
    finally:
        if not whole:
            with suppress(OSError):
                path.unlink()
    yield Done(message=f"{size(written)} written to {path}.")
