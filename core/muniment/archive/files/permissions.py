"""Who may get at a vault's files besides its owner: a vault is for its owner alone, mode 0700."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

WRITE, ANY = 0o022, 0o077
NAMED = 3
"""Files that a sentence names at most."""


def exposed(folder: Path) -> str:
    """A sentence on who else may change what is in a vault; "" where only its owner and root may."""
    loose = [f"{path} ({why})" for path, why in _loose(folder)]
    if not loose:
        return ""
    named = ", ".join(loose[:NAMED]) + (f" and {len(loose) - NAMED} more" if len(loose) > NAMED else "")
    return f"others may change the vault's files: {named}; run `chmod -R go-rwx {folder}` as its owner"


def readable(folder: Path) -> str:
    """A sentence on a vault whose folder others may enter; "" where they may not."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & ANY:
        return ""
    return f"others may read the vault: its folder has mode {mode:04o}, not 0700; run `chmod 700 {folder}`"


def _loose(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folder, what is in it and in the ledger's, as far as others may write there; and why they may."""
    owner = folder.stat().st_uid
    for path in (folder, *_entries(folder), *_entries(folder / "ledger")):
        try:
            state = path.stat()
        except OSError:
            continue  # it was removed meanwhile, or a link leads nowhere
        if state.st_mode & WRITE:
            yield path, f"mode {stat.S_IMODE(state.st_mode):04o}"
        elif state.st_uid not in (owner, 0):
            yield path, f"of uid {state.st_uid}"


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except OSError:
        return []
