"""Room on the spool's disk: the last of it is left to the run that empties the spool."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reserve:
    """Bytes that stay free on the disk that a folder is on."""

    folder: Path
    least: int
    """0: none, so that mail is taken to the last byte."""

    def lacks(self, size: int = 0) -> bool:
        """Whether `size` bytes more would leave less than that; a disk that can't be asked lacks nothing."""
        if not self.least:
            return False
        free = self.free()
        return free is not None and free - size < self.least

    def free(self) -> int | None:
        """Bytes free there; None where that can't be had."""
        try:
            state = os.statvfs(self.folder)
        except OSError:
            return None
        return state.f_bavail * state.f_frsize
