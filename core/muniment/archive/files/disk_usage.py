"""Bytes on disk, of files that come and go meanwhile: those that are gone count nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def size_of_files(paths: Iterable[Path]) -> int:
    """Bytes of files."""
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where there is none."""
    return sum(size_of_files(Path(parent, name) for name in names) for parent, _, names in os.walk(folder))
