"""How far the audit feed has come, in a file of the vault.

It is written after a receiver has read the events, so a crash in between sends them again. Without the file,
the whole trail is sent from its beginning.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from muniment.archive.files.lock import require_own
from muniment.errors import VaultError
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.feed")

NAME = "audit-feed.json"
"""The file's name in the vault."""


class FeedCursor(msgspec.Struct, frozen=True):
    """The content of the file."""

    cursor: str = ""
    """That of the last event that was sent; "" for none."""
    number: int = 0
    """Its place among all events of the trail, from 1 on."""
    lacking: int = 0
    """Events before it that the ledger counts, and that the catalog did not name. They were not sent."""


def load(folder: Path) -> FeedCursor:
    """Read the file of a vault. If it can't be read, that is logged, and the feed begins again."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=FeedCursor)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("%s can't be read (%s): all audit events are sent again", NAME, type(error).__name__)
    return FeedCursor()


def save(folder: Path, cursor: FeedCursor) -> None:
    """Replace the file of a vault in one step.

    Raises:
        VaultError: It can't be written.
    """
    require_own(folder)
    try:
        write_file(folder / NAME, msgspec.json.format(msgspec.json.encode(cursor), indent=1), durable=True)
    except OSError as error:
        raise VaultError(
            f"{NAME} can't be written ({error.strerror}), so the same audit events will be sent again: check "
            "the vault's disk"
        ) from error
