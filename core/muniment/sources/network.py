"""A TCP connection to a mail server, with errors that say what to do."""

from __future__ import annotations

import socket
import ssl

from muniment.errors import CertificateRefused, SourceError
from muniment.sources import tls
from muniment.sources.endpoint import Connected, Endpoint
from muniment.sources.retry import Passing
from muniment.sources.said import said

GREETED = ("gateway", "pop3", "imap")
"""Kinds whose servers speak first."""
GREETING = 4.0
"""Seconds after which a server that says nothing is asked whether it waits for TLS."""


class Unreachable(Passing):
    """Nobody answers there: the first connection of a run does not wait for it, a later one does."""


class Silent(Unreachable):
    """The server is there and says nothing for as long as `timeout`."""


def dial(endpoint: Endpoint) -> socket.socket:
    """A connected socket, with TLS on it where the endpoint wants that from the start.

    Raises SourceError, CertificateRefused, or Unreachable when it may help to wait.
    """
    sock = _connect(endpoint)
    endpoint.tell(Connected(sock.getpeername()[0]))
    sock.settimeout(endpoint.timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if endpoint.secured_by == "tls":
        return _secured(sock, endpoint)
    if endpoint.kind not in GREETED:
        return sock
    try:
        _await_greeting(sock, endpoint)
    except BaseException:
        sock.close()
        raise
    return sock


def _secured(sock: socket.socket, endpoint: Endpoint) -> socket.socket:
    try:
        return tls.secure(sock, endpoint)
    except Passing as error:
        if isinstance(error.__cause__, TimeoutError):
            raise lost(endpoint, error.__cause__) from error
        raise


def _await_greeting(sock: socket.socket, endpoint: Endpoint) -> None:
    """Wait a little for the server's first words. Raises CertificateRefused where it waits for TLS."""
    sock.settimeout(min(GREETING, endpoint.timeout))
    try:
        sock.recv(1, socket.MSG_PEEK)
    except TimeoutError as error:
        if _speaks_tls(endpoint):
            raise CertificateRefused(
                f"{endpoint.address} speaks TLS from the start, so no password was sent: set `security` to "
                '"tls", or use the port for STARTTLS or STLS.'
            ) from error
    except OSError as error:
        raise lost(endpoint, error) from error
    sock.settimeout(endpoint.timeout)


def _speaks_tls(endpoint: Endpoint) -> bool:
    """Whether a port answers a TLS handshake; no name and no password are sent, so nobody is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        address = (endpoint.host, endpoint.port_number)
        with (
            socket.create_connection(address, min(GREETING, endpoint.timeout)) as sock,
            context.wrap_socket(sock, server_hostname=endpoint.host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it refuses this client's TLS, so it speaks TLS
    except (OSError, ValueError):
        return False


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


def lost(endpoint: Endpoint, error: BaseException | None = None, farewell: str | bytes = "") -> Passing:
    """The error for a connection that broke; `farewell` is what the server said why."""
    if farewell:
        return Passing(f"{endpoint.address} ended the session ({said(endpoint, farewell)}): run again later.")
    if isinstance(error, TimeoutError):
        return Silent(
            f"{endpoint.address} fell silent for {endpoint.timeout:g} s: try again, or raise `timeout`."
        )
    return Passing(f"The connection to {endpoint.address} was lost: check the network, and run again.")
