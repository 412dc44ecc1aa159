"""The work folder: files for what is too large for memory."""

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
    """Make the folder, readable by its owner alone. Raises SourceError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"The work folder {folder} can't be made: {error.strerror}.") from error


@contextmanager
def spool_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in the work folder; removed again when the block fails.

    Raises SourceError when it can't be written.
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
                f"The work folder {folder} can't take a message: {error.strerror}; make room there."
            ) from error
        raise


def kept(content: bytes, folder: Path) -> bytes | Path:
    """Bytes as a Fetched has them: in a file of the work folder when above SPOOL_ABOVE."""
    if len(content) <= SPOOL_ABOVE:
        return content
    with spool_file(folder) as (file, path):
        file.write(content)
    return path
