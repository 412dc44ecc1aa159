"""Which vault is meant."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from muniment.system.environment import VAULT, absolute

VAULT_FILE = "vault.toml"
"""What a folder holds that is a vault."""


def named_vault(option: str) -> Path | None:
    """The folder that --vault names, else the one of MUNIMENT_VAULT."""
    name = option or os.environ.get(VAULT, "")
    return absolute(name) if name else None


def is_vault(folder: Path) -> bool:
    """Whether a folder holds a vault; one that may not be looked into is believed to: its service answers."""
    try:
        return stat.S_ISREG((folder / VAULT_FILE).stat().st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
