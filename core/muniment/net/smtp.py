"""SMTP clients with limits on the size and the slowness of a server's replies.

smtplib collects a reply of any number of lines, and its time limit starts again with every byte.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time

MOST_BYTES = 64 * 1024
"""Most bytes of one reply."""
MOST_LINES = 100
"""Most lines of one reply. RFC 5321 has no limit; answers to EHLO have about 20."""
_AT_ONCE = 4096


class ReplyRefused(smtplib.SMTPServerDisconnected):
    """A reply is too long or too slow, so the connection is closed. `str(error)` is a sentence part."""


class SmtpClient(smtplib.SMTP):
    """An smtplib.SMTP whose replies have limits. Each reply, and the whole dialogue, has a deadline.

    A reply beyond a limit closes the connection and raises ReplyRefused.
    """

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        local_hostname: str | None = None,
        *,
        seconds: float,
        whole: float,
    ) -> None:
        """Connect, if there is a host.

        Args:
            host: Host name or IP address.
            port: The TCP port.
            local_hostname: The name to greet with; None for this machine's.
            seconds: Longest time to connect, for one write, and for one reply.
            whole: Longest time for all replies together, from now on.
        """
        self._seconds = seconds
        self._ends = time.monotonic() + whole
        super().__init__(host, port, local_hostname, timeout=seconds)

    def getreply(self) -> tuple[int, bytes]:
        """The code and the text of the next reply. Raises ReplyRefused and the errors of smtplib."""
        # smtplib drops `file` with all that it has buffered when TLS begins.
        if not isinstance(self.file, _ReplyLines):
            assert self.sock is not None
            self.file = _ReplyLines(self.sock)
        lines = self.file
        lines.begin(min(time.monotonic() + self._seconds, self._ends))
        try:
            return super().getreply()
        except smtplib.SMTPServerDisconnected:
            if lines.refused:
                raise ReplyRefused(lines.refused) from None
            raise
        finally:
            if self.sock is not None:
                self.sock.settimeout(self._seconds)


class SmtpTlsClient(SmtpClient):
    """The same for a server that speaks TLS from the start."""

    def __init__(
        self,
        host: str,
        port: int,
        local_hostname: str | None,
        *,
        seconds: float,
        whole: float,
        context: ssl.SSLContext,
    ) -> None:
        """Connect. `context` checks the certificate; the rest is that of SmtpClient."""
        self._context = context
        super().__init__(host, port, local_hostname, seconds=seconds, whole=whole)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # smtplib.SMTP_SSL does the same.
        plain = socket.create_connection((host, port), timeout)
        try:
            return self._context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


class _ReplyLines:
    """The lines of replies, as smtplib reads them from a file."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held = bytearray()
        self._ends = 0.0
        self._bytes = 0
        self._lines = 0
        self.refused = ""
        """Why the present reply is not read further."""

    def begin(self, ends: float) -> None:
        """Start a reply, which must be complete at `ends` on the monotonic clock."""
        self._ends = ends
        self._bytes = self._lines = 0

    def readline(self, most: int) -> bytes:
        """The next line, or less at the end of the connection or above `most` bytes.

        Raises:
            OSError: `refused` says why the reply is not read further, or the connection broke.
        """
        while (end := self._held.find(b"\n") + 1) == 0:
            if len(self._held) >= most:
                raise self._refuse("the server's reply has a line without an end")
            if not (piece := self._receive()):
                break
            self._held += piece
        line = bytes(self._held[: end or len(self._held)])
        del self._held[: len(line)]
        self._bytes += len(line)
        self._lines += 1
        if self._bytes > MOST_BYTES or self._lines > MOST_LINES:
            raise self._refuse("the server's reply has no end")
        return line

    def _receive(self) -> bytes:
        left = self._ends - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            return self._sock.recv(_AT_ONCE)
        except TimeoutError:
            raise self._refuse("the server takes too long to reply") from None

    def _refuse(self, why: str) -> OSError:
        self.refused = why
        return OSError(why)

    def close(self) -> None:
        """Forget what was received; smtplib closes the socket."""
        self._held.clear()
