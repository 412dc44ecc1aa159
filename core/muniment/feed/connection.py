"""A connection to a syslog receiver, and how it is known that the receiver has read everything.

Syslog has no acknowledgements. But a receiver answers the end of a connection with its own end, after it has
read what came before (RFC 5425 4.4), and its system resets a connection that is closed with unread bytes. So
events count as taken once a connection has ended in order: both ends were said, and each byte was
acknowledged by the receiver's system.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import ssl
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from muniment.errors import CertificateRefused, ConfigError
from muniment.feed.tls_line import TlsLine, is_cut
from muniment.net.dial import dial
from muniment.net.events import ConnectionEvent, Security
from muniment.net.limits import AnswerLimits
from muniment.net.retry import TransientError
from muniment.net.tls import check_fingerprint, explained, make_context

CONNECTING = 10.0
"""Longest time to connect, in seconds."""
SENDING = 60.0
"""Longest time to send a page of events, in seconds."""
ENDING = 30.0
"""Longest time until the receiver has read everything, in seconds."""
_STEP = 0.01
_MOST_READ = 64 * 1024
"""Bytes of a receiver, which should send none, after which it counts as no syslog receiver."""


class NotConfirmed(TransientError):
    """It is not certain that the receiver has read the events, so they must be sent again."""


@dataclass(frozen=True, slots=True)
class ReceiverEndpoint:
    """Where a receiver is, and how it is known. It is a `net.server_settings.ServerSettings`."""

    host: str
    port_number: int
    encrypted: bool = True
    ca_file: str = ""
    fingerprint: str = ""
    certificate: Path | None = None
    """PEM file with the certificate that this machine shows, and its key unless `key` has it."""
    key: Path | None = None
    timeout: float = CONNECTING
    secured_by: Security = "none"
    """TLS is started here, since this machine may have a certificate to show."""
    speaks_first: bool = False
    mailbox: str = ""
    password: str | None = None
    tokens: object | None = None

    @property
    def address(self) -> str:
        """Host and port; an IPv6 address is in brackets."""
        return f"[{self.host}]:{self.port_number}" if ":" in self.host else f"{self.host}:{self.port_number}"

    @property
    def limits(self) -> AnswerLimits:
        """A receiver answers nothing."""
        return AnswerLimits()

    @property
    def on_event(self) -> Callable[[ConnectionEvent], None]:
        """Steps of connecting are of no interest."""
        return lambda event: None


class SyslogConnection:
    """A connection to a receiver. A context that closes it."""

    def __init__(self, endpoint: ReceiverEndpoint, ending: float = ENDING) -> None:
        """Connect.

        Args:
            endpoint: The receiver.
            ending: Longest time until the receiver has read everything, in seconds.

        Raises:
            CertificateRefused: One of the certificates is refused, or the receiver does not speak TLS.
            ConfigError: The certificate of this machine can't be used.
            SourceError: The receiver can't be reached.
        """
        self._endpoint = endpoint
        self._ending = ending
        self._sock = dial(endpoint)
        self._line = _secured(self._sock, endpoint) if endpoint.encrypted else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            NotConfirmed: The connection broke.
        """
        self._sock.settimeout(SENDING)
        with self._named():
            if self._line is None:
                self._sock.sendall(data)
            else:
                self._line.send(data)

    def confirm(self) -> None:
        """End the connection, and wait until the receiver has read everything.

        Raises:
            CertificateRefused: The receiver refuses the certificate of this machine, or wants one.
            NotConfirmed: It is not certain that it has read everything.
        """
        ends = time.monotonic() + self._ending
        with self._named():
            self._require_listening()
            self._sock.settimeout(self._ending)
            self._end_tls(ends)
            self._sock.shutdown(socket.SHUT_WR)
            self._await_end(self._sock.recv, ends)
            await_acknowledged(self._sock, ends)

    def _require_listening(self) -> None:
        """Raise ConnectionError if the receiver has ended the connection before this side did.

        It may not have read everything then.
        """
        self._sock.settimeout(0)
        try:
            ended = not (self._line.receive() if self._line is not None else self._sock.recv(4096))
        except BlockingIOError:
            return
        except ssl.SSLError as error:
            if not is_cut(error):
                raise
            ended = True
        if ended:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the receiver ended it first")

    def _end_tls(self, ends: float) -> None:
        """Say the end of the events, and read the receiver's end of TLS.

        Some leave it out. That is accepted up to TLS 1.2 alone: in TLS 1.3, a receiver that refuses this
        machine's certificate can end the connection in the same way, after the handshake.
        """
        line = self._line
        if line is None:
            return
        line.end()
        try:
            self._await_end(lambda most: line.receive(), ends)
        except ssl.SSLError as error:
            if not is_cut(error) or line.version != "TLSv1.2":
                raise

    def _await_end(self, receive: Callable[[int], bytes], ends: float) -> None:
        read = 0
        while part := receive(4096):
            read += len(part)
            if time.monotonic() > ends:
                raise TimeoutError(errno.ETIMEDOUT, "it does not end")
            if read > _MOST_READ:
                raise ConnectionAbortedError(errno.ECONNABORTED, "it sends data, as no syslog receiver does")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn an error of the connection into one that says what to do."""
        address = self._endpoint.address
        try:
            yield
        except TimeoutError as error:
            raise NotConfirmed(
                f"{address} did not read the events in time, or does not end connections as RFC 5425 says: "
                "check that it works and speaks syslog over TLS."
            ) from error
        except ssl.SSLError as error:
            if "CERTIFICATE" in (error.reason or "") or "UNKNOWN_CA" in (error.reason or ""):
                raise CertificateRefused(
                    f"{address} refuses the certificate of this machine, or wants one: set `certificate` and "
                    "`key` to one that it trusts."
                ) from error
            raise NotConfirmed(_lost(address, error)) from error
        except OSError as error:
            raise NotConfirmed(_lost(address, error)) from error


def _lost(address: str, error: OSError) -> str:
    why = error.strerror or getattr(error, "reason", "") or type(error).__name__
    return f"The connection to {address} broke ({why}): check the receiver and the network."


def _secured(sock: socket.socket, endpoint: ReceiverEndpoint) -> TlsLine:
    """Start TLS. The socket is closed if that fails."""
    try:
        context = make_context(endpoint)
        _show_certificate(context, endpoint)
        with explained(endpoint), _spoken(endpoint):
            line = TlsLine(sock, context, endpoint.host)
            check_fingerprint(line.session, endpoint)
    except BaseException:
        sock.close()
        raise
    return line


@contextmanager
def _spoken(endpoint: ReceiverEndpoint) -> Iterator[None]:
    """Explain that the receiver does not speak TLS."""
    try:
        yield
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"):
            raise CertificateRefused(
                f"{endpoint.address} does not speak TLS: name its port for syslog over TLS, usually 6514, in "
                "`syslog`."
            ) from error
        raise


def _show_certificate(context: ssl.SSLContext, endpoint: ReceiverEndpoint) -> None:
    if endpoint.certificate is None:
        return
    try:
        # The password of an encrypted key would be asked for at a terminal that no person uses.
        context.load_cert_chain(endpoint.certificate, endpoint.key, password=lambda: b"")
    except ssl.SSLError:
        raise ConfigError(
            f"audit_feed: {endpoint.certificate} can't be used as a certificate; it must be a PEM file with "
            "the chain, and its private key must belong to it and not be encrypted"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"audit_feed: the certificate {endpoint.certificate} or its key can't be read: {error.strerror}"
        ) from None


def await_acknowledged(plain: socket.socket, ends: float) -> None:
    """Wait until the receiver's system has acknowledged each byte. Raises OSError if it never does."""
    while waiting := int.from_bytes(fcntl.ioctl(plain, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
        _require_whole(plain)
        if time.monotonic() > ends:
            raise TimeoutError(errno.ETIMEDOUT, f"{waiting} bytes are not acknowledged")
        time.sleep(_STEP)
    _require_whole(plain)


def _require_whole(plain: socket.socket) -> None:
    code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise ConnectionResetError(code, "the receiver closed it without reading everything")
