"""TLS on a connected socket, with each record that arrives in sight.

The end of an `ssl.SSLSocket` takes an alert for an end in order, such as the refusal of a certificate in
TLS 1.3, which comes after the handshake. Here the two are distinguished.
"""

from __future__ import annotations

import socket
import ssl

_PIECE = 16 * 1024
"""Bytes of a record (RFC 8446 5.1)."""


def is_cut(error: ssl.SSLError) -> bool:
    """Return whether a connection has ended without a word.

    Early releases of Python 3.11 raise no SSLEOFError for it, but have OpenSSL's reason.
    """
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"


class TlsLine:
    """An encrypted connection. The timeout is that of its socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Do the handshake. The socket stays the caller's.

        Raises:
            OSError: It failed, such as an ssl.SSLError.
        """
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._in, self._out, server_hostname=host)
        while True:
            try:
                self.session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._read()
            except ssl.SSLError:
                self._flush()  # the alert that says why
                raise
        self.version = self.session.version()
        """The version of TLS, such as "TLSv1.3"."""
        self._flush()

    def send(self, data: bytes) -> None:
        """Send bytes. Raises OSError if that fails."""
        for start in range(0, len(data), _PIECE):
            self.session.write(data[start : start + _PIECE])
            self._flush()

    def receive(self) -> bytes:
        """The next bytes; none if the other side has said its end.

        Raises:
            ssl.SSLError: The connection ended without such a word (`is_cut`).
            OSError: It failed, or the other side has sent an alert.
        """
        while True:
            try:
                return self.session.read(4096)
            except ssl.SSLWantReadError:
                self._read()
            except ssl.SSLZeroReturnError:
                return b""

    def end(self) -> None:
        """Say that nothing more is sent. Raises OSError if that fails."""
        try:
            self.session.unwrap()
        except ssl.SSLWantReadError:
            self._flush()

    def _flush(self) -> None:
        if self._out.pending:
            self._sock.sendall(self._out.read())

    def _read(self) -> None:
        part = self._sock.recv(65536)
        if part:
            self._in.write(part)
        else:
            self._in.write_eof()
