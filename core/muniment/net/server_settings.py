"""What this room needs to know about a server: where it is, how it is secured and what must stay secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from muniment.net.events import ConnectionEvent, Security
from muniment.net.limits import AnswerLimits


class ServerSettings(Protocol):
    """The settings of one server and of the login there, such as a `sources.endpoint.ServerEndpoint`."""

    @property
    def host(self) -> str:
        """Host name or IP address."""

    @property
    def port_number(self) -> int:
        """The port to connect to."""

    @property
    def address(self) -> str:
        """Host and port for error sentences; an IPv6 address is in brackets."""

    @property
    def secured_by(self) -> Security:
        """How the connection is secured."""

    @property
    def speaks_first(self) -> bool:
        """Whether the server sends the first line, by its protocol."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in hex, which is trusted instead of authorities; "" if there is none."""

    @property
    def ca_file(self) -> str:
        """A PEM file of the authorities to trust; "" for the system's."""

    @property
    def timeout(self) -> float:
        """Longest time for one network operation, in seconds."""

    @property
    def limits(self) -> AnswerLimits:
        """How long the server can take."""

    @property
    def mailbox(self) -> str:
        """The name to log in with."""

    @property
    def password(self) -> str | None:
        """The password, which is hidden where the server repeats it."""

    @property
    def tokens(self) -> object | None:
        """The source of access tokens to log in with instead; tokens are hidden as well."""

    @property
    def on_event(self) -> Callable[[ConnectionEvent], None]:
        """Called with each event of every connection that is made."""
