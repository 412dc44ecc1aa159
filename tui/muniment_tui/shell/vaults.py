"""Finds the vault to open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from muniment.system.environment import VAULT, absolute

VAULT_FILE = "vault.toml"
"""The file that makes a folder a vault."""


def named_vault(option: str) -> Path | None:
    """The folder of `--vault` or MUNIMENT_VAULT; None if neither is set."""
    name = option or os.environ.get(VAULT, "")
    return absolute(name) if name else None


def is_vault(folder: Path) -> bool:
    """Whether a folder holds a vault. True for an unreadable folder: its service decides."""
    try:
        return stat.S_ISREG((folder / VAULT_FILE).stat().st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
