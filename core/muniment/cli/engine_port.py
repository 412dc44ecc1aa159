"""What the command line needs of the engine; whoever starts it hands it in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from muniment.api import Word
from muniment.client.client import Connect


class Installer(Protocol):
    """The systemd units of a vault's service. Its methods raise MunimentError for what can't be done."""

    def units(self, vault: Path, user: str = "", writable: Sequence[Path] = ()) -> dict[str, str]:
        """The text of each unit, by its name."""

    def install(
        self, vault: Path, user: str = "", writable: Sequence[Path] = (), force: bool = False
    ) -> list[str]:
        """Write the units; returns what was done and what to do next, a line each."""

    def uninstall(self) -> list[str]:
        """Remove the units; returns what was done, a line each."""

    def status(self) -> dict[str, str]:
        """What systemd says of the service."""


@dataclass(frozen=True, slots=True)
class EngineDoors:
    """The ways into the engine; each loads it only when it is called."""

    connect: Connect
    """Opens the line to the engine of the vault in a folder, which need not be there yet."""
    serve: Callable[[Path, Callable[[str], None]], int]
    """Runs scheduler and embedded gateway of a vault until told to stop; returns an exit code.

    Says what it does, a line a call, from any thread.
    """
    demo: Callable[[Path], Iterator[Word]]
    """Makes a throw-away vault in a folder and fills it with sample mail; yields what it does and finds.

    Step, ProgressWord, RunSummary, Tree, Hits and Verified words, each after the Step that announces
    it, and Done at the end. Raises MunimentError where what it finds isn't what it sent.
    """
    installer: Callable[[], Installer]
    """What writes and removes the service's systemd units."""
    look: Callable[[Path], int] | None = None
    """Opens the app on a vault, returns its exit code; None where there is no app, or no terminal for it."""
