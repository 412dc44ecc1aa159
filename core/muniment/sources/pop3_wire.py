"""One POP3 session on a socket: RFC 1939, pipelined (RFC 2449), with STLS (RFC 2595)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.sources import tls
from muniment.sources.base import SPOOL_ABOVE, Item
from muniment.sources.endpoint import Endpoint, LoggedIn
from muniment.sources.limits import SHORT_ANSWER, Pace, most_bytes, overrun, too_much
from muniment.sources.network import dial, lost
from muniment.sources.oauth import Tokens, encoded, sasl
from muniment.sources.retry import Passing
from muniment.sources.work import spool_file

_RECEIVE = 256 * 1024
_LONGEST_LINE = 64 * 1024
WINDOW = 256
"""Commands in flight at most: 4 KB, so that sending never waits for the server to read on."""
_REFILL = 64


CHALLENGE = "+"
"""Stands for a server's SASL challenge."""


class Refused(Exception):
    """The server answered `-ERR`; the text is its reason, as it came."""


class Wire:
    """A connection that speaks POP3. What breaks it is raised as Passing."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket = dial(endpoint)
        self._chunk = memoryview(bytearray(_RECEIVE))
        self._buffer = bytearray()
        self._pace = Pace(endpoint)
        self.capabilities: frozenset[str] = frozenset()
        self.in_flight = 0
        """Commands sent and not answered; whoever leaves some must hang up."""

    def close(self) -> None:
        """Hang up without QUIT, which deletes nothing."""
        self._socket.close()

    # --- signing on -----------------------------------------------------------------------

    def sign_on(self) -> None:
        """Greeting, STLS, CAPA and login.

        Raises CertificateRefused, LoginRefused, SourceError, or Passing.
        """
        try:
            self.answer()
            if self._endpoint.secured_by == "starttls":
                self._start_tls()
            self._read_capabilities()
        except Refused as refusal:
            raise judge(self._endpoint, refusal) from refusal
        self._log_in()

    def _start_tls(self) -> None:
        try:
            self.command("STLS")
        except Refused as refusal:
            raise CertificateRefused(
                f"{self._endpoint.address} offers no STLS, so no password was sent: enable it there, "
                'or set `security` to "tls" and use the port for TLS.'
            ) from refusal
        if self._buffer:
            raise SourceError(
                f"{self._endpoint.address} sent data ahead of TLS; someone may be tampering with the line."
            )
        self._socket = tls.secure(self._socket, self._endpoint)

    def _read_capabilities(self) -> None:
        try:
            self.command("CAPA", multiline=True)
        except Refused:
            return
        lines = self.lines("CAPA", SHORT_ANSWER)
        self.capabilities = frozenset(line.decode("ascii", "replace").upper() for line in lines)

    def _log_in(self) -> None:
        endpoint = self._endpoint
        if any(c in f"{endpoint.mailbox}{endpoint.password}" for c in "\r\n\0"):
            raise LoginRefused("A mailbox name or password can't hold a line break: correct the profile.")
        try:
            if endpoint.tokens is not None:
                self._show_token(endpoint.tokens)
            else:
                self.command(f"USER {endpoint.mailbox}")
                self.command(f"PASS {endpoint.password}")
        except Refused as refusal:
            raise judge(endpoint, refusal, login=True) from refusal
        endpoint.tell(LoggedIn())

    def _show_token(self, tokens: Tokens) -> None:
        """Log in by an access token; one that is refused is renewed once. Raises Refused.

        Exchange Online wants the token on a line of its own (so does RFC 5034, 4, where it is long).
        """
        endpoint = self._endpoint
        offered = next((words.split() for words in self.capabilities if words.startswith("SASL ")), [])
        way = next((way for way in ("XOAUTH2", "OAUTHBEARER") if way in offered), None)
        if way is None:
            raise SourceError(f"{endpoint.address} takes no OAuth 2 tokens: use a password there.")
        for renew in (False, True):
            answer = encoded(sasl(way, endpoint, tokens.token(renew)))
            try:
                self._challenged(f"AUTH {way}")
                if self._challenged(answer):
                    self.command("")  # the server says why; an empty answer ends it with -ERR
                return
            except Refused as refusal:
                if renew or judge(endpoint, refusal, login=True).__class__ is not LoginRefused:
                    raise

    # --- commands ---------------------------------------------------------------------------

    def command(self, line: str, *, multiline: bool = False) -> str:
        """Send one command; returns the text after `+OK`. Raises Refused.

        With `multiline`, `lines` must be read to their end before the next command.
        """
        self._send([line])
        return self._reply(multiline=multiline)

    def _challenged(self, line: str) -> bool:
        """Send a line of a SASL exchange (RFC 5034); whether the server asks on. Raises Refused."""
        self._send([line])
        return self._reply(multiline=False, challenge=True) == CHALLENGE

    def pipeline(self, commands: Iterable[str]) -> Iterator[None]:
        """Send commands ahead of their answers; yields once for each answer that is due.

        The caller reads that answer (`command`'s own, by `answer` or `message`) before it goes on.
        Without PIPELINING each command waits for the answer to the one before.
        """
        window, refill = (WINDOW, _REFILL) if "PIPELINING" in self.capabilities else (1, 1)
        waiting = iter(commands)
        more = True
        while more or self.in_flight:
            while more and self.in_flight <= window - refill:
                batch = list(islice(waiting, refill))
                more = len(batch) == refill
                self._send(batch)
            if self.in_flight:
                yield

    def answer(self) -> str:
        """Read the one-line answer to a pipelined command. Raises Refused."""
        return self._reply(multiline=False)

    def message(self, item: Item) -> bytes | Path:
        """Read the answer to a pipelined RETR: bytes, or a file of the work folder when above SPOOL_ABOVE.

        Raises Refused; Overrun when it is far larger than announced; SourceError when the file can't be
        written.
        """
        self._reply(multiline=True)
        buffer = self._buffer
        searched = 0
        while (end := buffer.find(b"\r\n.\r\n", searched)) < 0 and len(buffer) <= SPOOL_ABOVE:
            searched = max(0, len(buffer) - 4)
            self._receive()
        if end < 0 or end > SPOOL_ABOVE:
            return self._spool(item)
        content = _unstuffed(bytes(memoryview(buffer)[: end + 2]))
        del buffer[: end + 5]
        return content[2:]

    def lines(self, command: str, most: int) -> Iterator[bytes]:
        """The lines of a multi-line answer to `command`, a few at a time off the wire.

        Raises SourceError when they have more than `most` bytes.
        """
        buffer = self._buffer
        while (end := buffer.find(b"\r\n.\r\n")) < 0:
            cut = buffer.rfind(b"\r\n")
            if cut > 0:
                block = bytes(buffer[2:cut])
                del buffer[:cut]
                most -= len(block)
                yield from block.split(b"\r\n")
            if most < 0:
                raise too_much(self._endpoint.address, command)
            self._require_short(len(buffer))
            self._receive()
        block = bytes(buffer[2:end]) if end else b""
        del buffer[: end + 5]
        if block:
            yield from block.split(b"\r\n")

    # --- bytes --------------------------------------------------------------------------------

    def _send(self, commands: list[str]) -> None:
        data = "".join(f"{command}\r\n" for command in commands).encode()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise lost(self._endpoint, error) from error
        self.in_flight += len(commands)

    def _reply(self, *, multiline: bool, challenge: bool = False) -> str:
        """The status line, or CHALLENGE where a server may ask on.

        Its line break stays when more follows: then a dot is always after one.
        """
        buffer = self._buffer
        self._pace.begin()
        while (end := buffer.find(b"\n")) < 0:
            self._require_short(len(buffer))
            self._receive()
        line = bytes(buffer[:end])
        self.in_flight = max(0, self.in_flight - 1)
        if line.startswith(b"-ERR"):
            del buffer[: end + 1]
            raise Refused(line[4:].strip().decode("utf-8", "replace"))
        if challenge and line.rstrip()[:2] in (b"+", b"+ "):
            del buffer[: end + 1]
            return CHALLENGE
        if not line.startswith(b"+OK"):
            raise self._not_pop3()
        buffer[: end + 1] = b"\r\n" if multiline else b""
        return line[3:].strip().decode("utf-8", "replace")

    def _spool(self, item: Item) -> Path:
        buffer, room = self._buffer, most_bytes(item.size)
        skip = 2
        with spool_file(self._endpoint.work) as (file, path):
            while (end := buffer.find(b"\r\n.\r\n")) < 0:
                # What may be the beginning of a stuffed or the last line waits for the rest of it.
                cut = buffer.find(b"\r", len(buffer) - 4)
                room -= cut if cut >= 0 else len(buffer)
                if room < 0:
                    raise overrun(self._endpoint, item)
                skip = self._drain(file, cut if cut >= 0 else len(buffer), skip)
                self._receive()
            self._drain(file, end + 2, skip)
        del buffer[:3]
        return path

    def _drain(self, file: BinaryIO, length: int, skip: int) -> int:
        piece = _unstuffed(bytes(memoryview(self._buffer)[:length]))
        file.write(piece[skip:])
        del self._buffer[:length]
        return max(0, skip - len(piece))

    def _require_short(self, length: int) -> None:
        if length > _LONGEST_LINE:
            raise self._not_pop3()

    def _not_pop3(self) -> SourceError:
        return SourceError(f"{self._endpoint.address} does not speak POP3: check `port` and `security`.")

    def _receive(self) -> None:
        try:
            count = self._pace.receive(lambda: self._socket.recv_into(self._chunk))
        except OSError as error:
            raise lost(self._endpoint, error) from error
        if not count:
            raise lost(self._endpoint)
        self._buffer += self._chunk[:count]


def _unstuffed(raw: bytes) -> bytes:
    """Without the dot that RFC 1939 puts before a line that begins with one."""
    return raw.replace(b"\r\n..", b"\r\n.")


def judge(endpoint: Endpoint, refusal: Refused, *, login: bool = False) -> SourceError:
    """What a refusal means (RFC 2449 and RFC 3206 response codes), as an error for people."""
    said = str(refusal)
    code = said[1:].partition("]")[0].upper() if said.startswith("[") else ""
    if code == "IN-USE" or (not code and "lock" in said.lower()):
        return Passing(
            f"The mailbox {endpoint.mailbox} is locked by another session: close it, or run again later."
        )
    if code in ("SYS/TEMP", "LOGIN-DELAY"):
        return Passing(f"{endpoint.address} can't serve {endpoint.mailbox} now ({said}): run again later.")
    if login and code != "SYS/PERM":
        return LoginRefused(
            f"{endpoint.address} refused the name {endpoint.mailbox} or its password: "
            "check `mailbox` and `password`."
            if endpoint.tokens is None
            else f"{endpoint.address} refused the token for {endpoint.mailbox}: see that the application, or "
            "whoever signed in, may open that mailbox."
        )
    return SourceError(f"{endpoint.address} refused the session ({said}): ask who runs that server.")
