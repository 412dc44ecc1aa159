"""Paths that the user types, and paths in little room. No file is ever replaced."""

from __future__ import annotations

import os
import re
from pathlib import Path

from muniment.system.environment import absolute

PATHS = re.compile(r"(?<!\S)/\S{2,}")
SHORT = 20
"""Number of characters that are left of a path in any case."""


def path_of(typed: str) -> Path:
    """The absolute path that the user typed."""
    return absolute(typed.strip())


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
    while _exists(path):
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path


def middle(path: str, cells: int) -> str:
    """A path in at most `cells` characters. The middle of a long one is left out."""
    if len(path) <= cells:
        return path
    end = (cells - 1) * 2 // 3
    return f"{path[: cells - 1 - end]}…{path[len(path) - end :]}"


def paths_cut(text: str, cells: int) -> str:
    """A sentence in about `cells` characters. The middle of its absolute paths is left out, and no word."""
    paths = PATHS.findall(text)
    room = cells - len(text) + sum(map(len, paths))
    if not paths:
        return text
    return PATHS.sub(lambda path: middle(path[0], max(room // len(paths), SHORT)), text)


def _exists(path: Path) -> bool:
    """Whether a path exists. False in a folder that can't be entered: `path_problem` says so later."""
    try:
        return path.exists()
    except OSError:
        return False
