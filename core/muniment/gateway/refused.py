"""Networks whose clients were refused and tried again. A mail server does that, a port scanner does not.

Microsoft adds addresses to its networks. A server on a network that `gateway.networks` does not list tries
again and again, and its reports wait until an administrator lists the network.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NETWORKS = 200
"""Networks that are remembered. Beyond these, the one with the oldest try is forgotten."""
TRIES = 3
"""A client comes back if it makes at least this many tries in at least BETWEEN seconds."""
BETWEEN = 60.0
"""Seconds, see TRIES."""
FORGOTTEN = DAY = 24 * 3600.0
"""Seconds without a try after which a network is forgotten."""
NAMED = 5
"""Networks a day about which administrators get a message, since any stranger can try from many."""
_PREFIXES = {4: 24, 6: 64}


@dataclass(slots=True)
class NetworkVisits:
    """The tries of clients in one network. Times are in seconds since 1970 UTC."""

    network: str
    """In the form of `gateway.networks`."""
    address: str
    """The last address from which a client tried."""
    first: float
    last: float
    count: int = 1
    named: float | None = None
    """When administrators got a message about it; None if they did not."""

    @property
    def came_back(self) -> bool:
        """Whether it is likely to be a mail server."""
        return self.count >= TRIES and self.last - self.first >= BETWEEN


class RefusedNetworks:
    """The networks whose clients were refused. Its methods are safe in any thread."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._visits: dict[str, NetworkVisits] = {}
        self._lock = threading.Lock()

    def note(self, peer: str) -> None:
        """Note that a client was refused because of its network."""
        network = network_of(peer)
        if not network:
            return
        now = self._clock()
        with self._lock:
            visits = self._visits.pop(network, None)
            if visits is None or now - visits.last > FORGOTTEN:
                visits = NetworkVisits(network, peer, now, now)
            else:
                visits.address, visits.last, visits.count = peer, now, visits.count + 1
            self._visits[network] = visits  # the last in the order
            while len(self._visits) > NETWORKS:
                del self._visits[next(iter(self._visits))]

    def came_back(self) -> list[NetworkVisits]:
        """The networks that tried again and again, those with the most tries first."""
        now = self._clock()
        with self._lock:
            found = [v for v in self._visits.values() if v.came_back and now - v.last <= FORGOTTEN]
        return sorted(found, key=lambda visits: (-visits.count, visits.network))

    def named(self) -> list[NetworkVisits]:
        """The networks of `came_back` about which administrators get a message.

        At most NAMED are added a day. A network stays in the list until it is forgotten.
        """
        now, found = self._clock(), self.came_back()
        with self._lock:
            room = NAMED - sum(
                one.named is not None and now - one.named < DAY for one in self._visits.values()
            )
            for visits in [one for one in found if one.named is None][: max(room, 0)]:
                visits.named = now
            return [one for one in found if one.named is not None]


def network_of(peer: str) -> str:
    """The network of an address for a list of networks: a /24 or a /64; "" if it is no address."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((address, _PREFIXES[address.version]), strict=False))


def client_of(peer: str) -> str:
    """What counts as one client: an IPv4 address, or an IPv6 /64, which one machine may own."""
    network = network_of(peer)
    return network if network.endswith("/64") else peer


_refused: dict[Path, RefusedNetworks] = {}
_lock = threading.Lock()


def refused_at(spool: Path) -> RefusedNetworks:
    """The networks that the gateway with this spool has refused in this process."""
    with _lock:
        return _refused.setdefault(spool.absolute(), RefusedNetworks())
