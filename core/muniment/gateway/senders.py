"""Who may deliver to the gateway: by network, by user on this machine, by the name in a certificate.

A network address proves little: anybody who can connect from one can write any journal report. On this
machine the kernel says who is connecting; over a network a client certificate does.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from muniment.errors import ConfigError
from muniment.gateway.local_peer import Address, OwnerUnknown, socket_owner, user_name
from muniment.gateway.refused import RefusedNetworks

log = logging.getLogger("muniment.gateway")

NOT_ADMITTED = "421 4.7.1 This client may not deliver here yet; the gateway's log says how to add it"
"""Temporary: a mail system adds addresses, and its reports must wait until these are listed."""
NOT_THIS_USER = "451 4.7.1 This user may not deliver here; the gateway's log says what to do"
"""Temporary, so that a mail server keeps its mail until the administrator has listed its user."""
NEEDS_TLS = "530 5.7.0 Issue STARTTLS first and present a certificate"
NOT_THIS_CERTIFICATE = "550 5.7.1 A client with this certificate may not deliver here"
TOO_MANY = "421 4.3.2 Too many connections; try again later"
NO_ROOM = "452 4.3.1 The disk is nearly full; try again later"
LOGGED_A_MINUTE = 10
"""Refusals of one kind that are logged one by one in a minute. More are only counted."""
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class DeliveringClient:
    """Who delivers, as far as the gateway knows.

    All but `peer` and `user` is what the client claims or presents.
    """

    peer: str
    """The client's IP address."""
    user: str = ""
    """The login name of a client on this machine; "" for a remote one."""
    helo: str = ""
    """The name in its EHLO or HELO."""
    certificate: str = ""
    """The names in its certificate, if an authority signed it."""

    def facts(self) -> dict[str, str]:
        """What is known, by name, for the receipt."""
        known = {"peer": self.peer, "user": self.user, "helo": self.helo, "certificate": self.certificate}
        return {name: value[:_LONGEST] for name, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class SenderRules:
    """The rules for who may deliver."""

    networks: tuple[str, ...]
    """Networks of clients (CIDR)."""
    users: tuple[str, ...] = ()
    """Login names that may deliver from this machine, besides root and the user who runs the gateway."""
    certificates: tuple[str, ...] = ()
    """A remote client's certificate must have one of these names; `*.` means any one label. Empty: any client
    of the networks may deliver."""


class SenderCheck:
    """Decides who may deliver, and logs refusals without letting a client fill the log."""

    def __init__(self, rules: SenderRules, refused: RefusedNetworks | None = None) -> None:
        """Take the rules.

        Args:
            rules: who may deliver.
            refused: where refused networks are noted.

        Raises:
            ConfigError: a network can't be read.
        """
        self._refused = refused or RefusedNetworks()
        self._networks = [_network(text) for text in rules.networks]
        self._users = frozenset(rules.users)
        self._certificates = tuple(name.lower() for name in rules.certificates)
        self._refusals = _RefusalLog()

    def admit(self, client: Address, server: Address) -> tuple[DeliveringClient, str]:
        """Decide whether a new client may connect.

        Args:
            client: the client's end of the connection.
            server: the gateway's end.

        Returns:
            Who the client is, and the SMTP reply that refuses it, or "".
        """
        peer = client[0]
        if not self._in_networks(peer):
            self._refused.note(peer)
            self._refusals.add(
                "it is not in gateway.networks; add it there if it is your mail server", peer or "a client"
            )
            return DeliveringClient(peer), NOT_ADMITTED
        try:
            owner = socket_owner(client, server)
        except OwnerUnknown:
            self._refusals.add("it is on this machine, but the kernel does not name its user", peer)
            return DeliveringClient(peer), NOT_THIS_USER
        if owner is None:
            return DeliveringClient(peer), ""
        delivery = DeliveringClient(peer, user_name(owner))
        if owner not in (0, os.geteuid()) and delivery.user not in self._users:
            self._refusals.add(
                "it may not deliver from this machine; add a mail server's user to gateway.local_users",
                f"user {delivery.user}",
            )
            return delivery, NOT_THIS_USER
        return delivery, ""

    def turn_away(self, peer: str, why: str) -> str:
        """Log why there are too many connections. Returns the SMTP reply."""
        self._refusals.add(why, peer)
        return TOO_MANY

    def short_of_room(self, peer: str) -> str:
        """Log that the disk is too full. Returns the SMTP reply."""
        self._refusals.add("the spool's disk is nearly full: free some space (gateway.reserve)", peer)
        return NO_ROOM

    def certificate_refusal(
        self, delivery: DeliveringClient, shown: Mapping[str, Any] | None, tls: bool
    ) -> str:
        """The SMTP reply to a client without the right certificate, or "".

        The kernel identifies local users.
        """
        if not self._certificates or delivery.user:
            return ""
        if not tls:
            return NEEDS_TLS
        names = certificate_names(shown)
        if any(_matches(name, pattern) for name in names for pattern in self._certificates):
            return ""
        self._refusals.add("its certificate has no name that gateway.client_names lists", delivery.peer)
        return NOT_THIS_CERTIFICATE

    def _in_networks(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def certificate_names(shown: Mapping[str, Any] | None) -> list[str]:
    """The host names in a verified certificate, as `SSLSocket.getpeercert` returns it; none without one."""
    if not shown:
        return []
    names = [name for kind, name in shown.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        subject: Iterable[Any] = (pair for part in shown.get("subject", ()) for pair in part)
        names = [value for key, value in subject if key == "commonName"]
    return [str(name).lower() for name in names]


def client_context(context: ssl.SSLContext, authority: str) -> None:
    """Ask clients for a certificate, and verify one that is presented.

    Args:
        context: the TLS context to change.
        authority: a PEM file of authorities; "" for those of the system.

    Raises:
        ConfigError: the file can't be used.
    """
    try:
        if authority:
            context.load_verify_locations(authority)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"gateway: client_authority {authority} can't be used ({error.strerror or error}); "
            "name a readable PEM file of certificate authorities"
        ) from None
    context.verify_mode = ssl.CERT_OPTIONAL


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return name == pattern or name.partition(".")[2] == pattern[2:]
    return name == pattern


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigError(f"gateway: {text!r} is not a network; write it as 192.0.2.0/24") from None


@dataclass(slots=True)
class _RefusalLog:
    """Logs refusals: the first few of a minute one by one, then their number."""

    _minute: int = 0
    _counted: Counter[str] = field(default_factory=Counter)

    def add(self, why: str, who: str) -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._report()
            self._minute = minute
        self._counted[why] += 1
        if self._counted[why] <= LOGGED_A_MINUTE:
            log.warning("refused %s: %s", who, why)

    def _report(self) -> None:
        for why, count in self._counted.items():
            if count > LOGGED_A_MINUTE:
                log.warning("refused %d more in a minute: %s", count - LOGGED_A_MINUTE, why)
        self._counted.clear()
