"""Writes files for the user. They are private to the user and never replace another file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from muniment.api import Chunk, Done, WireWord
from muniment.errors import UsageError
from muniment.system.formatting import size
from muniment_tui.shell.file_paths import free_path, path_of, path_problem

__all__ = ["free_path", "path_of", "path_problem", "save_stream"]


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
