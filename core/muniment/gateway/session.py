"""One SMTP connection: aiosmtpd's commands, with DATA streamed to the spool."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session

from muniment.gateway.local_peer import Address
from muniment.gateway.senders import Delivery, certificate_names
from muniment.gateway.spool import Incoming
from muniment.gateway.unstuff import Unstuffer

log = logging.getLogger("muniment.gateway")

COMMAND_LIMIT = 512
"""Bytes a command may have (RFC 5321 4.5.3.1.4)."""
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
"""Recipients of one message that are remembered: more only repeat them."""


class Host(Protocol):
    """What a connection asks of the gateway that it belongs to."""

    def admit(self, client: Address, server: Address) -> tuple[Delivery, str]:
        """Who a new client is, and the reply that turns it away, or ""."""

    def sender_refusal(self, delivery: Delivery, shown: Mapping[str, Any] | None, tls: bool) -> str:
        """The reply to a client that may not send mail, by the certificate it has shown, or ""."""

    def takes(self, address: str) -> bool:
        """Whether mail for this address is taken."""

    def begin(self) -> Incoming:
        """A new message in the spool."""

    async def on_disk(self, work: Callable[[], None]) -> None:
        """Do blocking work outside the event loop; it goes on even when the caller is cancelled."""

    def forget(self, incoming: Incoming) -> None:
        """Discard a message, soon."""

    def entered(self, session: MailSession) -> None:
        """A connection was made."""

    def left(self, session: MailSession) -> None:
        """A connection was lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do, and how it greets."""

    hostname: str
    size: int
    """Bytes of a message."""
    idle: float
    """Seconds without a command, or without more of a message."""


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
        self._unknown = 0
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
        """EHLO; one more does not raise the limits once more."""
        self.command_size_limits.clear()
        await super().smtp_EHLO(hostname)

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
        if refusal:
            await self.push(refusal)
            return
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802
        """RCPT; a client that guesses addresses is sent away."""
        known = len(self.envelope.rcpt_tos) if self.envelope else 0
        await super().smtp_RCPT(arg)
        self._unknown += self.envelope is not None and len(self.envelope.rcpt_tos) == 0 == known
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
        incoming = self._host.begin()
        incoming.delivery = self.delivery.facts()
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
        await self.push(reply)

    async def _receive(self, incoming: Incoming) -> str:
        """Read a message to its end, then see that it is kept; returns the reply."""
        stream = Unstuffer()
        refusal = ""
        while not stream.done:
            block = await self._reader.read(ALL)
            if not block:
                raise asyncio.CancelledError  # the client has gone in the middle of its message
            self._reset_timeout()
            body = stream.feed(block)
            if not refusal:
                incoming.add(body)
                refusal = await self._spooled(incoming)
        self._put_back(stream.rest)
        refusal = refusal or await self._on_disk(incoming.commit)
        if refusal:
            return refusal
        log.info("took %d bytes from %s as %s", incoming.size, self.peer, incoming.name)
        return f"250 2.0.0 Kept as {incoming.name}"

    async def _spooled(self, incoming: Incoming) -> str:
        """Bring a message's bytes to its file when they are many; returns the reply that refuses it."""
        if incoming.size > self._limits.size:
            await self._on_disk(incoming.discard)
            log.warning("refused a message of more than %d bytes from %s", self._limits.size, self.peer)
            return TOO_LARGE
        if incoming.held >= FLUSH:
            return await self._on_disk(incoming.flush)
        return ""

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
        offered.insert(1, "250-PIPELINING")
        return offered

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Only the journal addresses themselves."""
        if not self._host.takes(address):
            return "550 5.1.1 No mailbox of that name here"
        if address not in envelope.rcpt_tos and len(envelope.rcpt_tos) < RECIPIENTS:
            envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> Any:
        """A command that could not be read ends nothing, and is not repeated in the log."""
        log.error("a command could not be handled: %s", type(error).__name__)
        return "451 4.3.0 The command could not be handled"
