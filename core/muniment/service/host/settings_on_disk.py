"""Whether vault.toml was written since it was last read; reading it each second would cost more."""

from __future__ import annotations

from pathlib import Path

from muniment.client.socket_path import SETTINGS


def settings_on_disk(folder: Path) -> object:
    """A value that changes when the vault.toml of a vault is written."""
    try:
        state = (folder / SETTINGS).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
