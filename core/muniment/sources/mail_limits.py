"""Limits on what a mail server can state and send: sizes of messages, numbers of messages and of folders.

They are far above what an honest server needs. `net.limits` has those that hold for every answer.
"""

from __future__ import annotations

from muniment.errors import SourceError
from muniment.sources.base import Item
from muniment.sources.endpoint import Endpoint

MOST_MESSAGES = 50_000_000
"""Most messages in one folder or mailbox; a server that states more is not believed."""
LARGEST_MESSAGE = 2 * 1024**3
"""Most bytes of one message whose size is not announced."""
SPARE = 64 * 1024 * 1024
"""Bytes that a message can have beyond twice its announced size, since some servers announce wrong sizes."""
MOST_FOLDERS = 1_000_000
"""Most folders of one mailbox, or people of one organisation."""
FOLDER_LIST = 32 * 1024 * 1024
"""Most bytes of a list of folders: 100,000 of them with long names."""


class Overrun(SourceError):
    """A server sends more than it announced. `item` is the message that it sends; None if it is not known."""

    def __init__(self, message: str, item: Item | None = None) -> None:
        super().__init__(message)
        self.item = item


def most_bytes(announced: int | None) -> int:
    """The most bytes of a message that are read, given the size in bytes that the server announced."""
    if announced is None:
        return LARGEST_MESSAGE
    return min(2 * announced + SPARE, LARGEST_MESSAGE)


def overrun(endpoint: Endpoint, item: Item) -> Overrun:
    """The error for a message that is far larger than announced."""
    stated = "no size" if item.size is None else f"{item.size:,} bytes"
    return Overrun(
        f"{endpoint.address} announced {stated} for a message and sent more than {most_bytes(item.size):,}: "
        "the message stays there; ask the people who run that server.",
        item,
    )


def require_believable(endpoint: Endpoint, count: int) -> int:
    """Return `count`, the number of messages that a server states.

    Raises:
        SourceError: The number is negative, or larger than any mailbox has.
    """
    if not 0 <= count <= MOST_MESSAGES:
        raise SourceError(
            f"{endpoint.address} says that there are {count:,} messages, which is impossible: "
            "ask the people who run that server."
        )
    return count
