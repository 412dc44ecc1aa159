"""What a source is opened with, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from muniment.sources.folders import Choice
from muniment.sources.oauth import Tokens

Security = Literal["tls", "starttls", "none"]
Access = Literal["own", "delegate", "impersonation"]
Scheme = Literal["password", "ntlm", "basic"]
"""How a password is shown over HTTP; "password" leaves it to what the server offers."""

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
class Connected:
    """A server has taken the connection."""

    address: str
    """Its IP address."""


@dataclass(frozen=True, slots=True)
class Secured:
    """TLS is on the line; a pinned fingerprint is compared next."""

    protocol: str
    """Such as "TLSv1.3"."""
    certificate: bytes = field(repr=False)
    """The server's, in DER."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The server has taken name and password."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The server wants a pause, which is made now."""

    seconds: float
    reason: str
    """A sentence."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Of all mailboxes there are, some are not read, and need not be."""

    kind: str
    """What they are, such as "distribution groups"."""
    names: tuple[str, ...]
    """Their addresses."""


Event = Connected | Secured | LoggedIn | Waiting | LeftOut
"""How far getting in has come, for who watches."""


def _nobody(event: Event) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a mailbox is and how to get in. A profile of vault.toml maps onto it field by field."""

    kind: str
    """"gateway", "pop3", "imap", "ews", "graph", "maildir", "mbox", "eml" or "spool"."""
    work: Path
    """A folder for what is too large for memory; made when missing."""
    host: str = ""
    port: int | None = None
    """None: the usual port of kind and security."""
    mailbox: str = ""
    mailboxes: tuple[str, ...] = ()
    """For ews and graph: addresses of the mailboxes to read instead of `mailbox`; "*" for all."""
    access: Access = "own"
    """For ews: as whom others' mailboxes are opened."""
    password: str | None = field(default=None, repr=False)
    scheme: Scheme = "password"
    """For ews: how the password is shown."""
    tokens: Tokens | None = field(default=None, repr=False, compare=False)
    """Access tokens to log in with instead of a password."""
    security: Security | None = None
    """None: STLS for gateway and for pop3 unless the port is 995, TLS for all else."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate in hex, colons allowed: trusted instead of authorities."""
    ca_file: str = ""
    """A PEM file of the authorities to trust instead of the system's."""
    path: str = ""
    """For the file kinds: the file or folder."""
    folder: str = "INBOX"
    """For imap: the folder, in plain Unicode."""
    folders: Choice | None = None
    """For the mailboxes of people: which of their folders; None: `folder` alone."""
    shared: bool = False
    """For imap, with `folders`: whether folders of others and public ones are read as well."""
    owner: str = ""
    """For imap: the address of the mailbox's owner; others' names without a domain are in its domain."""
    deletes: bool = False
    """Whether messages are to be deleted once they are kept."""
    timeout: float = 300.0
    """Seconds that one network operation may take."""
    tell: Callable[[Event], None] = field(default=_nobody, repr=False, compare=False)
    """Called on the way in, and anew for each connection."""

    @property
    def secured_by(self) -> Security:
        """How the line is secured, with the kind's default filled in."""
        if self.security is not None:
            return self.security
        if self.kind == "gateway" or (self.kind == "pop3" and self.port != POP3S_PORT):
            return "starttls"
        return "tls"

    @property
    def port_number(self) -> int:
        """The port to connect to, with the usual one filled in."""
        return self.port if self.port is not None else PORTS[self.kind, self.secured_by]

    @property
    def address(self) -> str:
        """`host:port`, as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return f"{host}:{self.port_number}"
