"""Sizes of files on disk. A file that is removed meanwhile counts as 0."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class VaultSizes:
    """The sizes of the parts of a vault, in bytes."""

    ledger: int
    catalog: int
    index: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.ledger + self.catalog + self.index


def vault_sizes(folder: Path) -> VaultSizes:
    """Return the sizes of a vault's parts on disk."""
    return VaultSizes(
        ledger=size_of(folder / "ledger"),
        catalog=size_of_files(folder.glob("catalog.db*")),
        index=size_of(folder / "index"),
    )


def size_of_files(paths: Iterable[Path]) -> int:
    """Return the size of these files, in bytes."""
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def size_of(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes; 0 if there is no such folder."""
    return sum(size_of_files(Path(parent, name) for name in names) for parent, _, names in os.walk(folder))
