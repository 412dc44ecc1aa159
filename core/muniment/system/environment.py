"""The caller's environment: the vault that is meant, the folder for state, and completions for a shell."""

from __future__ import annotations

import os
from pathlib import Path

VAULT = "MUNIMENT_VAULT"
"""The variable that names the vault's folder for all commands."""
COMPLETION = "_MUNIMENT_COMPLETE"
"""The variable that is set when a shell asks what could be typed next."""


def home_folder() -> Path:
    """The caller's home; `/` for a caller who has none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def current_folder() -> Path:
    """The current folder; the caller's home if somebody has removed that folder."""
    try:
        return Path.cwd()
    except OSError:
        return home_folder()


def with_home(path: str | Path) -> Path:
    """A path in which `~` at the beginning is the caller's home, and `~anna` is Anna's.

    The name of an unknown user stays as it is: `Path.expanduser` raises RuntimeError for it.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - see above


def absolute(path: str | Path) -> Path:
    """A path that means the same in every process of the engine. `~` is the caller's home."""
    return Path(os.path.abspath(current_folder() / with_home(path)))  # noqa: PTH100 - keeps links


def state_folder() -> Path:
    """The folder for what the program remembers, by the XDG Base Directory Specification 0.8.

    A relative XDG_STATE_HOME is ignored.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    home = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return home / "muniment"
