"""What a connection and the gateway that it belongs to know of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from muniment.gateway.envelope import Recipient
from muniment.gateway.local_peer import Address
from muniment.gateway.senders import Delivery
from muniment.gateway.spool import Incoming

if TYPE_CHECKING:
    from muniment.gateway.session import MailSession


class Host(Protocol):
    """What a connection asks of the gateway that it belongs to."""

    def admit(self, client: Address, server: Address) -> tuple[Delivery, str]:
        """Who a new client is, and the reply that turns it away, or ""."""

    def sender_refusal(self, delivery: Delivery, shown: Mapping[str, Any] | None, tls: bool) -> str:
        """The reply to a client that may not send mail, by the certificate it has shown, or ""."""

    def recipient(self, address: str) -> Recipient | None:
        """What an address means here; None where no mail is taken for it."""

    def short_of_room(self, peer: str, size: int = 0) -> str:
        """The reply that refuses a message of `size` bytes for want of room on the disk, or ""."""

    def begin(self) -> Incoming:
        """A new message in the spool."""

    async def on_disk(self, work: Callable[[], None]) -> None:
        """Do blocking work outside the event loop; it goes on even when the caller is cancelled."""

    def forget(self, incoming: Incoming) -> None:
        """Discard a message, soon."""

    def entered(self, session: MailSession) -> None:
        """A connection was made."""

    def left(self, session: MailSession) -> None:
        """A connection was lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do, and how it greets."""

    hostname: str
    size: int
    """Bytes of a message."""
    idle: float
    """Seconds without a command, or without more of a message."""
    messages: int
    """Messages on one connection."""
    errors: int
    """Commands that may be refused on one."""
    headers: tuple[str, ...] = ()
    """Header fields by which a client may name recipients."""
