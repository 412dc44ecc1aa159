"""What the app remembers between two starts, in a small private file in XDG_STATE_HOME.

The vaults that were opened are in a file of their own (muniment.client.known_vaults), since two apps may run.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from muniment.system.atomic_files import write_file
from muniment.system.environment import state_folder

log = logging.getLogger("muniment.tui")


class AppState(msgspec.Struct):
    """The remembered settings."""

    area: str = ""
    """The area that was open last."""
    theme: str = ""
    widths: dict[str, int] = {}
    """Widths of panes, by pane."""


def state_file() -> Path:
    """The file's path."""
    return state_folder() / "app.json"


def load(path: Path) -> AppState:
    """Read the state. The state is empty if the file is missing, unreadable or invalid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=AppState)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return AppState()


def save(path: Path, state: AppState) -> None:
    """Write the state. A failure is logged and otherwise ignored."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(path, msgspec.json.format(msgspec.json.encode(state), indent=1), durable=False)
    except OSError as error:
        log.info("the app's state is not kept: %s", error)
