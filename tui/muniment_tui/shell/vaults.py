"""Finds the vault to open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from muniment.client.socket_path import has_settings
from muniment.system.environment import VAULT, absolute, current_folder

if TYPE_CHECKING:
    from muniment.client.find_vault import FoundVault


def named_vault(option: str) -> FoundVault:
    """The vault that is meant: by `--vault`, else by MUNIMENT_VAULT, else by the current folder."""
    from muniment.client.find_vault import FoundVault, find_vault

    name = option or os.environ.get(VAULT, "")
    return FoundVault(absolute(name)) if name else find_vault()


def is_vault(folder: Path) -> bool:
    """Whether a folder holds a vault. True for an unreadable folder: its service decides."""
    try:
        return has_settings(folder)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def new_folder() -> Path:
    """Where a new vault is suggested: the current folder if it is empty, or else a new folder in it."""
    here = current_folder()
    try:
        empty = next(here.iterdir(), None) is None
    except OSError:
        empty = False
    return here if empty else here / "vault"
