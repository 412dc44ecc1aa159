"""Files and folders that get their name only when they are complete.

They are made beside their final place under a temporary name that ends in `.part`. What was not published can
be removed at any time. Nothing that exists is replaced.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path


def partial_path(path: Path) -> Path:
    """A temporary name for what will become `path`: beside it, or inside if it is an empty folder."""
    where = path if path.is_dir() else path.parent
    return where / f".{path.name}.{secrets.token_hex(4)}.part"


def publish_file(part: Path, path: Path) -> None:
    """Give a complete file its name.

    Raises:
        FileExistsError: there is a file with that name by now.
        OSError: the file can't be renamed.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # the file system has no links
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)
    else:
        part.unlink()


def publish_folder(part: Path, path: Path) -> None:
    """Give a complete folder its name, or move its files up if it was made inside an empty one.

    Raises:
        OSError: it can't be renamed, as when the place is no longer free.
    """
    if part.parent != path:
        part.rename(path)
        return
    for one in sorted(part.iterdir()):
        if one.is_dir():
            one.rename(path / one.name)  # fails if there is a folder with files by now
        else:
            publish_file(one, path / one.name)
    part.rmdir()


def discard(part: Path) -> None:
    """Remove what was not published. Nothing happens if it was, or if it can't be removed."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):
            part.unlink(missing_ok=True)
