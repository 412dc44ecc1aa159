"""Opens the sockets on which the gateway listens, and says why that is not possible."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import Any

from muniment.errors import ConfigError

BACKLOG = 128
"""Clients that may wait until they are accepted."""


class PortTaken(ConfigError):
    """Another program listens on the port, which becomes free when that program ends."""


def open_sockets(host: str, port: int) -> tuple[socket.socket, ...]:
    """Listen on all addresses of a host.

    Args:
        host: an IP address, or a name.
        port: 0 for any free port.

    Raises:
        PortTaken: another program has the port.
        ConfigError: the gateway can't listen there for another reason.
    """
    return _open(host, port, shared=False)


def _open(host: str, port: int, shared: bool) -> tuple[socket.socket, ...]:
    opened: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            opened.append(_listening(family, address, shared))
    except (OSError, ValueError, OverflowError) as error:
        close_sockets(opened)
        raise not_listening(host, port, error) from None
    return tuple(opened)


def open_beside(host: str, port: int, own: Iterable[socket.socket]) -> tuple[socket.socket, ...]:
    """As `open_sockets`, where this process itself listens on the port, at another address.

    `own` go on listening meanwhile. Only the port of another program counts as taken.
    """
    own = tuple(own)
    try:
        _share(own, True)
        opened = _open(host, port, shared=True)
        _share(opened, False)
        return opened
    finally:
        _share(own, False)


def _share(sockets: Iterable[socket.socket], on: bool) -> None:
    """Let sockets of this user with the same option have the same port (socket(7), SO_REUSEPORT)."""
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)


def close_sockets(sockets: Iterable[socket.socket]) -> None:
    """Close sockets. Safe to call twice."""
    for one in sockets:
        one.close()


def not_listening(host: str, port: int, error: BaseException) -> ConfigError:
    """The error that says why the gateway can't listen, and what to do."""
    place = f"the gateway can't listen on {host} port {port}"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return PortTaken(
            f"{place}: another program has taken it; stop that program, or choose another address or port"
        )
    if isinstance(error, UnicodeError):
        return ConfigError(f"{place}: that is no name of a host; choose another address")
    if not isinstance(error, OSError):
        return ConfigError(f"{place}: an unexpected error ({type(error).__name__})")
    reason = os.strerror(number) if number and number > 0 else error.strerror or type(error).__name__
    return ConfigError(
        f"{place} ({reason}): choose another address or port (a port below 1024 needs a privilege)"
    )


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, *_, address in found))


def _listening(family: socket.AddressFamily, address: Any, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _share([sock], shared)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The same port in IPv4 is a socket of its own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
