"""What a connection and its gateway know of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from muniment.gateway.envelope import AcceptedRecipient
from muniment.gateway.local_peer import Address
from muniment.gateway.senders import DeliveringClient
from muniment.gateway.spool import IncomingMessage

if TYPE_CHECKING:
    from muniment.gateway.session import MailSession


class GatewayHost(Protocol):
    """The gateway, as a connection sees it.

    A connection calls these methods on the thread of the event loop. None of them blocks.
    """

    def admit(self, client: Address, server: Address) -> tuple[DeliveringClient, str]:
        """Decide whether a new client may connect.

        Args:
            client: the client's end of the connection.
            server: the gateway's end.

        Returns:
            Who the client is, and the SMTP reply that refuses it, or "".
        """

    def sender_refusal(self, delivery: DeliveringClient, shown: Mapping[str, Any] | None, tls: bool) -> str:
        """Decide whether a client may send mail, at MAIL.

        Args:
            delivery: who the client is.
            shown: its verified certificate, as `SSLSocket.getpeercert` returns it; None for none.
            tls: whether the connection uses TLS.

        Returns:
            The SMTP reply that refuses it, or "".
        """

    def recipient(self, address: str) -> AcceptedRecipient | None:
        """The recipient that an address means here; None if no mail is accepted for it."""

    def short_of_room(self, peer: str, size: int = 0) -> str:
        """The SMTP reply that refuses a message because the disk is too full, or "".

        Args:
            peer: the client's IP address, for the log.
            size: bytes of the message that are still to come; 0 if unknown.
        """

    def begin(self) -> IncomingMessage:
        """Begin a new message in the spool. Nothing is written yet."""

    async def on_disk(self, work: Callable[[], None]) -> None:
        """Do blocking work outside the event loop. It continues even if the caller is cancelled.

        Raises:
            OSError: as `work` raises it.
        """

    def forget(self, incoming: IncomingMessage) -> None:
        """Discard a message in another thread, without waiting."""

    def entered(self, session: MailSession) -> None:
        """Note that a connection was made."""

    def left(self, session: MailSession) -> None:
        """Note that a connection ended."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of a connection, and its greeting."""

    hostname: str
    """The name in the greeting."""
    size: int
    """Largest message in bytes."""
    idle: float
    """Seconds without a command, or without more of a message."""
    messages: int
    """Messages on one connection."""
    errors: int
    """Refused commands on one connection."""
    slow_after: float
    """Seconds after which a message must arrive at `session.LEAST_RATE`."""
    headers: tuple[str, ...] = ()
    """Header fields in which a client may name recipients."""
