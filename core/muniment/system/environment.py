"""The caller's environment: the vault that is meant, the folder for state, and completions for a shell."""

from __future__ import annotations

import os
from pathlib import Path

VAULT = "MUNIMENT_VAULT"
"""The variable that names the vault's folder for all commands."""
COMPLETION = "_MUNIMENT_COMPLETE"
"""The variable that is set when a shell asks what could be typed next."""


def absolute(path: str | Path) -> Path:
    """A path that means the same in every process of the engine. `~` is the caller's home."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links


def state_folder() -> Path:
    """The folder for what the program remembers, by the XDG Base Directory Specification 0.8.

    A relative XDG_STATE_HOME is ignored.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    home = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return home / "muniment"
