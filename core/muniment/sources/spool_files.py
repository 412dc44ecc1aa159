"""Files in the work folder, for messages that are too large for memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE


def make_work(folder: Path) -> None:
    """Make the work folder if it is missing, so that only its owner can read it.

    Raises:
        SourceError: It can't be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"The work folder {folder} can't be made: {error.strerror}.") from error


@contextmanager
def spool_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file in the work folder, and remove it again if the `with` block fails.

    Returns:
        The file, open for writing, and its path.

    Raises:
        SourceError: The file can't be written.
    """
    path = None
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix="fetched-", suffix=".eml")
        path = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file, path
    except BaseException as error:
        if path:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SourceError(
                f"A message can't be written to the work folder {folder}: {error.strerror}; make room there."
            ) from error
        raise


def kept(content: bytes, folder: Path) -> bytes | Path:
    """The content for a FetchedItem: the bytes themselves, or above SPOOL_ABOVE a file in the work folder."""
    if len(content) <= SPOOL_ABOVE:
        return content
    with spool_file(folder) as (file, path):
        file.write(content)
    return path
