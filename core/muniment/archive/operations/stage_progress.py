"""How far a stage of a verification or backup is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far a stage is. Its text is a sentence without its full stop."""

    what: str
    """What is done when the stage ends, such as "the ledger is read"."""
    done: int
    """Bytes or records that are done."""
    total: int
    """Bytes or records in all; 0 if that is not known."""

    def __str__(self) -> str:
        return f"{self.done * 100 // max(self.total, 1)}% of {self.what}"
