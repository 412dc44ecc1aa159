"""The embedded SMTP server: journal reports are on disk before they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muniment.errors import MunimentError
from muniment.gateway.certificate import GatewayCertificate
from muniment.gateway.disk import DiskReserve
from muniment.gateway.envelope import AcceptedMailboxes, AcceptedRecipient
from muniment.gateway.hosting import ConnectionLimits
from muniment.gateway.listening import BACKLOG, close_sockets, not_listening, open_sockets
from muniment.gateway.local_peer import Address
from muniment.gateway.refused import client_of, refused_at
from muniment.gateway.senders import DeliveringClient, SenderCheck, SenderRules
from muniment.gateway.session import MailSession
from muniment.gateway.spool import SYNCS, IncomingMessage, Spool

log = logging.getLogger("muniment.gateway")

POLL = 0.02
"""Seconds between two checks of connections that are ending."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens, for which addresses, and where its spool is."""

    spool: Path
    addresses: tuple[str, ...]
    """Journal addresses, compared without regard to case. `gateway.envelope` says which others are
    accepted."""
    host: str = "127.0.0.1"
    port: int = 25
    """0 for any free port."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks of clients that may deliver (CIDR)."""
    local_users: tuple[str, ...] = ()
    """Login names that may deliver from this machine, besides root and the user who runs the gateway."""
    client_names: tuple[str, ...] = ()
    """A remote client's certificate must have one of these names. Empty: no certificate is asked for."""
    client_authority: str = ""
    """PEM file of the authorities that sign clients' certificates; "" for those of the system."""
    any_recipient: bool = False
    """Whether mail for any address is accepted: copies with their original envelope."""
    envelope_headers: tuple[str, ...] = ()
    """Header fields in which clients write the envelope of a message."""
    size_limit: int = 150 * 1024 * 1024
    """Largest message in bytes."""
    reserve: int = 0
    """Bytes that must stay free on the spool's disk."""
    certificate: Path | None = None
    """PEM file with the chain and, unless `key` is given, the private key. It enables STARTTLS."""
    key: Path | None = None
    hostname: str = ""
    """The name in the greeting; "" for that of this machine."""
    max_connections: int = 200
    max_connections_of_one: int = 50
    """Connections of one client (of one /64 in IPv6), so that it can't block the others."""
    messages: int = 5000
    """Messages on one connection."""
    errors: int = 100
    """Refused commands on one connection."""
    idle_timeout: float = 300.0
    """Seconds that a client may send nothing."""
    slow_after: float = 600.0
    """Seconds after which a message must arrive at a steady rate (RFC 5321 4.5.3.2: ten minutes)."""
    sockets: tuple[socket.socket, ...] = ()
    """Sockets that are open already (systemd), used instead of `host` and `port`."""


class SmtpGateway:
    """An SMTP server in its own thread. It accepts mail without SPF, DMARC or any filter.

    `start` and `stop` are for the owner. All other methods are those of `hosting.GatewayHost`.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        """Prepare the gateway. It does not listen yet.

        Raises:
            ConfigError: a network or the certificate can't be used.
        """
        self._settings = settings
        hostname = settings.hostname or socket.gethostname()
        self._mailboxes = AcceptedMailboxes(settings.addresses, hostname, settings.any_recipient)
        rules = SenderRules(settings.networks, settings.local_users, settings.client_names)
        self._senders = SenderCheck(rules, refused_at(settings.spool))
        self._certificate = _certificate(settings)
        self._limits = ConnectionLimits(
            hostname=hostname,
            size=settings.size_limit,
            idle=settings.idle_timeout,
            messages=settings.messages,
            errors=settings.errors,
            slow_after=settings.slow_after,
            headers=settings.envelope_headers,
        )
        self._reserve = DiskReserve(settings.spool, settings.reserve)
        self._spool = Spool(settings.spool)
        self._sessions: set[MailSession] = set()
        self._grace = 0.0
        self._port = 0

    @property
    def port(self) -> int:
        """The port on which it listens; 0 while it is not started."""
        return self._port

    @property
    def serves(self) -> bool:
        """Whether clients can connect now."""
        return bool(self._port) and self._thread.is_alive()

    def start(self) -> None:
        """Listen. Returns once clients can connect.

        Raises:
            ConfigError: it can't listen on this address and port.
            VaultError: the spool can't be written.
        """
        given = self._settings.sockets
        sockets = given or open_sockets(self._settings.host, self._settings.port)
        try:
            self._spool.open()
            self._start(sockets)
        except BaseException as error:
            if not given:
                close_sockets(sockets)
            if isinstance(error, MunimentError) or not isinstance(error, Exception):
                raise
            raise not_listening(*_place(self._settings), error) from None

    def _start(self, sockets: tuple[socket.socket, ...]) -> None:
        started: Future[int] = Future()
        self._pool = ThreadPoolExecutor(SYNCS, thread_name_prefix="gateway-spool")
        self._thread = threading.Thread(
            target=self._main, args=(sockets, started), name="gateway", daemon=True
        )
        try:
            self._thread.start()
            self._port = started.result()
        except Exception:
            if self._thread.ident is not None:
                self._thread.join()
            self._end()
            raise

    def stop(self, grace: float = 10.0) -> None:
        """Stop listening, let messages that are arriving finish, and disconnect all clients.

        Safe to call twice, and before `start`.

        Args:
            grace: seconds that clients have to finish.
        """
        if not self._port:
            return
        self._port = 0
        self._grace = grace
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._end()

    def __enter__(self) -> SmtpGateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # The methods of GatewayHost, called on the thread of the event loop.

    def admit(self, client: Address, server: Address) -> tuple[DeliveringClient, str]:
        """Decide whether a new client may connect."""
        peer = client[0]
        one = client_of(peer)
        peers = sum(client_of(session.peer) == one for session in self._sessions)
        if len(self._sessions) > self._settings.max_connections:
            return DeliveringClient(peer), self._senders.turn_away(peer, "there are too many connections")
        if peers > self._settings.max_connections_of_one:
            return DeliveringClient(peer), self._senders.turn_away(
                peer, "this client has too many connections"
            )
        return self._senders.admit(client, server)

    def sender_refusal(self, delivery: DeliveringClient, shown: Mapping[str, Any] | None, tls: bool) -> str:
        """The reply to a client that may not send mail, or ""."""
        return self._senders.certificate_refusal(delivery, shown, tls)

    def recipient(self, address: str) -> AcceptedRecipient | None:
        """The recipient that an address means here; None if no mail is accepted for it."""
        return self._mailboxes.recipient(address)

    def short_of_room(self, peer: str, size: int = 0) -> str:
        """The reply that refuses a message of `size` bytes because the disk is too full, or ""."""
        return self._senders.short_of_room(peer) if self._reserve.lacks(size) else ""

    def begin(self) -> IncomingMessage:
        """Begin a new message in the spool."""
        return self._spool.begin()

    async def on_disk(self, work: Callable[[], None]) -> None:
        """Do blocking work outside the event loop. It continues even if the caller is cancelled."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))

    def forget(self, incoming: IncomingMessage) -> None:
        """Discard a message in another thread, without waiting."""
        self._pool.submit(incoming.discard)

    def entered(self, session: MailSession) -> None:
        """Note that a connection was made, or changed to TLS."""
        self._sessions.add(session)

    def left(self, session: MailSession) -> None:
        """Note that a connection ended."""
        self._sessions.discard(session)

    def _main(self, sockets: tuple[socket.socket, ...], started: Future[int]) -> None:
        # aiosmtpd's own log repeats commands and addresses as clients send them.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
        try:
            asyncio.run(self._serve(sockets, started))
        except BaseException as error:  # noqa: BLE001 - who waits for the start must get an answer
            if started.done():
                log.error("the gateway has ended: an unexpected error (%s)", type(error).__name__)
            else:
                started.set_exception(error)

    async def _serve(self, sockets: tuple[socket.socket, ...], started: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        servers: list[asyncio.Server] = []
        try:
            for sock in sockets:
                servers.append(await self._loop.create_server(self._session, sock=sock, backlog=BACKLOG))
            started.set_result(sockets[0].getsockname()[1])
            await self._stopping.wait()
            await self._accept_no_more(servers)
        finally:
            for server in servers:
                server.close()
        await self._drain()

    async def _accept_no_more(self, servers: Iterable[asyncio.Server]) -> None:
        """Leave new clients to the next listener, and let those that were accepted become sessions.

        asyncio forgets a client whose server is closed between these two, and leaves its connection open.
        """
        for server in servers:
            for sock in server.sockets:
                self._loop.remove_reader(sock)
        await asyncio.sleep(POLL)

    def _session(self) -> MailSession:
        return MailSession(self, self._limits, self._certificate.context() if self._certificate else None)

    async def _drain(self) -> None:
        """Close connections: those without a message at once, the others when it is on disk."""
        deadline = self._loop.time() + self._grace
        while self._sessions and self._loop.time() < deadline:
            for session in list(self._sessions):
                if not session.in_transaction:
                    session.dismiss()
            await asyncio.sleep(POLL)
        for session in list(self._sessions):
            session.abort()
        await asyncio.sleep(POLL)

    def _end(self) -> None:
        """Finish work on disk that was begun."""
        self._pool.shutdown(wait=True)
        self._spool.close()


def _place(settings: GatewaySettings) -> tuple[str, int]:
    """Address and port on which the gateway should listen."""
    if not settings.sockets:
        return settings.host, settings.port
    host, port = settings.sockets[0].getsockname()[:2]
    return str(host), int(port)


def _certificate(settings: GatewaySettings) -> GatewayCertificate | None:
    if settings.certificate is None:
        return None
    authority = settings.client_authority if settings.client_names else None
    return GatewayCertificate(settings.certificate, settings.key, authority)
