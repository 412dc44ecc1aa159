"""The settings with which a source is opened, and the events that it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from muniment.errors import CertificateRefused
from muniment.net.events import ConnectionEvent, Security
from muniment.net.oauth import TokenSource
from muniment.profiles.fields import is_loopback
from muniment.profiles.registry import KIND
from muniment.sources.folders import FolderChoice
from muniment.sources.source_limits import SourceLimits

Access = Literal["own", "delegate", "impersonation"]
Scheme = Literal["password", "ntlm", "basic"]
"""How a password is sent over HTTP; "password" chooses the safest way that the server offers."""


@dataclass(frozen=True, slots=True)
class MailboxesLeftOut:
    """Some of all mailboxes are not read, because they have no mail or can't be opened."""

    kind: str
    """What they are, such as "distribution groups"."""
    names: tuple[str, ...]
    """Their addresses."""


Event = ConnectionEvent | MailboxesLeftOut
"""A step of connecting, or something that happened on the way."""


def _ignore(event: Event) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a source of any kind is opened with; each group of kinds has a class of its own below.

    `service.host.profile_source` makes one from a profile of vault.toml.
    """

    kind: str
    """The name of the kind of source, as in `profiles.registry`."""
    work: Path
    """A folder for messages that are too large for memory; it is made if it is missing."""
    deletes: bool = False
    """Whether messages are deleted once they are kept."""
    limits: SourceLimits = field(default_factory=SourceLimits)
    """Limits on answers, messages and files."""


@dataclass(frozen=True, slots=True)
class FileEndpoint(Endpoint):
    """Where mail in files is."""

    path: str = ""
    """The file or folder."""


@dataclass(frozen=True, slots=True)
class ServerEndpoint(Endpoint):
    """Where a mailbox on a server is and how to log in."""

    host: str = ""
    """Host name or IP address of the server."""
    port: int | None = None
    """None: the usual port of kind and security."""
    mailbox: str = ""
    """The name to log in with."""
    password: str | None = field(default=None, repr=False)
    tokens: TokenSource | None = field(default=None, repr=False, compare=False)
    """Access tokens to log in with instead of a password."""
    security: Security | None = None
    """None: the usual one of the kind."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, colons allowed. It is trusted instead of authorities."""
    ca_file: str = ""
    """A PEM file of the authorities to trust instead of the system's."""
    folders: FolderChoice | None = None
    """For ordinary mailboxes: which of their folders are read; None: only the one with journal reports."""
    timeout: float = 300.0
    """Longest time for one network operation, in seconds."""
    on_event: Callable[[Event], None] = field(default=_ignore, repr=False, compare=False)
    """Called with each event, for every connection that is made."""

    @property
    def several_mailboxes(self) -> bool:
        """Whether there is more than one mailbox, so that one can be left out."""
        return False

    @property
    def secured_by(self) -> Security:
        """How the connection is secured: `security`, or the default of the kind."""
        return self.security or KIND[self.kind].secured_by(self.port)

    @property
    def speaks_first(self) -> bool:
        """Whether servers of this kind send the first line."""
        return KIND[self.kind].speaks_first

    @property
    def port_number(self) -> int:
        """The port to connect to: `port`, or the usual one of kind and security."""
        return self.port if self.port is not None else KIND[self.kind].ports[self.secured_by]

    @property
    def address(self) -> str:
        """`host:port` in lower case; an IPv6 address is in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return f"{host}:{self.port_number}"


@dataclass(frozen=True, slots=True)
class ImapEndpoint(ServerEndpoint):
    """Where an IMAP mailbox is, and which folders are read."""

    folder: str = "INBOX"
    """The folder with journal reports, in plain Unicode; it is read if `folders` is None."""
    shared: bool = False
    """With `folders`: whether other people's folders and public ones are read as well."""
    owner: str = ""
    """The address of the mailbox's owner. Its domain completes other users' names without one."""


@dataclass(frozen=True, slots=True)
class ExchangeEndpoint(ServerEndpoint):
    """Where mailboxes of Exchange are, on a server or in Microsoft 365."""

    mailboxes: tuple[str, ...] = ()
    """Addresses of the mailboxes to read instead of `mailbox`; "*" for all."""

    @property
    def several_mailboxes(self) -> bool:
        return len(self.mailboxes) > 1


@dataclass(frozen=True, slots=True)
class EwsEndpoint(ExchangeEndpoint):
    """Where mailboxes on an Exchange Server are, and how they are opened."""

    access: Access = "own"
    """The right by which other people's mailboxes are opened."""
    scheme: Scheme = "password"
    """How the password is sent."""


def require_private(endpoint: ServerEndpoint) -> None:
    """Refuse an endpoint whose password would go over a network unencrypted.

    Call it before the first connection, so that nothing has been sent.

    Raises:
        CertificateRefused: The connection would not be encrypted, and the host is not this machine.
    """
    if endpoint.secured_by == "none" and not is_loopback(endpoint.host):
        raise CertificateRefused(
            f"The password for {endpoint.host} would be sent unencrypted: set `security` to "
            '"tls" or "starttls" ("none" is only for this machine).'
        )
