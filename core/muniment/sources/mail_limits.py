"""Errors for a mail server that states impossible numbers or sends far more than it announced.

The numbers are far above what an honest server needs. `source_limits` has those that a source is opened with.
"""

from __future__ import annotations

from muniment.errors import SourceError
from muniment.sources.base import MailItem
from muniment.sources.endpoint import ServerEndpoint

MOST_MESSAGES = 50_000_000
"""Most messages in one folder or mailbox; a server that states more is not believed."""
MOST_FOLDERS = 1_000_000
"""Most folders of one mailbox, or people of one organisation."""


class ServerOverrun(SourceError):
    """A server sends more than it announced. `item` is the message that it sends; None if it is not known."""

    def __init__(self, message: str, item: MailItem | None = None) -> None:
        super().__init__(message)
        self.item = item


def overrun(endpoint: ServerEndpoint, item: MailItem) -> ServerOverrun:
    """The error for a message that is far larger than announced."""
    stated = "no size" if item.size is None else f"{item.size:,} bytes"
    return ServerOverrun(
        f"{endpoint.address} announced {stated} for a message and sent more than "
        f"{endpoint.limits.most_bytes(item.size):,}: the message stays there; "
        "ask the people who run that server.",
        item,
    )


def require_believable(endpoint: ServerEndpoint, count: int) -> int:
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
