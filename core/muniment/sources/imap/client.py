"""imaplib, with what it lacks: our own sockets, bounds on answers, and servers as they really are.

Servers that speak IMAP4rev2 alone, lines that end with LF alone, and what is said at a farewell.
"""

from __future__ import annotations

import ast
import imaplib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from muniment.errors import CertificateRefused, SourceError
from muniment.sources import tls
from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.endpoint import Endpoint
from muniment.sources.imap.text import words
from muniment.sources.limits import SHORT_ANSWER, Pace, too_much
from muniment.sources.network import dial, lost
from muniment.sources.retry import Passing
from muniment.sources.said import said

_LASTING = ("BYE", "READ-ONLY", "PREAUTH")
"""What an untagged response says of the session or the folder, not of one command."""
_LONGEST_LINE = 1_000_000
_RECEIVE = 256 * 1024
_QUOTED_AT_MOST = 10_000
"""Characters of a quoted answer that are read."""
_GREETED = re.compile(rb"\* (?:BYE|NO|BAD) ?(.*)\Z", re.DOTALL | re.IGNORECASE)


class Oversized(Exception):
    """The server sends far more than it announced: more than may be held in memory."""


class Client(imaplib.IMAP4):
    """imaplib on our own sockets, with a bound on what each answer may have.

    Raises Oversized rather than read an answer that memory can't take.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = bytearray()
        self._chunk = memoryview(bytearray(_RECEIVE))
        self._pace = Pace(endpoint)
        self._room = self._next_room = SHORT_ANSWER
        super().__init__(endpoint.host, endpoint.port_number, endpoint.timeout)

    def allow(self, most: int) -> None:
        """The next command's answer may have `most` bytes and a short answer's besides."""
        self._next_room = most + SHORT_ANSWER

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return dial(self._endpoint)

    def _command(self, name: str, *args: Any) -> bytes:
        self._room, self._next_room = self._next_room, SHORT_ANSWER
        self._pace.begin()
        # What was said before, unasked or ahead of TLS, is no answer to this, and would pile up.
        kept = {kind: said for kind, said in self.untagged_responses.items() if kind in _LASTING}
        self.untagged_responses = kept
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # imaplib has no other seam
        return tag

    def starttls(self, ssl_context: Any = None) -> Any:
        """STARTTLS (RFC 9051, 6.2.1): nothing that was said before it is believed after it."""
        answer = self._simple_command("STARTTLS")
        if answer[0] != "OK":
            raise self.error("STARTTLS is refused")
        if self._received:
            raise SourceError(
                f"{self._endpoint.address} sent data ahead of TLS; someone may be tampering with the line."
            )
        self.sock = tls.secure(self.sock, self._endpoint)
        self.untagged_responses = {}
        _, answered = self.capability()
        self.capabilities = tuple(sorted(words(answered)))
        return answer

    def farewell(self) -> bytes:
        """What the server said as it ended the session; b"" for nothing."""
        bye = self.untagged_responses.get("BYE")
        return bytes(bye[-1]) if bye and isinstance(bye[-1], bytes) else b""

    def alerts(self) -> list[bytes]:
        """What people are to be shown (RFC 9051, 7.1), as far as it came with the last command."""
        said = (*self.untagged_responses.get("OK", []), *self.untagged_responses.get("NO", []))
        return [line for line in said if isinstance(line, bytes) and line.upper().startswith(b"[ALERT]")]

    def _get_capabilities(self) -> None:
        super()._get_capabilities()  # type: ignore[misc]  # imaplib has no other seam
        if "IMAP4REV2" in self.capabilities and "IMAP4REV1" not in self.capabilities:
            self.capabilities = (*self.capabilities, "IMAP4REV1")  # all that is used here is in both

    def read(self, size: int) -> bytes:
        """A literal of `size` bytes. Raises Oversized."""
        if size > min(self._room, 2 * SPOOL_ABOVE):
            raise Oversized
        while len(self._received) < size:
            if not self._receive():
                break
        return self._taken(size)

    def readline(self) -> bytes:
        """A line with its end, CRLF even where the server sends LF alone.

        Raises Oversized; imaplib's error where it is longer than any may be.
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
            raise Oversized
        data = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return data

    def _receive(self) -> int:
        count = self._pace.receive(lambda: self.sock.recv_into(self._chunk))
        self._received += self._chunk[:count]
        return count


def connected(endpoint: Endpoint) -> Client:
    """A client that has been greeted. Raises SourceError; Passing where it may help to wait."""
    with translated(endpoint):
        try:
            client = Client(endpoint)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise Passing(
                f"{endpoint.address} takes no IMAP session now ({said(endpoint, reason(error))}): try later."
            ) from error
    if client.state == "AUTH" and endpoint.secured_by != "tls":
        client.shutdown()
        raise CertificateRefused(
            f"{endpoint.address} greets as if somebody had logged in (PREAUTH) on a line that TLS does not "
            'secure: set `security` to "tls" and use the port for TLS.'
        )
    return client


def reason(error: imaplib.IMAP4.error) -> str:
    """What the server said, of an error of imaplib's."""
    first = error.args[0] if error.args else ""
    if isinstance(first, bytes):
        greeted = _GREETED.match(first)
        return (greeted[1] if greeted else first).decode("utf-8", "replace")
    text = str(first)
    quoted = text.partition(" BAD [")[2]
    if quoted.endswith("]") and len(quoted) < _QUOTED_AT_MOST:  # as imaplib writes a list of bytes
        with suppress(ValueError, SyntaxError):
            return bytes(ast.literal_eval(quoted[:-1])).decode("utf-8", "replace")
    return text


@contextmanager
def translated(
    endpoint: Endpoint, client: Client | None = None, *, oversized: bool = False
) -> Iterator[None]:
    """Turn what imaplib raises, and numbers that are none, into our errors; not Oversized if `oversized`."""
    try:
        yield
    except Oversized as error:
        if oversized:
            raise
        raise too_much(endpoint.address, "an IMAP command") from error
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        raise SourceError(
            f"{endpoint.address} answered with a number or a date that is none: "
            "ask the people who run that server, or use POP3."
        ) from error
    except imaplib.IMAP4.abort as error:
        raise lost(endpoint, error.__context__, client.farewell() if client else b"") from error
    except imaplib.IMAP4.error as error:
        said_so = said(endpoint, reason(error))
        raise SourceError(f"{endpoint.address} answered what IMAP does not allow ({said_so}).") from error
    except OSError as error:
        raise lost(endpoint, error, client.farewell() if client else b"") from error
