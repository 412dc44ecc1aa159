"""Files that the reader of mail writes: for their owner alone, and never over another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from muniment.api import Chunk, Done, Word
from muniment.errors import UsageError
from muniment.system.environment import absolute
from muniment.system.formatting import size


def path_of(typed: str) -> Path:
    """The path that a person means, in full."""
    return absolute(str(Path(typed.strip()).expanduser()))


def trouble(typed: str) -> str:
    """What is wrong with a path to write to, in a sentence; "" where nothing is."""
    if not typed.strip():
        return "Type a path."
    try:
        path = path_of(typed)
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            return f"{path} exists already: name another."
        near = next(one for one in path.parents if one.exists())
    except (OSError, RuntimeError, ValueError):
        return "That is no path that can be read here."
    if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
        return f"{near} can't be written: name another place."
    return ""


def free(folder: Path, name: str) -> Path:
    """A name in a folder that nothing has yet: `name`, or with a number."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path


def saved(words: Iterator[Word], path: Path) -> Iterator[Word]:
    """Write the Chunks of a stream to a new file, which is there whole or not at all; yields the other words.

    Raises:
        UsageError: it can't be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another place") from error
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
