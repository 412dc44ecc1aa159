"""What the caller's environment says: which folder is meant, and whether a shell asks."""

from __future__ import annotations

import os
from pathlib import Path

VAULT = "MUNIMENT_VAULT"
"""Names the vault's folder for all commands."""
COMPLETION = "_MUNIMENT_COMPLETE"
"""Is set where a shell asks what could be typed next."""


def absolute(path: str | Path) -> Path:
    """A path that means the same wherever the engine runs; `~` is the caller's home."""
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links
