"""One SMTP connection: aiosmtpd's dialogue, with DATA and BDAT (RFC 3030) streamed to the spool."""

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

from muniment.gateway.envelope import AcceptedRecipient, facts, without_options
from muniment.gateway.hosting import ConnectionLimits, GatewayHost
from muniment.gateway.local_peer import Address
from muniment.gateway.senders import DeliveringClient, certificate_names
from muniment.gateway.spool import IncomingMessage
from muniment.gateway.unstuff import DotUnstuffer

log = logging.getLogger("muniment.gateway")

COMMAND_LIMIT = 512
"""Bytes of a command (RFC 5321 4.5.3.1.4)."""
ORIGINAL_LIMIT = 500
"""Further bytes of an RCPT with an ORCPT parameter (RFC 3461 4.2)."""
BUFFER = 64 * 1024
"""Bytes that are read ahead on a connection before its client must wait. asyncio allows twice as many."""
ALL = 1 << 30
"""More bytes than are ever read ahead."""
FLUSH = 256 * 1024
"""Bytes of a message that are kept in memory before they are written to its file."""
NOT_KEPT = "451 4.3.1 The message could not be stored; try again later"
TOO_LARGE = "552 5.3.4 The message is larger than this mailbox accepts"
CLOSING = b"421 4.3.2 Shutting down; try again later\r\n"
SILENT = b"421 4.4.2 Timeout: nothing was received for too long\r\n"
GUESSING = b"421 4.7.0 Too many unknown mailboxes\r\n"
GUESSES = 50
"""Unknown mailboxes that a client may name on one connection. A journal address may be secret."""
LINGER = 5.0
"""Seconds that a client has to read the last reply."""
RECIPIENTS = 100
"""Recipients of one message (RFC 5321 4.5.3.1.8). A client sends the message again for the others."""
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
ENOUGH = b"421 4.3.2 Too many messages on one connection; connect again\r\n"
ERRORS = b"421 4.7.0 Too many errors\r\n"
TRICKLES = b"421 4.4.2 The message arrives too slowly\r\n"
LEAST_RATE = 1024
"""Bytes a second at which a message must arrive in the long run."""
CODED = re.compile(r"[245]\d\d [245]\.\d{1,3}\.\d{1,3}(?: |\Z)")
"""A reply with an enhanced status code (RFC 2034)."""
STATUS = {
    "250": "2.0.0", "220": "2.0.0", "221": "2.0.0", "214": "2.0.0", "451": "4.3.0", "454": "4.7.0",
    "500": "5.5.2", "501": "5.5.4", "552": "5.3.4", "553": "5.1.3", "554": "5.7.0", "555": "5.5.4",
}  # fmt: skip
"""The enhanced status codes of the library's own replies (RFC 3463)."""


_SIZE = re.compile(r"\sSIZE=(\d{1,18})(?:\s|\Z)", re.IGNORECASE)


class MailSession(SMTP):
    """The SMTP dialogue of one client. Runs on the gateway's event loop."""

    line_length_limit = BUFFER

    def __init__(self, host: GatewayHost, limits: ConnectionLimits, tls: ssl.SSLContext | None) -> None:
        # aiosmtpd shares these among all connections, and lets every EHLO raise them.
        self.command_size_limits = defaultdict(lambda: COMMAND_LIMIT)
        self._host = host
        self._limits = limits
        self._receiving = False
        self._delivery = DeliveringClient("")
        self._unknown = self._errors = self._messages = 0
        self._greeting = True
        self.recipients: dict[str, AcceptedRecipient] = {}
        """The recipients of the current message, by their addresses as the client wrote them."""
        self._original = ""
        self._chunks: IncomingMessage | None = None
        """The message that arrives in chunks (BDAT); None if there is none."""
        self._chunks_began, self._chunks_read = 0.0, 0
        """When the first bytes of this message were due, and how many have come in all its chunks."""
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
        """The client's IP address, from the kernel; "" before the connection is made."""
        name = self.session.peer if self.session else None
        return str(name[0]) if isinstance(name, tuple) and name else ""

    @property
    def delivery(self) -> DeliveringClient:
        """What is known by now of the client that delivers."""
        names = ", ".join(certificate_names(self._shown))
        helo = printable(self.session.host_name or "") if self.session else ""
        return replace(self._delivery, helo=helo, certificate=names)

    @property
    def _shown(self) -> Mapping[str, Any] | None:
        """The client's certificate if it presented one and an authority signed it; otherwise None."""
        return self.transport.get_extra_info("peercert") if self.transport else None

    def _end(self, name: str) -> Address:
        """One end of the connection, from the kernel. `name`: "peername" or "sockname"."""
        found = self.transport.get_extra_info(name) if self.transport else None
        return (str(found[0]), int(found[1])) if isinstance(found, tuple) and len(found) > 1 else ("", 0)

    @property
    def in_transaction(self) -> bool:
        """Whether the client is between MAIL and the reply to its message."""
        return self._receiving or bool(self.envelope and self.envelope.mail_from)

    def dismiss(self, goodbye: bytes = CLOSING) -> None:
        """Send a last reply and disconnect, whether or not the client reads it."""
        transport = self.transport
        if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
            transport.write(goodbye)
            transport.close()
            self.loop.call_later(LINGER, transport.abort)

    def abort(self) -> None:
        """Disconnect at once, without a reply."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected, or its connection changed to TLS."""
        super().connection_made(transport)
        self._host.entered(self)

    def connection_lost(self, error: Exception | None) -> None:
        """A client left; what it had begun to send is dropped."""
        self._drop_chunks()
        self._host.left(self)
        super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """The client has stopped sending. What it has sent is still handled and answered.

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
                raise asyncio.CancelledError from None  # the client has ended the dialogue

        reader.readuntil = line_of  # type: ignore[method-assign, assignment]

    def _put_back(self, rest: bytes) -> None:
        """Return bytes that were read too far, so that they are read again. The buffer is empty now."""
        if rest and self._reader.at_eof():
            self._reader._buffer.extend(rest)  # type: ignore[attr-defined]  # feed_data is forbidden at the end
        elif rest:
            self._reader.feed_data(rest)

    def _create_envelope(self) -> Envelope:
        """Begin a transaction. The rest of the previous one is dropped."""
        self.recipients = {}
        self._drop_chunks()
        return super()._create_envelope()

    def _drop_chunks(self) -> None:
        incoming, self._chunks = self._chunks, None
        if incoming is not None:
            self._host.forget(incoming)

    async def push(self, status: str | bytes) -> None:
        """Send a reply. A client with too many refused commands is disconnected."""
        text = status if isinstance(status, str) else status.decode("utf-8", "replace")
        if not self._greeting and text[3:4] != "-" and not CODED.match(text):
            code = STATUS.get(text[:3], "5.5.1" if text[0] == "5" else "")
            text = f"{text[:3]} {code} {text[4:]}" if code else text
        await super().push(text)
        self._errors += text.startswith("5")
        if self._errors > self._limits.errors:
            log.info("disconnected %s: too many of its commands were refused", self.peer)
            self.dismiss(ERRORS)

    async def _handle_client(self) -> None:
        self._delivery, refusal = self._host.admit(self._end("peername"), self._end("sockname"))
        if refusal:
            await self.push(refusal)
            self._hang_up()
            return
        await super()._handle_client()

    def _timeout_cb(self) -> None:
        log.info("disconnected %s: it sent nothing for too long", self.peer)
        self.dismiss(SILENT)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd finds commands by name
        """EHLO. A second one does not raise the limits again. Its replies have no status codes (RFC 2034)."""
        self.command_size_limits.clear()
        self.command_size_limits["RCPT"] = COMMAND_LIMIT + ORIGINAL_LIMIT
        self._greeting = bool(hostname)
        await super().smtp_EHLO(hostname)
        self._greeting = False

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
        """HELO, without the extensions of EHLO."""
        self._greeting = bool(hostname)
        await super().smtp_HELO(hostname)
        self._greeting = False

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """STARTTLS. A message that was begun before it is dropped."""
        self._drop_chunks()
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Refuse AUTH: the networks decide who may deliver, and there are no passwords."""
        await self.push("502 5.5.1 AUTH is not offered")

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802
        """VRFY says nothing about addresses (RFC 5321 3.5.3)."""
        await self.push("252 2.5.0 Addresses are not verified; send the message")

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802
        """MAIL, for clients that may deliver and while the disk has room."""
        tls = self.session is not None and self.session.ssl is not None
        refusal = self._host.sender_refusal(self._delivery, self._shown, tls)
        size = _declared(arg)
        if not refusal and size <= self._limits.size:  # the library refuses a larger one for good
            refusal = self._host.short_of_room(self.peer, size)
        if refusal:
            await self.push(refusal)
            return
        left, _ = without_options(arg or "", ("RET", "ENVID"))
        await super().smtp_MAIL(left or arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        """RCPT. A client that guesses addresses is disconnected.

        It is refused after the first chunk of a message (RFC 3030 2), with which the envelope is kept.
        """
        if self._chunks is not None:
            await self.push("503 5.5.1 The message is already being sent by BDAT")
            return
        left, options = without_options(arg or "", ("ORCPT", "NOTIFY"))
        self._original = options.get("ORCPT", "")
        known = bool(self.recipients)
        await super().smtp_RCPT(left or arg)
        self._unknown += not known and not self.recipients
        if self._unknown > GUESSES:
            log.info("disconnected %s: it named too many unknown mailboxes", self.peer)
            self.dismiss(GUESSING)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Take a message. The reply 250 means that it is on disk.

        Memory is bounded for a message of any size. A connection that breaks leaves nothing.
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
            await self.push("503 5.5.1 The message is already being sent by BDAT")
            return
        incoming = self._begin()
        self._receiving = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            reply = await self._receive(incoming)
        except BaseException:
            # The rest of the message must not be read as commands.
            self._host.forget(incoming)
            self._hang_up()
            raise
        finally:
            self._receiving = False
            self.envelope = self._create_envelope()
        await self._answer(reply)

    async def smtp_BDAT(self, arg: str) -> None:  # noqa: N802
        """Take a chunk of a message (RFC 3030). The reply to the last one means that all of it is on disk.

        The bytes of a chunk are always read, so that they are never taken for commands.
        """
        size, last = _chunk(arg)
        if size < 0:
            await self.push("501 5.5.4 Syntax: BDAT size [LAST]")
            self._hang_up()  # where the chunk ends is unknown
            return
        refusal = ""
        if self.session is None or not self.session.host_name:
            refusal = "503 5.5.1 Error: send HELO first"
        elif self.envelope is None or not self.envelope.rcpt_tos:
            refusal = "503 5.5.1 Error: need RCPT command"
        incoming = self._chunks
        if incoming is None and not refusal:
            incoming = self._chunks = self._begin()
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
                self._chunks = None  # it is in the spool
            self.envelope = self._create_envelope()
        if last and incoming is not None and not refusal:
            await self._answer(f"250 2.0.0 Kept as {incoming.name}")
        else:
            await self.push(refusal or f"250 2.0.0 {size} octets received")

    async def _take_chunk(self, incoming: IncomingMessage | None, size: int, last: bool) -> str:
        """Read a chunk to its end. Returns the reply that refuses the message, or ""."""
        left, refusal = size, ""
        if incoming is None or not incoming.size:
            self._chunks_began, self._chunks_read = self.loop.time(), 0
        while left:
            block = await self._reader.read(min(left, BUFFER))
            if not block:
                raise asyncio.CancelledError
            left -= len(block)
            self._reset_timeout()
            self._chunks_read += len(block)
            self._hurry(self._chunks_read, self._chunks_began)
            if incoming is not None and not refusal:
                incoming.add(block)
                refusal = await self._spooled(incoming)
        if incoming is None or refusal or not last:
            return refusal
        refusal = await self._on_disk(incoming.commit)
        if not refusal:
            self._took(incoming)
        return refusal

    def _begin(self) -> IncomingMessage:
        """A new message with everything that is known of it by now."""
        incoming = self._host.begin()
        incoming.delivery = self.delivery.facts()
        incoming.envelope = facts(
            (self.envelope.mail_from if self.envelope else "") or "",
            self.recipients.values(),
            self._limits.headers,
        )
        return incoming

    async def _answer(self, reply: str) -> None:
        """Reply to a message. After many messages the client must connect again."""
        await self.push(reply)
        self._messages += 1
        if self._messages >= self._limits.messages:
            self.dismiss(ENOUGH)

    def _hurry(self, size: int, began: float) -> None:
        """Disconnect a client whose message arrives too slowly: it takes a place from others."""
        seconds = self.loop.time() - began
        if seconds > self._limits.slow_after and size < seconds * LEAST_RATE:
            log.info("disconnected %s: its message arrives too slowly", self.peer)
            self.dismiss(TRICKLES)
            raise asyncio.CancelledError

    def _took(self, incoming: IncomingMessage) -> None:
        log.info("received %d bytes from %s as %s", incoming.size, self.peer, incoming.name)

    async def _receive(self, incoming: IncomingMessage) -> str:
        """Read a message to its end and wait until it is on disk. Returns the reply."""
        stream = DotUnstuffer()
        refusal, read, began = "", 0, self.loop.time()
        while not stream.done:
            block = await self._reader.read(ALL)
            if not block:
                raise asyncio.CancelledError  # the client disconnected in the middle of its message
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

    async def _spooled(self, incoming: IncomingMessage) -> str:
        """Write a message's bytes to its file when there are many.

        Returns the reply that refuses it, or "".
        """
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
    """Size of a chunk and whether it is the last, from BDAT's argument; size -1 if it can't be read."""
    size, *more = (arg or "").split()[:3] or [""]
    if not size.isascii() or not size.isdigit() or len(size) > 18:
        return -1, False
    if more and [word.upper() for word in more] != ["LAST"]:
        return -1, False
    return int(size), bool(more)


def _declared(arg: str | None) -> int:
    """The SIZE parameter of MAIL in bytes (RFC 1870); 0 if there is none."""
    found = _SIZE.search(arg or "")
    return int(found[1]) if found else 0


def printable(text: str) -> str:
    """A name that a client gave, with `?` for everything but printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:255])


class _Hooks:
    """aiosmtpd's hooks for commands.

    One object for each connection, since aiosmtpd looks hooks up by name.
    """

    def __init__(self, host: GatewayHost) -> None:
        self._host = host

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        """The extensions that are offered: no AUTH, but pipelining (RFC 2920): commands are read in order."""
        session.host_name = hostname
        offered = [reply for reply in replies if not reply.startswith("250-AUTH")]
        offered[1:1] = ["250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-CHUNKING"]
        return offered

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient or refuse it.

        aiosmtpd's own list is filled too, since it decides which commands may follow.
        """
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
        """A command that fails does not end the connection, and its text is not written to the log."""
        log.error("a command could not be handled: %s", type(error).__name__)
        return "451 4.3.0 The command could not be handled"
