"""Checks that only its owner can read and change a vault, whose mode must be 0700."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

WRITE, ANY = 0o022, 0o077
NAMED = 3
"""Most files that a sentence names."""


def exposed(folder: Path) -> str:
    """Return a sentence if others than the owner and root can change files of a vault; else ""."""
    loose = [f"{path} ({why})" for path, why in _loose(folder)]
    if not loose:
        return ""
    named = ", ".join(loose[:NAMED]) + (f" and {len(loose) - NAMED} more" if len(loose) > NAMED else "")
    return f"other users can change the vault's files: {named}; run `chmod -R go-rwx {folder}` as its owner"


def readable(folder: Path) -> str:
    """Return a sentence if others can enter a vault's folder; else ""."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & ANY:
        return ""
    state = f"its folder has mode {mode:04o}, not 0700"
    return f"other users can read the vault: {state}; run `chmod 700 {folder}`"


def _loose(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file in a vault's folder and its ledger that others can change, and why they can."""
    owner = folder.stat().st_uid
    for path in (folder, *_entries(folder), *_entries(folder / "ledger")):
        try:
            state = path.stat()
        except OSError:
            continue  # it was removed meanwhile, or is a broken link
        if state.st_mode & WRITE:
            yield path, f"mode {stat.S_IMODE(state.st_mode):04o}"
        elif state.st_uid not in (owner, 0):
            yield path, f"of uid {state.st_uid}"


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except OSError:
        return []
