"""Lists the files in a folder and below it, with constant memory for each level. Links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from muniment.sources.files.base import unreadable
from muniment.sources.passing import LINK, SPECIAL, PassedOverCounter, unreadable_folder


def walk(root: Path, passing: PassedOverCounter) -> Iterator[str]:
    """The paths of the regular files in a folder and below it, in any order.

    Links, special files, and folders below that can't be read are passed over.

    Args:
        root: The folder.
        passing: Counts what is passed over.

    Yields:
        Paths relative to `root`.

    Raises:
        SourceError: `root` itself can't be read.
    """
    folders = [""]
    while folders:
        inside = folders.pop()
        try:
            with os.scandir(root / inside) as entries:
                for entry in entries:
                    path = os.path.join(inside, entry.name)  # noqa: PTH118  names need not be Unicode
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        yield path
                    else:
                        passing.add(path, LINK if entry.is_symlink() else SPECIAL)
        except OSError as error:
            if not inside:
                raise unreadable(root, error) from error
            passing.add(inside, unreadable_folder(error))
