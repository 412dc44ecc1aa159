"""What the command line needs of the engine; whoever starts it hands it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from muniment.api import Word
from muniment.client import Connect


@dataclass(frozen=True, slots=True)
class EngineDoors:
    """The ways into the engine; each loads it only when it is called."""

    connect: Connect
    """Opens the vault in a folder."""
    serve: Callable[[Path, Callable[[str], None]], int]
    """Runs scheduler and embedded gateway of a vault until told to stop; returns an exit code.

    Says what it does, a line a call, from any thread.
    """
    demo: Callable[[Path], Iterator[Word]]
    """Makes a throw-away vault in a folder and fills it with sample mail; yields what it does and finds.

    Step, ProgressWord, RunSummary, Tree, Hits and Verified words, each after the Step that announces
    it, and Done at the end. Raises MunimentError where what it finds isn't what it sent.
    """
