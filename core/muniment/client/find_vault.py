"""Finds the vault of the current folder, so that a command inside a vault needs no --vault.

A folder is searched for `vault.toml`, then the folder above it, as git searches for `.git`. A vault can name
programs that its service starts as its owner, so a vault that someone else has put in the way must not be
used by itself. Git has the same problem with hooks, and the same answer (safe.directory): what is found must
belong to the caller. In addition, no one else may enter it, as in every vault that Muniment makes; that
leaves out clones and most unpacked archives.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from muniment.client.socket_path import SETTINGS, has_settings

OTHERS = 0o077
"""The permissions of a folder for everybody but its owner."""


class FoundVault(Struct, frozen=True):
    """What a search has found."""

    folder: Path | None = None
    """The vault's folder, or None."""
    refused: str = ""
    """Why a vault that was found is not used by itself, as a sentence; "" otherwise."""


def find_vault(start: Path | None = None) -> FoundVault:
    """Search a folder and those above it for a vault of the caller.

    The search ends at the first vault, at the border of the file system, and after the first folder that
    belongs to someone else.

    Args:
        start: Where to begin; None is the current folder.
    """
    mine = _own_uids()
    try:
        begin = start or Path.cwd()
        device = begin.stat().st_dev
        for folder in (begin, *begin.parents):
            found = folder.stat()
            if found.st_dev != device:
                break
            if has_settings(folder):
                return _judged(folder, found, mine)
            if found.st_uid not in mine:
                break
    except OSError:  # a folder that was removed, or that can't be entered
        pass
    return FoundVault()


def _judged(folder: Path, found: os.stat_result, mine: set[int]) -> FoundVault:
    """The vault in a folder, if it may be used without its name."""
    if found.st_uid not in mine or (folder / SETTINGS).stat().st_uid not in mine:
        why = "belongs to another user"
    elif found.st_mode & OTHERS:
        why = f"can be entered by other users (mode {found.st_mode & 0o7777:04o}, a vault has 0700)"
    else:
        return FoundVault(folder)
    return FoundVault(refused=f"the vault in {folder} {why}: name it with --vault if you mean it")


def _own_uids() -> set[int]:
    """The caller, and the user who has become root by sudo."""
    uid = os.geteuid()
    before = os.environ.get("SUDO_UID", "")
    return {uid, int(before)} if uid == 0 and before.isdecimal() and before.isascii() else {uid}
