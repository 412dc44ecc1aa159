"""What can go wrong with a folder on an IMAP server, in sentences that say what to do."""

from __future__ import annotations

from collections.abc import Callable

from muniment.errors import SourceError
from muniment.net.retry import TransientError
from muniment.net.server_text import one_line
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.imap.connection import FolderGone
from muniment.sources.imap.tree import GMAIL_CAPABILITY, ImapFolder


class SickFolder(Exception):
    """One folder can't be read or changed, while the server works."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(str(error))
        self.error = error


class RecreatedFolder(FolderGone):
    """The folder is not the one that was listed: it was deleted and created again."""


class ShiftedNumbers(TransientError):
    """Message numbers have shifted since the last step."""


def too_few(endpoint: ServerEndpoint, box: ImapFolder, listed: int) -> TransientError:
    """The error for a folder that lists fewer messages than the server says there are."""
    return TransientError(
        f"{endpoint.address} lists only {listed:,} of the {box.exists:,} messages that it says are "
        f"in {one_line(box.place.folder)}: run again, and if that does not help, ask the people who run "
        "that server."
    )


def undeletable(endpoint: ServerEndpoint, capabilities: frozenset[str], trash: Callable[[], bytes]) -> str:
    """Why nothing can be deleted on a server; "" if deleting works.

    Args:
        endpoint: The server.
        capabilities: Its capabilities.
        trash: Finds Gmail's folder for deleted messages; called for Gmail alone, which deletes by moving.
    """
    if GMAIL_CAPABILITY in capabilities:
        if "MOVE" in capabilities and trash():
            return ""
        return (
            f"{endpoint.address} shows no trash folder, and Gmail deletes mail by moving it there: let "
            "Gmail show it in IMAP (Settings, Labels), or keep the mail with `--keep`."
        )
    if "UIDPLUS" in capabilities:
        return ""
    return (
        f"{endpoint.address} has no UIDPLUS, so deleting could also expunge messages that others "
        "have marked: use POP3, or keep the mail with `--keep`."
    )


def read_only(folder: str) -> SourceError:
    """The error for a folder in which nothing can be changed."""
    return SourceError(f"The folder {one_line(folder)} is read only: make it writable, or use `--keep`.")


def not_deleted(endpoint: ServerEndpoint, folder: str, left: int) -> str:
    """The sentence for a number of messages that are still there although the server has confirmed."""
    return (
        f"{endpoint.address} confirms that it deleted messages in {one_line(folder)}, "
        f"and {left:,} of them are still there: ask the people who run that server."
    )
