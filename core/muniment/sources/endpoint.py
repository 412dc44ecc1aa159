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
from muniment.sources.folders import FolderChoice
from muniment.sources.source_limits import SourceLimits

Access = Literal["own", "delegate", "impersonation"]
Scheme = Literal["password", "ntlm", "basic"]
"""How a password is sent over HTTP; "password" chooses the safest way that the server offers."""

POP3S_PORT = 995
PORTS: dict[tuple[str, Security], int] = {
    ("gateway", "starttls"): 110,
    ("gateway", "none"): 110,
    ("gateway", "tls"): POP3S_PORT,
    ("pop3", "starttls"): 110,
    ("pop3", "none"): 110,
    ("pop3", "tls"): POP3S_PORT,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("imap", "tls"): 993,
    ("ews", "tls"): 443,
    ("ews", "none"): 80,
    ("graph", "tls"): 443,
}


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
    """Where a mailbox is and how to log in.

    `service.host.profile_source` makes one from a profile of vault.toml, field by field.
    """

    kind: str
    """"gateway", "pop3", "imap", "ews", "graph", "maildir", "mbox", "eml" or "spool"."""
    work: Path
    """A folder for messages that are too large for memory; it is made if it is missing."""
    host: str = ""
    """Host name or IP address of the server; unused for the file kinds."""
    port: int | None = None
    """None: the usual port of kind and security."""
    mailbox: str = ""
    """The name to log in with."""
    mailboxes: tuple[str, ...] = ()
    """For ews and graph: addresses of the mailboxes to read instead of `mailbox`; "*" for all."""
    access: Access = "own"
    """For ews: the right by which other people's mailboxes are opened."""
    password: str | None = field(default=None, repr=False)
    scheme: Scheme = "password"
    """For ews: how the password is sent."""
    tokens: TokenSource | None = field(default=None, repr=False, compare=False)
    """Access tokens to log in with instead of a password."""
    security: Security | None = None
    """None: "starttls" for gateway, and for pop3 unless the port is 995; "tls" for all other kinds."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, colons allowed. It is trusted instead of authorities."""
    ca_file: str = ""
    """A PEM file of the authorities to trust instead of the system's."""
    path: str = ""
    """For the file kinds: the file or folder."""
    folder: str = "INBOX"
    """For imap: the folder, in plain Unicode."""
    folders: FolderChoice | None = None
    """For ordinary mailboxes: which of their folders are read; None: only `folder`."""
    shared: bool = False
    """For imap, with `folders`: whether other people's folders and public ones are read as well."""
    owner: str = ""
    """For imap: the address of the mailbox's owner. Its domain completes other users' names without one."""
    deletes: bool = False
    """Whether messages are deleted once they are kept."""
    timeout: float = 300.0
    """Longest time for one network operation, in seconds."""
    limits: SourceLimits = field(default_factory=SourceLimits)
    """Limits on answers, messages and files."""
    on_event: Callable[[Event], None] = field(default=_ignore, repr=False, compare=False)
    """Called with each event, for every connection that is made."""

    @property
    def secured_by(self) -> Security:
        """How the connection is secured: `security`, or the default of the kind."""
        if self.security is not None:
            return self.security
        if self.kind == "gateway" or (self.kind == "pop3" and self.port != POP3S_PORT):
            return "starttls"
        return "tls"

    @property
    def speaks_first(self) -> bool:
        """Whether servers of this kind send the first line."""
        return self.kind in ("gateway", "pop3", "imap")

    @property
    def port_number(self) -> int:
        """The port to connect to: `port`, or the usual one of kind and security."""
        return self.port if self.port is not None else PORTS[self.kind, self.secured_by]

    @property
    def address(self) -> str:
        """`host:port` in lower case; an IPv6 address is in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return f"{host}:{self.port_number}"


def require_private(endpoint: Endpoint) -> None:
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
