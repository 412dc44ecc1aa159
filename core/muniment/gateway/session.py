"""One SMTP connection: aiosmtpd's commands, with DATA and BDAT (RFC 3030) streamed to the spool."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from muniment.gateway.envelope import Recipient, facts, without_options
from muniment.gateway.hosting import Host, Limits
from muniment.gateway.local_peer import Address
from muniment.gateway.senders import Delivery, certificate_names
from muniment.gateway.spool import Incoming
from muniment.gateway.unstuff import Unstuffer

log = logging.getLogger("muniment.gateway")

COMMAND_LIMIT = 512
"""Bytes a command may have (RFC 5321 4.5.3.1.4)."""
ORIGINAL_LIMIT = 500
"""How many more RCPT may have with an ORCPT parameter (RFC 3461 4.2)."""
BUFFER = 64 * 1024
"""Bytes read ahead on a connection before its client has to wait (asyncio lets twice as many pass)."""
ALL = 1 << 30
"""More than is ever read ahead."""
FLUSH = 256 * 1024
"""Bytes of a message kept in memory; then they go to its file."""
NOT_KEPT = "451 4.3.1 The message could not be stored; try again later"
TOO_LARGE = "552 5.3.4 The message is larger than this mailbox takes"
CLOSING = b"421 4.3.2 Shutting down; try again later\r\n"
SILENT = b"421 4.4.2 Nothing was heard for too long\r\n"
GUESSING = b"421 4.7.0 Too many unknown mailboxes\r\n"
GUESSES = 50
"""Unknown mailboxes that a client may name: a journal address may be a secret."""
LINGER = 5.0
"""Seconds that a client has to read its goodbye."""
RECIPIENTS = 100
"""Recipients of one message (RFC 5321 4.5.3.1.8); a client then sends the message once more to the others."""
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
ENOUGH = b"421 4.3.2 Enough messages on one connection; connect again\r\n"
ERRORS = b"421 4.7.0 Too many errors\r\n"
TRICKLES = b"421 4.4.2 The message comes too slowly\r\n"
SLOW_AFTER = 600.0
"""Seconds after which a message must come at LEAST_RATE (RFC 5321 4.5.3.2 gives a client ten minutes)."""
LEAST_RATE = 1024
"""Bytes a second."""
CODED = re.compile(r"[245]\d\d [245]\.\d{1,3}\.\d{1,3}(?: |\Z)")
"""A reply with an enhanced status code (RFC 2034)."""
STATUS = {
    "250": "2.0.0", "220": "2.0.0", "221": "2.0.0", "214": "2.0.0", "451": "4.3.0", "454": "4.7.0",
    "500": "5.5.2", "501": "5.5.4", "552": "5.3.4", "553": "5.1.3", "554": "5.7.0", "555": "5.5.4",
}  # fmt: skip
"""The enhanced status codes of the library's own replies."""


_SIZE = re.compile(r"\sSIZE=(\d{1,18})(?:\s|\Z)", re.IGNORECASE)


class MailSession(SMTP):
    """The SMTP dialogue of one client."""

    line_length_limit = BUFFER

    def __init__(self, host: Host, limits: Limits, tls: ssl.SSLContext | None) -> None:
        # aiosmtpd shares these among all connections, and lets every EHLO raise them.
        self.command_size_limits = defaultdict(lambda: COMMAND_LIMIT)
        self._host = host
        self._limits = limits
        self._receiving = False
        self._delivery = Delivery("")
        self._unknown = self._errors = self._messages = 0
        self._greeting = True
        self.recipients: dict[str, Recipient] = {}
        """The recipients of the message under way, by their addresses as the client wrote them."""
        self._original = ""
        self._chunks: Incoming | None = None
        """The message that comes in chunks (BDAT)."""
        super().__init__(
            _Hooks(host),
            data_size_limit=limits.size,
            enable_SMTPUTF8=True,
            hostname=limits.hostname,
            ident="Muniment",
            tls_context=tls,
            timeout=limits.idle,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            loop=asyncio.get_running_loop(),
        )

    @property
    def peer(self) -> str:
        """The client's address, as the kernel tells it."""
        name = self.session.peer if self.session else None
        return str(name[0]) if isinstance(name, tuple) and name else ""

    @property
    def delivery(self) -> Delivery:
        """Who delivers, as far as is known by now."""
        names = ", ".join(certificate_names(self._shown))
        helo = printable(self.session.host_name or "") if self.session else ""
        return replace(self._delivery, helo=helo, certificate=names)

    @property
    def _shown(self) -> Mapping[str, Any] | None:
        """The client's certificate, where it has shown one and an authority vouches for it."""
        return self.transport.get_extra_info("peercert") if self.transport else None

    def _end(self, name: str) -> Address:
        """An end of the connection, as the kernel tells it."""
        found = self.transport.get_extra_info(name) if self.transport else None
        return (str(found[0]), int(found[1])) if isinstance(found, tuple) and len(found) > 1 else ("", 0)

    @property
    def in_transaction(self) -> bool:
        """Whether the client is between MAIL and the reply to its message."""
        return self._receiving or bool(self.envelope and self.envelope.mail_from)

    def dismiss(self, goodbye: bytes = CLOSING) -> None:
        """Say goodbye and hang up, whether or not the client listens."""
        transport = self.transport
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.write(goodbye)
            transport.close()
            self.loop.call_later(LINGER, transport.abort)

    def abort(self) -> None:
        """Hang up at once."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, or its TLS began."""
        super().connection_made(transport)
        self._host.entered(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._drop_chunks()
        self._host.left(self)
        super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """The client sends no more: what it has sent is still worked off, and answered.

        aiosmtpd would drop a message whose client has closed its side behind the last dot.
        """
        if self.session is not None and self.session.ssl is not None:
            return super().eof_received()  # TLS can't be closed on one side
        return asyncio.StreamReaderProtocol.eof_received(self)

    def _cb_client_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super()._cb_client_connected(reader, writer)
        read = reader.readuntil

        async def line_of(separator: bytes = b"\n") -> bytes:
            try:
                return await read(separator)
            except asyncio.IncompleteReadError:
                raise asyncio.CancelledError from None  # the dialogue ends where the client has ended it

        reader.readuntil = line_of  # type: ignore[method-assign, assignment]

    def _put_back(self, rest: bytes) -> None:
        """Let what was read too far be read again; all that was buffered has been read."""
        if rest and self._reader.at_eof():
            self._reader._buffer.extend(rest)  # type: ignore[attr-defined]  # none may be fed any more
        elif rest:
            self._reader.feed_data(rest)

    def _create_envelope(self) -> Envelope:
        """A transaction begins; what came of the one before is gone."""
        self.recipients = {}
        self._drop_chunks()
        return super()._create_envelope()

    def _drop_chunks(self) -> None:
        incoming, self._chunks = self._chunks, None
        if incoming is not None:
            self._host.forget(incoming)

    async def push(self, status: str | bytes) -> None:
        """Send a reply; a client that is refused one command after the other is sent away."""
        text = status if isinstance(status, str) else status.decode("utf-8", "replace")
        if not self._greeting and text[3:4] != "-" and not CODED.match(text):
            code = STATUS.get(text[:3], "5.5.1" if text[0] == "5" else "")
            text = f"{text[:3]} {code} {text[4:]}" if code else text
        await super().push(text)
        self._errors += text.startswith("5")
        if self._errors > self._limits.errors:
            log.info("sent %s away: it is refused one command after the other", self.peer)
            self.dismiss(ERRORS)

    async def _handle_client(self) -> None:
        self._delivery, refusal = self._host.admit(self._end("peername"), self._end("sockname"))
        if refusal:
            await self.push(refusal)
            self._hang_up()
            return
        await super()._handle_client()

    def _timeout_cb(self) -> None:
        log.info("%s was silent for too long", self.peer)
        self.dismiss(SILENT)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd finds commands by name
        """EHLO; one more does not raise the limits once more. Its replies have no status codes (RFC 2034)."""
        self.command_size_limits.clear()
        self.command_size_limits["RCPT"] = COMMAND_LIMIT + ORIGINAL_LIMIT
        self._greeting = bool(hostname)
        await super().smtp_EHLO(hostname)
        self._greeting = False

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        """HELO; as EHLO."""
        self._greeting = bool(hostname)
        await super().smtp_HELO(hostname)
        self._greeting = False

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """STARTTLS; what was begun before it is gone."""
        self._drop_chunks()
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Nobody logs in here: who may deliver is a matter of networks."""
        await self.push("502 5.5.1 AUTH is not offered")

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802
        """Tells nothing about addresses (RFC 5321 3.5.3)."""
        await self.push("252 2.5.0 Send some mail, and see")

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        """MAIL, for those who may send."""
        tls = self.session is not None and self.session.ssl is not None
        refusal = self._host.sender_refusal(self._delivery, self._shown, tls)
        size = _declared(arg)
        if not refusal and size <= self._limits.size:  # what is too large is refused for good
            refusal = self._host.short_of_room(self.peer, size)
        if refusal:
            await self.push(refusal)
            return
        left, _ = without_options(arg or "", ("RET", "ENVID"))
        await super().smtp_MAIL(left or arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        """RCPT; a client that guesses addresses is sent away.

        Not behind a chunk of the message (RFC 3030, 2), with which its envelope is kept.
        """
        if self._chunks is not None:
            await self.push("503 5.5.1 The message comes by BDAT already")
            return
        left, options = without_options(arg or "", ("ORCPT", "NOTIFY"))
        self._original = options.get("ORCPT", "")
        known = bool(self.recipients)
        await super().smtp_RCPT(left or arg)
        self._unknown += not known and not self.recipients
        if self._unknown > GUESSES:
            log.info("sent %s away: it names one unknown mailbox after the other", self.peer)
            self.dismiss(GUESSING)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Take a message; 250 says that it is on disk.

        Memory stays bounded whatever the message's size. A connection that breaks leaves nothing.
        """
        if await self.check_helo_needed():
            return
        if self.envelope is None or not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        if self._chunks is not None:
            await self.push("503 5.5.1 The message comes by BDAT already")
            return
        incoming = self._begun()
        self._receiving = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            reply = await self._receive(incoming)
        except BaseException:
            # What is left of the message must not be read as commands.
            self._host.forget(incoming)
            self._hang_up()
            raise
        finally:
            self._receiving = False
            self.envelope = self._create_envelope()
        await self._answer(reply)

    async def smtp_BDAT(self, arg: str) -> None:  # noqa: N802
        """Take a chunk of a message (RFC 3030); the reply to the last says that all of it is on disk.

        The bytes of a chunk are always read: they must not be taken for commands.
        """
        size, last = _chunk(arg)
        if size < 0:
            await self.push("501 5.5.4 Syntax: BDAT size [LAST]")
            self._hang_up()  # nothing says where the chunk ends
            return
        refusal = ""
        if self.session is None or not self.session.host_name:
            refusal = "503 5.5.1 Error: send HELO first"
        elif self.envelope is None or not self.envelope.rcpt_tos:
            refusal = "503 5.5.1 Error: need RCPT command"
        incoming = self._chunks
        if incoming is None and not refusal:
            incoming = self._chunks = self._begun()
        self._receiving = True
        try:
            refusal = await self._take_chunk(None if refusal else incoming, size, last) or refusal
        except BaseException:
            self._hang_up()
            raise
        finally:
            self._receiving = False
        if refusal or last or incoming is None:
            if not refusal:
                self._chunks = None  # it is kept
            self.envelope = self._create_envelope()
        if last and incoming is not None and not refusal:
            await self._answer(f"250 2.0.0 Kept as {incoming.name}")
        else:
            await self.push(refusal or f"250 2.0.0 {size} octets received")

    async def _take_chunk(self, incoming: Incoming | None, size: int, last: bool) -> str:
        """Read a chunk to its end; returns the reply that refuses the message, or ""."""
        left, refusal, began = size, "", self.loop.time()
        while left:
            block = await self._reader.read(min(left, BUFFER))
            if not block:
                raise asyncio.CancelledError
            left -= len(block)
            self._reset_timeout()
            self._hurry(size - left, began)
            if incoming is not None and not refusal:
                incoming.add(block)
                refusal = await self._spooled(incoming)
        if incoming is None or refusal or not last:
            return refusal
        refusal = await self._on_disk(incoming.commit)
        if not refusal:
            self._took(incoming)
        return refusal

    def _begun(self) -> Incoming:
        """A new message, with all that is known of it by now."""
        incoming = self._host.begin()
        incoming.delivery = self.delivery.facts()
        incoming.envelope = facts(
            (self.envelope.mail_from if self.envelope else "") or "",
            self.recipients.values(),
            self._limits.headers,
        )
        return incoming

    async def _answer(self, reply: str) -> None:
        """Say what became of a message; after many of them the client is to connect again."""
        await self.push(reply)
        self._messages += 1
        if self._messages >= self._limits.messages:
            self.dismiss(ENOUGH)

    def _hurry(self, size: int, began: float) -> None:
        """Hang up on a message that trickles: it keeps a place from others."""
        seconds = self.loop.time() - began
        if seconds > SLOW_AFTER and size < seconds * LEAST_RATE:
            log.info("sent %s away: its message comes too slowly", self.peer)
            self.dismiss(TRICKLES)
            raise asyncio.CancelledError

    def _took(self, incoming: Incoming) -> None:
        log.info("took %d bytes from %s as %s", incoming.size, self.peer, incoming.name)

    async def _receive(self, incoming: Incoming) -> str:
        """Read a message to its end, then see that it is kept; returns the reply."""
        stream = Unstuffer()
        refusal, read, began = "", 0, self.loop.time()
        while not stream.done:
            block = await self._reader.read(ALL)
            if not block:
                raise asyncio.CancelledError  # the client has gone in the middle of its message
            self._reset_timeout()
            read += len(block)
            self._hurry(read, began)
            body = stream.feed(block)
            if not refusal:
                incoming.add(body)
                refusal = await self._spooled(incoming)
        self._put_back(stream.rest)
        refusal = refusal or await self._on_disk(incoming.commit)
        if refusal:
            return refusal
        self._took(incoming)
        return f"250 2.0.0 Kept as {incoming.name}"

    async def _spooled(self, incoming: Incoming) -> str:
        """Bring a message's bytes to its file when they are many; returns the reply that refuses it."""
        if incoming.size > self._limits.size:
            await self._on_disk(incoming.discard)
            log.warning("refused a message of more than %d bytes from %s", self._limits.size, self.peer)
            return TOO_LARGE
        if incoming.held < FLUSH:
            return ""
        if refusal := self._host.short_of_room(self.peer, incoming.held):
            await self._on_disk(incoming.discard)
            return refusal
        return await self._on_disk(incoming.flush)

    async def _on_disk(self, work: Callable[[], None]) -> str:
        try:
            await self._host.on_disk(work)
        except OSError as error:
            log.error("could not store a message from %s: %s", self.peer, error.strerror)
            return NOT_KEPT
        return ""

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


def _chunk(arg: str | None) -> tuple[int, bool]:
    """Size of a chunk and whether it is the last, as BDAT says it; size -1 where it says neither."""
    size, *more = (arg or "").split()[:3] or [""]
    if not size.isascii() or not size.isdigit() or len(size) > 18:
        return -1, False
    if more and [word.upper() for word in more] != ["LAST"]:
        return -1, False
    return int(size), bool(more)


def _declared(arg: str | None) -> int:
    """The bytes that MAIL says the message has; 0 where it does not say."""
    found = _SIZE.search(arg or "")
    return int(found[1]) if found else 0


def printable(text: str) -> str:
    """A name that a client gave, without what is no ASCII character that prints."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:255])


class _Hooks:
    """What aiosmtpd asks about a command; one for each connection, since it looks hooks up by name."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        """What is offered: no AUTH, but pipelining (RFC 2920), since commands are read in order."""
        session.host_name = hostname
        offered = [reply for reply in replies if not reply.startswith("250-AUTH")]
        offered[1:1] = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-CHUNKING"]
        return offered

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whom mail is taken for. aiosmtpd's list is kept as well: it asks that for what may follow."""
        found = self._host.recipient(address)
        if found is None:
            return "550 5.1.1 No mailbox of that name here"
        assert isinstance(server, MailSession)
        if address not in server.recipients:
            if len(server.recipients) >= RECIPIENTS:
                return TOO_MANY_RECIPIENTS
            server.recipients[address] = replace(found, original=server._original)
            envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> Any:
        """A command that could not be read ends nothing, and is not repeated in the log."""
        log.error("a command could not be handled: %s", type(error).__name__)
        return "451 4.3.0 The command could not be handled"
