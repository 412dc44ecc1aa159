"""One POP3 session on a socket: RFC 1939, with pipelining (RFC 2449), STLS (RFC 2595) and UTF8 (RFC 6856).

Some servers end their lines with LF only. The status line of each answer shows which line end it uses.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.net import tls
from muniment.net.dial import dial, lost
from muniment.net.events import LoggedIn
from muniment.net.limits import SHORT_ANSWER, AnswerPace, too_much
from muniment.net.oauth import TokenSource, encoded, sasl
from muniment.net.retry import TransientError
from muniment.net.server_text import quote
from muniment.sources.base import SPOOL_ABOVE, MailItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.mail_limits import overrun
from muniment.sources.spool_files import spool_file

_RECEIVE = 256 * 1024
_LONGEST_LINE = 64 * 1024
WINDOW = 256
"""Most commands without an answer: 4 KB, so that sending never waits for the server to read them."""
_REFILL = 64
USUAL_DELAY = 60
"""Seconds between two logins if a server demands a delay and does not say how long."""
LONGEST_DELAY = 900
"""Longest wait between two logins, in seconds."""
_LAST_LINE = b"\r\n.\r\n"
_LAST_LINE_LF = re.compile(rb"\n\.\r?\n")

CHALLENGE = "+"
"""What `Pop3Wire._reply` returns for a SASL challenge of the server."""


class Pop3Refused(Exception):
    """The server answered `-ERR`. The text is its reason, unchanged."""


class Pop3Wire:
    """A POP3 connection. Every method can raise TransientError if the connection breaks."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket = dial(endpoint)
        self._chunk = memoryview(bytearray(_RECEIVE))
        self._buffer = bytearray()
        self._pace = AnswerPace(endpoint)
        self._eol = b"\r\n"
        self.capabilities: frozenset[str] = frozenset()
        self.delay = 0
        """Seconds that the server demands between two logins; 0 if it does not say."""
        self.utf8 = False
        """Whether the server sends mail with UTF-8 in its header unchanged."""
        self.in_flight = 0
        """Number of commands without an answer. If some are left, the connection must be closed."""

    def close(self) -> None:
        """Close the connection without QUIT, so that nothing is deleted."""
        self._socket.close()

    # --- signing on -----------------------------------------------------------------------

    def sign_on(self) -> None:
        """Read the greeting, then send STLS, CAPA, UTF8 and the login.

        CAPA comes again after the login, since the server behind a proxy can offer more.

        Raises:
            CertificateRefused: The connection can't be secured.
            LoginRefused: The server refuses the name, the password or the token.
            SourceError: The server can't be used.
            TransientError: It can help to try again.
        """
        try:
            self.answer()
            if self._endpoint.secured_by == "starttls":
                self._start_tls()
            self._read_capabilities()
        except Pop3Refused as refusal:
            raise judge(self._endpoint, refusal) from refusal
        self._ask_for_utf8()
        self._log_in()
        if self.capabilities:
            self._read_capabilities()

    def _start_tls(self) -> None:
        try:
            self.command("STLS")
        except Pop3Refused as refusal:
            raise CertificateRefused(
                f"{self._endpoint.address} offers no STLS, so no password was sent: enable it there, "
                'or set `security` to "tls" and use the port for TLS.'
            ) from refusal
        if self._buffer:
            raise SourceError(
                f"{self._endpoint.address} sent data before TLS; someone may be tampering with the "
                "connection."
            )
        self._socket = tls.secure(self._socket, self._endpoint)

    def _read_capabilities(self) -> None:
        try:
            self.command("CAPA", multiline=True)
        except Pop3Refused:
            return
        lines = self.lines("CAPA", SHORT_ANSWER)
        self.capabilities = frozenset(line.decode("ascii", "replace").strip().upper() for line in lines)
        delays = (words.split()[1] for words in self.capabilities if words.startswith("LOGIN-DELAY "))
        self.delay = next((int(one) for one in delays if one.isdecimal() and len(one) < 9), self.delay)

    def offers(self, capability: str) -> bool:
        """Whether the answer to CAPA has this capability, with or without arguments."""
        return any(words.split(" ", 1)[0] == capability for words in self.capabilities)

    def _ask_for_utf8(self) -> None:
        """Ask for mail with UTF-8 in its header unchanged (RFC 6856, 2), before the login."""
        if self.offers("UTF8"):
            with suppress(Pop3Refused):
                self.command("UTF8")
                self.utf8 = True

    def _log_in(self) -> None:
        endpoint = self._endpoint
        if any(c in f"{endpoint.mailbox}{endpoint.password}" for c in "\r\n\0"):
            raise LoginRefused("A mailbox name or password can't contain a line break: correct the profile.")
        try:
            if endpoint.tokens is not None:
                self._log_in_by_token(endpoint.tokens)
            else:
                self.command(f"USER {endpoint.mailbox}")
                self.command(f"PASS {endpoint.password}")
        except Pop3Refused as refusal:
            raise judge(endpoint, refusal, login=True, delay=self.delay) from refusal
        endpoint.on_event(LoggedIn())

    def _log_in_by_token(self, tokens: TokenSource) -> None:
        """Log in with an access token; a refused one is renewed once. Raises Pop3Refused.

        The token is sent on a line of its own: Exchange Online demands it, and RFC 5034, 4, for long ones.
        """
        endpoint = self._endpoint
        offered = next((words.split() for words in self.capabilities if words.startswith("SASL ")), [])
        way = next((way for way in ("XOAUTH2", "OAUTHBEARER") if way in offered), None)
        if way is None:
            raise SourceError(f"{endpoint.address} does not accept OAuth 2 tokens: use a password there.")
        for renew in (False, True):
            answer = encoded(sasl(way, endpoint, tokens.token(renew)))
            try:
                self._challenged(f"AUTH {way}")
                if self._challenged(answer):
                    self.command("")  # the challenge is the reason; an empty answer to it brings -ERR
                return
            except Pop3Refused as refusal:
                if renew or judge(endpoint, refusal, login=True).__class__ is not LoginRefused:
                    raise

    # --- commands ---------------------------------------------------------------------------

    def command(self, line: str, *, multiline: bool = False) -> str:
        """Send one command.

        Args:
            line: The command, without a line end.
            multiline: The answer has more lines. Read `lines` to their end before the next command.

        Returns:
            The text after `+OK`.

        Raises:
            Pop3Refused: The server answered `-ERR`.
        """
        self._send([line])
        return self._reply(multiline=multiline)

    def _challenged(self, line: str) -> bool:
        """Send a line of a SASL exchange (RFC 5034); returns whether a challenge came. Raises Pop3Refused."""
        self._send([line])
        return self._reply(multiline=False, challenge=True) == CHALLENGE

    def pipeline(self, commands: Iterable[str]) -> Iterator[None]:
        """Send commands without waiting for their answers.

        Without PIPELINING (RFC 2449, 6.6) each command waits for the answer to the one before.

        Yields:
            None, once for each answer that is due. The caller must read it, with `answer` or `message`.
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
        """Read the one-line answer to a pipelined command; returns the text after `+OK`. Raises
        Pop3Refused."""
        return self._reply(multiline=False)

    def message(self, item: MailItem) -> bytes | Path:
        """Read the answer to a pipelined RETR.

        Returns:
            The message, or above SPOOL_ABOVE a file in the work folder that has it.

        Raises:
            Pop3Refused: The server answered `-ERR`.
            ServerOverrun: The message is far larger than announced.
            SourceError: The file can't be written.
        """
        self._reply(multiline=True)
        buffer = self._buffer
        searched = 0
        while not (end := self._end(searched)) and len(buffer) <= SPOOL_ABOVE:
            searched = max(0, len(buffer) - 4)
            self._receive()
        if not end or end[0] > SPOOL_ABOVE:
            return self._spool(item)
        skip = len(self._eol)
        content = _unstuffed(bytes(memoryview(buffer)[: end[0] + skip]), self._eol)
        del buffer[: end[1]]
        return content[skip:]

    def lines(self, command: str, most: int) -> Iterator[bytes]:
        """The lines of a multi-line answer, read in small blocks.

        Args:
            command: What the answer is to, for errors.
            most: Largest number of bytes.

        Raises:
            SourceError: The answer has more than `most` bytes.
        """
        buffer, eol = self._buffer, self._eol
        while not (end := self._end()):
            cut = buffer.rfind(eol)
            if cut > 0:
                block = bytes(buffer[len(eol) : cut])
                del buffer[:cut]
                most -= len(block)
                yield from block.split(eol)
            if most < 0:
                raise too_much(self._endpoint.address, command)
            self._require_short(len(buffer))
            self._receive()
        block = bytes(buffer[len(eol) : end[0]])
        del buffer[: end[1]]
        if block:
            yield from block.split(eol)

    # --- bytes --------------------------------------------------------------------------------

    def _send(self, commands: list[str]) -> None:
        data = "".join(f"{command}\r\n" for command in commands).encode()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise lost(self._endpoint, error) from error
        self.in_flight += len(commands)

    def _reply(self, *, multiline: bool, challenge: bool = False) -> str:
        """Read the status line; returns its text after `+OK`, or CHALLENGE if that is allowed and came.

        With `multiline` its line end stays in the buffer, so that the final dot always follows a line end.
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
            raise Pop3Refused(line[4:].strip().decode("utf-8", "replace"))
        if challenge and line.rstrip()[:2] in (b"+", b"+ "):
            del buffer[: end + 1]
            return CHALLENGE
        if not line.startswith(b"+OK"):
            raise self._not_pop3()
        self._eol = b"\r\n" if line.endswith(b"\r") else b"\n"
        buffer[: end + 1] = self._eol if multiline else b""
        return line[3:].strip().decode("utf-8", "replace")

    def _end(self, searched: int = 0) -> tuple[int, int] | None:
        """The span of the answer's last line, with the line end before it; None if it has not arrived."""
        if self._eol == b"\r\n":
            start = self._buffer.find(_LAST_LINE, searched)
            return (start, start + len(_LAST_LINE)) if start >= 0 else None
        found = _LAST_LINE_LF.search(self._buffer, searched)
        return found.span() if found else None

    def _spool(self, item: MailItem) -> Path:
        buffer, room = self._buffer, self._endpoint.limits.most_bytes(item.size)
        skip = len(self._eol)
        with spool_file(self._endpoint.work) as (file, path):
            while not (end := self._end()):
                # The end of the buffer stays: it can be the beginning of a stuffed line or of the last one.
                cut = buffer.find(self._eol[:1], len(buffer) - 4)
                room -= cut if cut >= 0 else len(buffer)
                if room < 0:
                    raise overrun(self._endpoint, item)
                skip = self._drain(file, cut if cut >= 0 else len(buffer), skip)
                self._receive()
            start = end[0] + len(self._eol)
            self._drain(file, start, skip)
        del buffer[: end[1] - start]
        return path

    def _drain(self, file: BinaryIO, length: int, skip: int) -> int:
        piece = _unstuffed(bytes(memoryview(self._buffer)[:length]), self._eol)
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


def _unstuffed(raw: bytes, eol: bytes) -> bytes:
    """Remove the dot that RFC 1939 adds to a line that begins with one."""
    return raw.replace(eol + b"..", eol + b".")


def judge(
    endpoint: ServerEndpoint, refusal: Pop3Refused, *, login: bool = False, delay: int = 0
) -> SourceError:
    """The error that explains a refusal, by its response code (RFC 2449, RFC 3206).

    Args:
        endpoint: The server.
        refusal: What it answered.
        login: Whether the refused command belonged to the login.
        delay: Seconds that the server demands between two logins; 0 if not known.
    """
    text = str(refusal)
    code = text[1:].partition("]")[0].upper() if text.startswith("[") else ""
    words = quote(endpoint, text)
    if code == "IN-USE" or (not code and "lock" in text.lower()):
        return TransientError(
            f"The mailbox {endpoint.mailbox} is locked by another session ({words}): close it, or run again "
            "later."
        )
    if code == "LOGIN-DELAY":
        return _too_soon(endpoint, words, delay or USUAL_DELAY)
    if code == "SYS/TEMP":
        return TransientError(
            f"{endpoint.address} can't serve {endpoint.mailbox} now ({words}): run again later."
        )
    if login and code != "SYS/PERM":
        return LoginRefused(
            f"{endpoint.address} refused the name {endpoint.mailbox} or its password ({words}): "
            "check `mailbox` and `password`."
            if endpoint.tokens is None
            else f"{endpoint.address} refused the token for {endpoint.mailbox} ({words}): check that the "
            "application, or the person who signed in, is allowed to open that mailbox."
        )
    return SourceError(
        f"{endpoint.address} refused the session ({words}): ask the people who run that server."
    )


def _too_soon(endpoint: ServerEndpoint, words: str, delay: int) -> SourceError:
    """The error for a login that came too soon after the last one."""
    sentence = f"{endpoint.address} demands {delay:,} s between two logins ({words}): "
    if delay > LONGEST_DELAY:
        return SourceError(f"{sentence}run again later, and set `every` to more than that.")
    return TransientError(f"{sentence}run again later.", wait=delay)
