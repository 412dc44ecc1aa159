"""TCP connections to mail servers, with errors that say what to do."""

from __future__ import annotations

import socket
import ssl

from muniment.errors import CertificateRefused, SourceError
from muniment.net import tls
from muniment.net.retry import Passing
from muniment.net.server_text import quote
from muniment.sources.endpoint import Connected, Endpoint

GREETED = ("gateway", "pop3", "imap")
"""Kinds whose servers send the first line."""
GREETING = 4.0
"""Seconds to wait for that first line before testing whether the server expects TLS."""


class Unreachable(Passing):
    """No server answers. The first connection of a run fails at once; a later one is tried again."""


class Silent(Unreachable):
    """The server accepted the connection and has sent nothing for `timeout` seconds."""


def dial(endpoint: Endpoint) -> socket.socket:
    """Connect to a server, with TLS if the endpoint says "tls".

    Returns:
        The connected socket.

    Raises:
        CertificateRefused: The certificate is not trusted, or the server waits for TLS.
        Unreachable: No server answers now; it can help to wait.
        SourceError: There is no such host.
    """
    sock = _connect(endpoint)
    endpoint.on_event(Connected(sock.getpeername()[0]))
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
    """Wait GREETING seconds for the server's first line. Raises CertificateRefused if it expects TLS."""
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
    """Whether a port answers a TLS handshake. No secret is sent, so the certificate is not checked."""
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
        return "ALERT" in (error.reason or "")  # an alert is an answer in TLS
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
    """The IP addresses of the endpoint's host.

    Raises:
        Unreachable: The name server does not answer now; it can help to wait.
        SourceError: There is no such host.
    """
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
    """The error for a connection that broke.

    Args:
        endpoint: The server.
        error: What the network raised.
        farewell: The reason that the server gave when it ended the session.
    """
    if farewell:
        return Passing(
            f"{endpoint.address} ended the session ({quote(endpoint, farewell)}): run again later."
        )
    if isinstance(error, TimeoutError):
        return Silent(
            f"{endpoint.address} sent nothing for {endpoint.timeout:g} s: try again, or raise `timeout`."
        )
    return Passing(f"The connection to {endpoint.address} was lost: check the network, and run again.")
