"""How far a stage of a verification or backup is."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast


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


class Pause:
    """What an act yields where it may be interrupted: the vault is at rest, and a run may go first."""


PAUSE = Pause()
Stage = str | StageProgress | Pause
"""A sentence about the next stage, how far a stage is, or a place where the act may be interrupted."""
T = TypeVar("T")
R = TypeVar("R")


def with_pauses(steps: Generator[T, None, R]) -> Generator[T | Pause, None, R]:
    """Yield the same, with a pause after each; returns what `steps` returns."""
    while True:
        try:
            step = next(steps)
        except StopIteration as ended:
            return cast(R, ended.value)
        yield step
        yield PAUSE


def without_pauses(stages: Iterable[Stage]) -> Iterator[str | StageProgress]:
    """Yield the same without pauses."""
    return (stage for stage in stages if not isinstance(stage, Pause))
