"""The caller's environment: which vault is meant, and whether a shell asks for completions."""

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
