"""A TCP connection to a mail server, with errors that say what to do."""

from __future__ import annotations

import socket

from muniment.errors import SourceError
from muniment.sources import tls
from muniment.sources.endpoint import Connected, Endpoint
from muniment.sources.retry import Passing


class Unreachable(Passing):
    """Nobody answers there: the first connection of a run does not wait for it, a later one does."""


def dial(endpoint: Endpoint) -> socket.socket:
    """A connected socket, with TLS on it where the endpoint wants that from the start.

    Raises SourceError, CertificateRefused, or Unreachable when it may help to wait.
    """
    sock = _connect(endpoint)
    endpoint.tell(Connected(sock.getpeername()[0]))
    sock.settimeout(endpoint.timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tls.secure(sock, endpoint) if endpoint.secured_by == "tls" else sock


def _connect(endpoint: Endpoint) -> socket.socket:
    try:
        return socket.create_connection((endpoint.host, endpoint.port_number), endpoint.timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(endpoint, error) from error
    except TimeoutError as error:
        raise Unreachable(
            f"{endpoint.address} does not answer in {endpoint.timeout:g} s: check host, port and firewall."
        ) from error
    except ConnectionRefusedError as error:
        raise Unreachable(
            f"{endpoint.address} refuses connections: check that the server runs, and `port`."
        ) from error
    except OSError as error:
        raise Unreachable(f"{endpoint.address} can't be reached: {error.strerror or error}.") from error


def look_up(endpoint: Endpoint) -> list[str]:
    """The IP addresses of the host. Raises SourceError; Unreachable when it may help to wait."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port_number, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(endpoint, error) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unknown(endpoint: Endpoint, error: Exception) -> SourceError:
    """The error for a host that could not be looked up."""
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return Unreachable(f"The name {endpoint.host} can't be looked up now: check `host` and the network.")
    return SourceError(f"There is no host {endpoint.host}: check `host` and the name server.")


def lost(endpoint: Endpoint, error: BaseException | None = None) -> Passing:
    """The error for a connection that broke."""
    if isinstance(error, TimeoutError):
        return Passing(
            f"{endpoint.address} fell silent for {endpoint.timeout:g} s: try again, or raise `timeout`."
        )
    return Passing(f"The connection to {endpoint.address} was lost: check the network, and run again.")
