"""The free space of a disk."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(place: Path | int) -> int | None:
    """Free bytes on the disk of a folder, or of an open file; None if they are not known."""
    try:
        state = os.statvfs(place)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize
