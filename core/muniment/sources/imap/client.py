"""imaplib with what it lacks: our own sockets, limits on answers, and support for unusual servers.

It supports servers that know only IMAP4rev2, and lines that end with LF only. It keeps the text of a server
that ends the session.
"""

from __future__ import annotations

import ast
import imaplib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

from muniment.errors import CertificateRefused, SourceError
from muniment.net import tls
from muniment.net.dial import dial, lost
from muniment.net.limits import SHORT_ANSWER, AnswerPace, too_much
from muniment.net.retry import TransientError
from muniment.net.server_text import quote
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.imap.text import words

_LASTING = ("BYE", "READ-ONLY", "PREAUTH")
"""Untagged responses that concern the session or the folder, not one command."""
_LONGEST_LINE = 1_000_000
_RECEIVE = 256 * 1024
_QUOTED_AT_MOST = 10_000
"""Most characters of a quoted answer that are parsed."""
_GREETED = re.compile(rb"\* (?:BYE|NO|BAD) ?(.*)\Z", re.DOTALL | re.IGNORECASE)


class AnswerTooLarge(Exception):
    """The server sends far more than it announced, and more than fits in memory."""


class MailLiteral(Protocol):
    """A message that is sent piece by piece."""

    def __len__(self) -> int: ...
    def pieces(self) -> Iterator[bytes]:
        """Its bytes."""


class ImapClient(imaplib.IMAP4):
    """imaplib on our own sockets, with a limit on the bytes of each answer.

    It raises AnswerTooLarge for an answer above that limit.
    """

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._received = bytearray()
        self._chunk = memoryview(bytearray(_RECEIVE))
        self._pace = AnswerPace(endpoint)
        self._room = self._next_room = SHORT_ANSWER
        super().__init__(endpoint.host, endpoint.port_number, endpoint.timeout)

    def allow(self, most: int) -> None:
        """Let the next command's answer have `most` bytes more than a short answer."""
        self._next_room = most + SHORT_ANSWER

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return dial(self._endpoint)

    def _command(self, name: str, *args: Any) -> bytes:
        self._room, self._next_room = self._next_room, SHORT_ANSWER
        self._pace.begin()
        # Older responses do not answer this command, and would accumulate.
        kept = {kind: lines for kind, lines in self.untagged_responses.items() if kind in _LASTING}
        self.untagged_responses = kept
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # imaplib has no other seam
        return tag

    def starttls(self, ssl_context: Any = None) -> Any:
        """Start TLS, and forget everything that the server sent before it (RFC 9051, 6.2.1)."""
        answer = self._simple_command("STARTTLS")
        if answer[0] != "OK":
            raise self.error("STARTTLS is refused")
        if self._received:
            raise SourceError(
                f"{self._endpoint.address} sent data before TLS; someone may be tampering with the "
                "connection."
            )
        self.sock = tls.secure(self.sock, self._endpoint)
        self.untagged_responses = {}
        _, answered = self.capability()
        self.capabilities = tuple(sorted(words(answered)))
        return answer

    def farewell(self) -> bytes:
        """The text with which the server ended the session (BYE); b"" if there is none."""
        bye = self.untagged_responses.get("BYE")
        return bytes(bye[-1]) if bye and isinstance(bye[-1], bytes) else b""

    def alerts(self) -> list[bytes]:
        """Texts for people (ALERT; RFC 9051, 7.1) that came with the last command."""
        lines = (*self.untagged_responses.get("OK", []), *self.untagged_responses.get("NO", []))
        return [line for line in lines if isinstance(line, bytes) and line.upper().startswith(b"[ALERT]")]

    def _get_capabilities(self) -> None:
        super()._get_capabilities()  # type: ignore[misc]  # imaplib has no other seam
        if "IMAP4REV2" in self.capabilities and "IMAP4REV1" not in self.capabilities:
            self.capabilities = (*self.capabilities, "IMAP4REV1")  # everything that is used here is in both

    def read(self, size: int) -> bytes:
        """Read a literal of `size` bytes. Raises AnswerTooLarge."""
        if size > min(self._room, 2 * SPOOL_ABOVE):
            raise AnswerTooLarge
        while len(self._received) < size:
            if not self._receive():
                break
        return self._taken(size)

    def readline(self) -> bytes:
        """Read a line with its end, which is CRLF even if the server sends only LF.

        Raises:
            AnswerTooLarge: The answer is longer than allowed.
            imaplib.IMAP4.error: The line is longer than any honest one.
        """
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > _LONGEST_LINE:
                raise self.error(f"a line of more than {_LONGEST_LINE} bytes")
            if not self._receive():
                return self._taken(searched)
        self._pace.line()
        line = self._taken(end + 1)
        return line if line.endswith(b"\r\n") else line[:-1] + b"\r\n"

    def _taken(self, size: int) -> bytes:
        self._room -= size
        if self._room < 0:
            raise AnswerTooLarge
        data = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return data

    def append_exactly(self, folder: str, flags: str, date: str, mail: MailLiteral) -> tuple[str, list[Any]]:
        """Append a message to a folder. imaplib would end a line at each CR, and needs all bytes at once."""
        self.literal = cast(Any, mail)
        kind, data = self._simple_command("APPEND", folder, flags, date)
        return str(kind), list(data)

    def send(self, data: Any) -> None:
        """Send bytes, or the pieces of a literal."""
        pieces = data.pieces() if hasattr(data, "pieces") else (data,)
        for piece in pieces:
            super().send(piece)

    def _receive(self) -> int:
        count = self._pace.receive(lambda: self.sock.recv_into(self._chunk))
        self._received += self._chunk[:count]
        return count


def connected(endpoint: ServerEndpoint) -> ImapClient:
    """Connect to a server, and read its greeting.

    Raises:
        CertificateRefused: The connection can't be secured.
        TransientError: It can help to try again.
        SourceError: The server can't be used.
    """
    with translated(endpoint):
        try:
            client = ImapClient(endpoint)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise TransientError(
                f"{endpoint.address} accepts no IMAP session now ({quote(endpoint, reason(error))}): run "
                "again later."
            ) from error
    if client.state == "AUTH" and endpoint.secured_by != "tls":
        client.shutdown()
        raise CertificateRefused(
            f"{endpoint.address} sends PREAUTH, as if someone had logged in, on a connection without TLS: "
            'set `security` to "tls" and use the port for TLS.'
        )
    return client


def reason(error: imaplib.IMAP4.error) -> str:
    """The server's text in an error of imaplib."""
    first = error.args[0] if error.args else ""
    if isinstance(first, bytes):
        greeted = _GREETED.match(first)
        return (greeted[1] if greeted else first).decode("utf-8", "replace")
    text = str(first)
    quoted = text.partition(" BAD [")[2]
    if quoted.endswith("]") and len(quoted) < _QUOTED_AT_MOST:  # as imaplib writes a list of bytes
        with suppress(ValueError, SyntaxError):
            written = ast.literal_eval(quoted[:-1])
            return written.decode("utf-8", "replace") if isinstance(written, bytes) else text
    return text


@contextmanager
def translated(
    endpoint: ServerEndpoint, client: ImapClient | None = None, *, oversized: bool = False
) -> Iterator[None]:
    """Turn errors of imaplib, and errors of parsing, into SourceError or TransientError.

    Args:
        endpoint: The server.
        client: The connection, whose BYE explains why it ended.
        oversized: Let AnswerTooLarge pass unchanged.
    """
    try:
        yield
    except AnswerTooLarge as error:
        if oversized:
            raise
        raise too_much(endpoint.address, "an IMAP command") from error
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        raise SourceError(
            f"{endpoint.address} sent an invalid number or date: "
            "ask the people who run that server, or use POP3."
        ) from error
    except imaplib.IMAP4.abort as error:
        raise lost(endpoint, error.__context__, client.farewell() if client else b"") from error
    except imaplib.IMAP4.error as error:
        why = quote(endpoint, reason(error))
        raise SourceError(f"{endpoint.address} sent an answer that is not valid IMAP ({why}).") from error
    except OSError as error:
        raise lost(endpoint, error, client.farewell() if client else b"") from error
