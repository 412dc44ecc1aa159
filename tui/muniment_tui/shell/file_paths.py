"""Paths that the user types, for files that the app writes. No file is ever replaced."""

from __future__ import annotations

import os
from pathlib import Path

from muniment.system.environment import absolute


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
