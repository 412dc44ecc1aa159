"""The address of a syslog receiver in vault.toml, such as `tls://siem.example:6514`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from muniment.profiles.fields import is_host, is_loopback

PORTS = {"tls": 6514, "tcp": 601}
"""The usual port, by scheme (RFC 5425, RFC 6587)."""
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)


@dataclass(frozen=True, slots=True)
class FeedReceiver:
    """Where a receiver is."""

    host: str
    port: int
    encrypted: bool

    @property
    def near(self) -> bool:
        """Whether its address is this machine's or of a private network. The name of another host is not."""
        if is_loopback(self.host):
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return any(address in network for network in _PRIVATE if network.version == address.version)


def receiver_of(url: str) -> FeedReceiver:
    """Read the address of a receiver.

    Raises:
        ValueError: It has another form. The message does not repeat it.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in PORTS or not is_host(host) or "@" in parts.netloc:
        raise ValueError("not a receiver")
    if parts.path or parts.query or parts.fragment or port == 0 or url.strip() != url:
        raise ValueError("more than a receiver")
    return FeedReceiver(host, port or PORTS[parts.scheme], parts.scheme == "tls")
