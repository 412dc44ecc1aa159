"""The service's end of the connection: HTTP on a Unix socket, for all users of the machine.

The kernel says who the caller is; nothing that the caller sends can change that. The event loop reads and
writes. Pools of threads run the handlers, one pool for calls and one for streams, so a long stream or a slow
client delays no other. The next reply of a stream is made only after the client has read the last one, so
a slow client uses no memory. After a state (`api.base.StateWord`) the next reply is made only when the client
asks for it, so no buffer holds an old state.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from muniment.api import Request, WireWord
from muniment.client import protocol as wire
from muniment.client.protocol import Other
from muniment.client.socket_path import peer_of
from muniment.errors import UsageError, VaultError, VaultLocked
from muniment.service.host.client_register import ClientRegister
from muniment.service.transport.log_quota import LogQuota
from muniment.service.transport.request_execution import OpenEngine, RequestExecution

log = logging.getLogger("muniment.service")

quiet = logging.getLogger("muniment.service.http")
"""The library's messages about malformed requests and early ends. They quote the client, so they are not
logged."""
quiet.setLevel(logging.CRITICAL)

REQUEST_LIMIT = 8 * 1024 * 1024
"""Largest request, in bytes."""
HALF_SENT = 10.0
"""Seconds within which a whole request must arrive."""
CALLS, STREAMS = 8, 32
"""Threads for calls and for streams."""
OWN_CALLS, OWN_STREAMS = 4, 8
"""Calls and streams that one user may have at a time. Further ones wait for their turn."""
CONNECTIONS = 64
"""Connections that one user may have at a time, other than the vault's owner or root. As many again get an
error. Further ones are aborted, so no user can use up the open files."""
STALLED = 300.0
"""Seconds after which a client that reads nothing counts as gone. A client that does not ask for the next
state keeps its connection, since it may be suspended, but loses its turn to others."""

PATHS = (wire.CALL, wire.STREAM, wire.RETIRE, wire.YIELD)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a server allows its clients."""

    half_sent: float = HALF_SENT
    """Seconds within which a whole request must arrive."""
    own_streams: int = OWN_STREAMS
    """Streams that one user may have at a time."""
    connections: int = CONNECTIONS
    """Connections that one user may have at a time; as many again get an error."""
    stalled: float = STALLED
    """Seconds after which a client that reads nothing counts as gone."""
    beat: float = wire.BEAT
    """Seconds between two empty frames while the server is at work."""


LIMITS = ServerLimits()


class Server:
    """Answers requests on one socket. All but `idle` is for the thread of the event loop."""

    def __init__(
        self,
        engine_for: OpenEngine,
        implicit: bool,
        leave: Callable[[bool], bool],
        limits: ServerLimits = LIMITS,
        clients: ClientRegister | None = None,
    ) -> None:
        """Make a server; `listen` begins.

        Args:
            engine_for: makes an engine for a caller.
            implicit: whether a client started the service.
            leave: is called to end the service, with whether another service takes over; returns whether it
                ends.
            limits: what clients may do.
            clients: takes note of connections that begin and end.
        """
        self.clients = clients or ClientRegister()
        self.limits = limits
        self._engine_for = engine_for
        self._implicit = implicit
        self._leave = leave
        self._pools = {
            wire.CALL: ThreadPoolExecutor(CALLS, "call"),
            wire.STREAM: ThreadPoolExecutor(STREAMS, "stream"),
        }
        self._turns = {
            wire.CALL: defaultdict[int, asyncio.Semaphore](partial(asyncio.Semaphore, OWN_CALLS)),
            wire.STREAM: defaultdict[int, asyncio.Semaphore](partial(asyncio.Semaphore, limits.own_streams)),
        }
        self.connections: Counter[int] = Counter()
        """Open connections by user id."""
        self._open = 0
        self._quiet_since = time.monotonic()
        self._closing = asyncio.Event()
        self._quota = LogQuota()
        self._web = _Web(self)
        self._site: asyncio.Server | None = None

    @property
    def idle(self) -> float:
        """Seconds since the last request; 0 while one is being answered."""
        return 0.0 if self._open else time.monotonic() - self._quiet_since

    async def listen(self, listener: socket.socket) -> None:
        """Begin to answer on a bound socket."""
        self._site = await asyncio.get_running_loop().create_unix_server(self._web, sock=listener)

    async def close(self) -> None:
        """Stop listening, end all streams, and wait for the requests in hand."""
        self._stop_listening()
        self._closing.set()
        await self._web.shutdown(self.limits.half_sent)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        line = request.protocol
        assert isinstance(line, ServerConnection)
        if request.method != "POST" or request.path not in PATHS:
            return self._refused(
                line, 404, UsageError("unknown request: use `muniment` to talk to the service")
            )
        if self.connections[line.peer.uid] > self.limits.connections and line.peer.uid not in trusted():
            return self._refused(
                line, 503, VaultError("too many requests at the same time: end some, and try again")
            )
        if request.path in (wire.RETIRE, wire.YIELD):
            return await self._retire(line, takes_over=request.path == wire.YIELD)
        if request.headers.get(wire.VERSION_HEADER) != wire.VERSION:
            return _response(409, Other(version=wire.VERSION, pid=os.getpid(), implicit=self._implicit))
        self._open += 1
        try:
            async with self._turn(request, line) as (turn, response):
                return await self._answered(request, line, turn, response)
        finally:
            self._open -= 1
            self._quiet_since = time.monotonic()

    async def _retire(self, line: ServerConnection, takes_over: bool) -> web.Response:
        """End the service if the vault's owner or root asks for it.

        It ends for a client of another version if no request is in hand, or for a service that takes over.
        """
        if not self._implicit or line.peer.uid not in trusted():
            return self._refused(line, 409, VaultLocked(f"the service is in use: process {os.getpid()}"))
        if (takes_over or not self._open) and await asyncio.to_thread(self._leave, takes_over):
            # Stop listening before replying: a client may reconnect at once, and must not reach this service.
            self._stop_listening()
            return _response(200, wire.End())
        return self._refused(line, 409, VaultError("the service is in use"))

    def _stop_listening(self) -> None:
        if self._site is not None:
            self._site.close()

    @asynccontextmanager
    async def _turn(
        self, request: web.BaseRequest, line: ServerConnection
    ) -> AsyncIterator[tuple[_Turn, web.StreamResponse]]:
        """Wait for the caller's turn; gives the turn, and the response to send.

        The request is not read before its turn, so waiting requests use no memory. During a long wait the
        response begins with empty frames.

        Raises:
            ConnectionError: the caller has disconnected.
        """
        response = web.StreamResponse(headers={wire.VERSION_HEADER: wire.VERSION})
        response.content_type = "application/octet-stream"
        response.force_close()

        async def beat() -> None:
            await _begun(response, request)
            await self._write(response, wire.LENGTH.pack(0))
            if line.left:
                raise ConnectionResetError("the client has disconnected while it waited for its turn")

        turn = _Turn(self._turns[request.path][line.peer.uid], beat, self.limits.beat)
        await turn.take()
        try:
            yield turn, response
        finally:
            turn.give_up()

    async def _answered(
        self, request: web.BaseRequest, line: ServerConnection, turn: _Turn, response: web.StreamResponse
    ) -> web.StreamResponse:
        if line.left:
            line.give_up(request)
        try:
            asked = await _read_request(request, self.limits.half_sent)
        except _Unreadable as refusal:
            if not response.prepared:
                return self._refused(line, refusal.status, refusal.error)
            await self._write(response, wire.encoded(wire.failure(refusal.error)))
            await response.write_eof()
            return response
        line.expect_next()
        await _begun(response, request)
        pool = self._pools[request.path]
        made = partial(RequestExecution, self._engine_for, line.peer, asked, request.path, self._quota)
        work = await self._in(pool, made)
        try:
            with suppress(ConnectionError):
                await self._pump(work, pool, response, line, turn)
        finally:
            await asyncio.shield(self._in(pool, work.close))
        with suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _pump(
        self,
        work: RequestExecution,
        pool: ThreadPoolExecutor,
        response: web.StreamResponse,
        line: ServerConnection,
        turn: _Turn,
    ) -> None:
        """Send replies until the last one, or until the client has left or the service ends.

        Raises:
            ConnectionError: the client has gone, or has stopped reading.
        """
        ended = False
        while not (ended or line.left or self._closing.is_set()):
            step = self._in(pool, work.next)
            try:
                while not (await asyncio.wait({step}, timeout=self.limits.beat))[0]:
                    await self._write(response, wire.LENGTH.pack(0))
            finally:
                frame, ended = await step
            await self._write(response, frame)
            if work.sent_state:
                await self._wait_for_next(line, turn)
        if not ended and self._closing.is_set():
            await self._write(response, wire.encoded(wire.failure(VaultError("the service is stopping"))))

    async def _wait_for_next(self, line: ServerConnection, turn: _Turn) -> None:
        """Wait until the client asks for the reply after a state, has left, or the service ends."""
        closing = asyncio.ensure_future(self._closing.wait())
        asked = asyncio.ensure_future(line.next_asked.wait())
        try:
            either = {closing, asked}
            done, _ = await asyncio.wait(
                either, timeout=self.limits.stalled, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                turn.give_up()
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            asked.cancel()
        line.next_asked.clear()
        if not line.left:
            await turn.take()

    def _refused(self, line: ServerConnection, status: int, error: UsageError | VaultError) -> web.Response:
        if self._quota.allows(line.peer.uid):
            fields = {"status": status, "uid": line.peer.uid, "why": str(error)}
            log.warning("a request was refused", extra={"fields": fields})
        return _response(status, wire.failure(error))

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send a part of a response. Raises ConnectionError if the client does not read it in time."""
        try:
            async with asyncio.timeout(self.limits.stalled):
                await response.write(data)
        except TimeoutError:
            raise ConnectionError("the client has stopped reading") from None

    def _in(self, pool: ThreadPoolExecutor, do: Callable[[], T]) -> asyncio.Future[T]:
        """Call `do` in a thread of a pool."""
        return asyncio.get_running_loop().run_in_executor(pool, do)


class _Turn:
    """One of the places that a user has for requests at the same time."""

    def __init__(self, places: asyncio.Semaphore, beat: Callable[[], Awaitable[None]], every: float) -> None:
        """`beat` is called every `every` seconds during a wait. An exception of it ends the wait."""
        self._places = places
        self._beat = beat
        self._every = every
        self._taken = False

    async def take(self) -> None:
        """Wait for a place, unless one is taken already."""
        if self._taken:
            return
        taking = asyncio.ensure_future(self._places.acquire())
        try:
            while not (await asyncio.wait({taking}, timeout=self._every))[0]:
                await self._beat()
        except BaseException:
            if not taking.cancel():
                self._places.release()
            raise
        self._taken = True

    def give_up(self) -> None:
        """Release the place. Safe to call twice."""
        if self._taken:
            self._taken = False
            self._places.release()


def trusted() -> tuple[int, int]:
    """The uids of root and of the vault's owner."""
    return 0, os.geteuid()


class _Unreadable(Exception):
    """A request that can't be read; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, error: UsageError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


async def _read_request(request: web.BaseRequest, seconds: float) -> Request:
    """Read and decode the request, which must arrive within `seconds`. Raises _Unreadable."""
    try:
        async with asyncio.timeout(seconds):
            body = await request.read()
        return wire.requests()(body)
    except TimeoutError:
        raise _Unreadable(408, UsageError("the request did not arrive in time")) from None
    except web.HTTPRequestEntityTooLarge:
        limit = f"{REQUEST_LIMIT // 1024 // 1024} MiB"
        error = UsageError(f"the request is larger than {limit}: split it")
        raise _Unreadable(413, error) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _Unreadable(400, UsageError(f"the request can't be read ({error})")) from None


async def _begun(response: web.StreamResponse, request: web.BaseRequest) -> None:
    if not response.prepared:
        await response.prepare(request)


def _response(status: int, reply: WireWord) -> web.Response:
    headers = {wire.VERSION_HEADER: wire.VERSION}
    response = web.Response(status=status, body=wire.encoded(reply), headers=headers)
    response.force_close()
    return response


class ServerConnection(web.RequestHandler):
    """One connection, and the user at its other end."""

    def __init__(self, server: Server, manager: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=server.limits.half_sent,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]
            logger=quiet,
            lingering_time=0,
            auto_decompress=False,
        )
        self._server = server
        self.left = False
        """Whether the client has closed its side: it has gone, or only waits for the end of its request."""
        self.next_asked = asyncio.Event()
        """Set when the client asks for the reply after a state, and when it has left."""
        self._expects_next = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get the caller from the kernel, and limit the connections of one user."""
        self.peer = peer_of(transport.get_extra_info("socket"))
        self._server.connections[self.peer.uid] += 1
        self._server.clients.came(self.peer.uid)
        most = 2 * self._server.limits.connections
        if self._server.connections[self.peer.uid] > most and self.peer.uid not in trusted():
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        super().connection_made(transport)

    def expect_next(self) -> None:
        """The request is complete: each further byte asks for the next state."""
        self._expects_next = True

    def data_received(self, data: bytes) -> None:
        """Take a part of the request, or bytes that ask for the next state (several count as one)."""
        if self._expects_next:
            self.next_asked.set()
        else:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has closed its side. The connection stays open until its request has ended."""
        self.left = True
        self.next_asked.set()
        if self._current_request is not None:
            self.give_up(self._current_request)
        between = self._waiter is not None and not self._waiter.done()
        return not between

    def give_up(self, request: web.BaseRequest) -> None:
        """Stop waiting for the rest of a request."""
        if not request.content.is_eof():
            request.content.set_exception(ConnectionResetError("the request ended too early"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended."""
        self.left = True
        self.next_asked.set()
        self._server.connections[self.peer.uid] -= 1
        self._server.clients.left(self.peer.uid)
        if not self._server.connections[self.peer.uid]:
            del self._server.connections[self.peer.uid]
        super().connection_lost(exc)


class _Web(web.Server):
    """Makes a ServerConnection for each connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.answer, request_factory=self._request)
        self._server = server

    def __call__(self) -> ServerConnection:
        return ServerConnection(self._server, self, self._loop)

    def _request(self, message, payload, protocol, writer, task):  # type: ignore[no-untyped-def]
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=REQUEST_LIMIT
        )
