"""The vaults that this user has made or opened on this machine, in a small private file.

The app offers them, and never opens one by itself.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from muniment.system.atomic_files import write_file
from muniment.system.environment import state_folder

log = logging.getLogger("muniment.client")

KEPT = 50
"""How many vaults are remembered."""


class KnownVault(msgspec.Struct, frozen=True):
    """A vault that was made or opened."""

    path: str
    name: str = ""
    """The organisation, as the vault gave it last."""
    opened: int = 0
    """When it was opened last, in seconds since 1970 UTC."""


def vaults_file() -> Path:
    """The path of the file."""
    return state_folder() / "vaults.json"


def known_vaults(file: Path) -> list[KnownVault]:
    """The known vaults, the one that was opened last first. Empty if the file is missing or invalid."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=list[KnownVault])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return sorted(found, key=lambda one: -one.opened)


def remember_vault(file: Path, vault: Path, name: str) -> None:
    """Add a vault, or note its name and that it was opened now. A failure is logged and otherwise ignored."""
    others = [one for one in known_vaults(file) if one.path != str(vault)]
    _save(file, [KnownVault(str(vault), name, int(time.time())), *others][:KEPT])


def note_vault(vault: Path, name: str) -> None:
    """Remember a vault in this user's file. Does nothing for a user without a home."""
    with suppress(RuntimeError):
        remember_vault(vaults_file(), vault, name)


def forget_vault(file: Path, path: str) -> None:
    """Remove a vault from the file. The vault itself is not touched."""
    _save(file, [one for one in known_vaults(file) if one.path != path])


def _save(file: Path, vaults: list[KnownVault]) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(file, msgspec.json.format(msgspec.json.encode(vaults), indent=1), durable=False)
    except (OSError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        log.info("the known vaults are not kept: %s", error)
