"""TCP connections to mail servers, with errors that say what to do."""

from __future__ import annotations

import socket
import ssl

from muniment.errors import CertificateRefused, SourceError
from muniment.net import tls
from muniment.net.events import ServerConnected
from muniment.net.retry import TransientError
from muniment.net.server_settings import ServerSettings
from muniment.net.server_text import quote


class ServerUnreachable(TransientError):
    """No server answers. The first connection of a run fails at once; a later one is tried again."""


class ServerSilent(ServerUnreachable):
    """The server accepted the connection and has sent nothing for `timeout` seconds."""


def dial(server: ServerSettings) -> socket.socket:
    """Connect to a server, with TLS if its settings say "tls".

    Returns:
        The connected socket.

    Raises:
        CertificateRefused: The certificate is not trusted, or the server waits for TLS.
        ServerUnreachable: No server answers now; it can help to wait.
        SourceError: There is no such host.
    """
    sock = _connect(server)
    server.on_event(ServerConnected(sock.getpeername()[0]))
    sock.settimeout(server.timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if server.secured_by == "tls":
        return _secured(sock, server)
    if not server.speaks_first:
        return sock
    try:
        _await_greeting(sock, server)
    except BaseException:
        sock.close()
        raise
    return sock


def _secured(sock: socket.socket, server: ServerSettings) -> socket.socket:
    try:
        return tls.secure(sock, server)
    except TransientError as error:
        if isinstance(error.__cause__, TimeoutError):
            raise lost(server, error.__cause__) from error
        raise


def _await_greeting(sock: socket.socket, server: ServerSettings) -> None:
    """Wait for the server's first line. Raises CertificateRefused if it expects TLS."""
    sock.settimeout(min(server.limits.greeting, server.timeout))
    try:
        sock.recv(1, socket.MSG_PEEK)
    except TimeoutError as error:
        if _speaks_tls(server):
            raise CertificateRefused(
                f"{server.address} speaks TLS from the start, so no password was sent: set `security` to "
                '"tls", or use the port for STARTTLS or STLS.'
            ) from error
    except OSError as error:
        raise lost(server, error) from error
    sock.settimeout(server.timeout)


def _speaks_tls(server: ServerSettings) -> bool:
    """Whether a port answers a TLS handshake. No secret is sent, so the certificate is not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        address = (server.host, server.port_number)
        with (
            socket.create_connection(address, min(server.limits.greeting, server.timeout)) as sock,
            context.wrap_socket(sock, server_hostname=server.host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # an alert is an answer in TLS
    except (OSError, ValueError):
        return False


def _connect(server: ServerSettings) -> socket.socket:
    try:
        return socket.create_connection((server.host, server.port_number), server.timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(server, error) from error
    except TimeoutError as error:
        raise ServerUnreachable(
            f"{server.address} does not answer in {server.timeout:g} s: check host, port and firewall."
        ) from error
    except ConnectionRefusedError as error:
        raise ServerUnreachable(
            f"{server.address} refuses connections: check that the server runs, and `port`."
        ) from error
    except OSError as error:
        raise ServerUnreachable(f"{server.address} can't be reached: {error.strerror or error}.") from error


def look_up(server: ServerSettings) -> list[str]:
    """The IP addresses of the server's host.

    Raises:
        ServerUnreachable: The name server does not answer now; it can help to wait.
        SourceError: There is no such host.
    """
    try:
        found = socket.getaddrinfo(server.host, server.port_number, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _unknown(server, error) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unknown(server: ServerSettings, error: Exception) -> SourceError:
    """The error for a host that could not be looked up."""
    if getattr(error, "errno", None) == socket.EAI_AGAIN:
        return ServerUnreachable(
            f"The name {server.host} can't be looked up now: check `host` and the network."
        )
    return SourceError(f"There is no host {server.host}: check `host` and the name server.")


def lost(
    server: ServerSettings, error: BaseException | None = None, farewell: str | bytes = ""
) -> TransientError:
    """The error for a connection that broke.

    Args:
        server: Its settings.
        error: What the network raised.
        farewell: The reason that the server gave when it ended the session.
    """
    if farewell:
        return TransientError(
            f"{server.address} ended the session ({quote(server, farewell)}): run again later."
        )
    if isinstance(error, TimeoutError):
        return ServerSilent(
            f"{server.address} sent nothing for {server.timeout:g} s: try again, or raise `timeout`."
        )
    return TransientError(f"The connection to {server.address} was lost: check the network, and run again.")
