"""The reserve on the spool's disk: room for the run that empties the spool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from muniment.system.free_space import free_bytes


@dataclass(frozen=True, slots=True)
class DiskReserve:
    """Bytes that must stay free on the disk of a folder."""

    folder: Path
    least: int
    """0 for none: mail is accepted until the disk is full."""

    def lacks(self, size: int = 0) -> bool:
        """Whether `size` more bytes would leave less than the reserve.

        False if the free space is not known.
        """
        if not self.least:
            return False
        free = self.free()
        return free is not None and free - size < self.least

    def free(self) -> int | None:
        """Free bytes on the disk; None if they are not known."""
        return free_bytes(self.folder)
