"""The events that a connection reports while it is made and used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Security = Literal["tls", "starttls", "none"]
"""How a connection is secured: with TLS from the start, with TLS after a command, or not at all."""


@dataclass(frozen=True, slots=True)
class ServerConnected:
    """A server has accepted the connection."""

    address: str
    """Its IP address."""


@dataclass(frozen=True, slots=True)
class LineSecured:
    """The connection uses TLS now. A pinned fingerprint is compared after this event."""

    protocol: str
    """Such as "TLSv1.3"."""
    certificate: bytes = field(repr=False)
    """The server's certificate, in DER."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The server has accepted the login."""


@dataclass(frozen=True, slots=True)
class ServerPause:
    """The server has asked for a pause, and the source begins to wait."""

    seconds: float
    reason: str
    """One sentence."""


ConnectionEvent = ServerConnected | LineSecured | LoggedIn | ServerPause
"""A step of connecting, or a pause that the server asks for."""
