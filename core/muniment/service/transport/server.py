"""The service's end of the line: HTTP on a Unix socket, for all users of the machine.

Who calls is what the kernel says of the connection, never anything that is said on it. The loop of this
module's thread reads and writes; what is asked for is worked off in pools of threads, one for words
that have one reply and one for streams, so that neither a long stream nor a slow reader holds up others. A
stream is asked for its next word once the last was taken off: who reads slowly makes nothing grow. After a
state (`api.base.StateWord`) it is asked once the reader asks: the socket's buffers hold no old states.
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
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from muniment.api import Request, Word
from muniment.client import protocol as wire
from muniment.client.protocol import Other
from muniment.client.socket_path import peer_of
from muniment.errors import UsageError, VaultError, VaultLocked
from muniment.service.transport.log_quota import Quota
from muniment.service.transport.request_execution import OpenEngine, Work

log = logging.getLogger("muniment.service")

quiet = logging.getLogger("muniment.service.http")
"""What the library says of garbage and of lines that end early, in the words of whoever sent it."""
quiet.setLevel(logging.CRITICAL)

REQUEST_LIMIT = 8 * 1024 * 1024
"""Bytes of a request."""
HALF_SENT = 10.0
"""Seconds in which a request must have arrived."""
CALLS, STREAMS = 8, 32
"""Threads for words with one reply, and for streams."""
OWN_CALLS, OWN_STREAMS = 4, 8
"""How many of them one user may have at a time; more wait for their turn."""
CONNECTIONS = 64
"""Connections that one user may have at a time, other than the vault's owner or root. As many again are told
that they are too many; what comes then is cut off, so that none of them can use up the open files."""
STALLED = 300.0
"""Seconds after which a reader who takes nothing off is taken for gone. One that does not ask for the state
after the last keeps its connection (it may be suspended), but its turn goes to others."""

PATHS = (wire.CALL, wire.STREAM, wire.RETIRE, wire.YIELD)

T = TypeVar("T")


class Server:
    """Answers on one socket. All but `idle` is for the loop's thread."""

    def __init__(self, engine_for: OpenEngine, implicit: bool, leave: Callable[[bool], bool]) -> None:
        """`engine_for` opens the engine for a caller; `leave` is asked to end the service and says whether it
        does, told whether another takes over its work; `implicit`: a client started it."""
        self._engine_for = engine_for
        self._implicit = implicit
        self._leave = leave
        self._pools = {
            wire.CALL: ThreadPoolExecutor(CALLS, "call"),
            wire.STREAM: ThreadPoolExecutor(STREAMS, "stream"),
        }
        self._turns = {
            wire.CALL: defaultdict[int, asyncio.Semaphore](partial(asyncio.Semaphore, OWN_CALLS)),
            wire.STREAM: defaultdict[int, asyncio.Semaphore](partial(asyncio.Semaphore, OWN_STREAMS)),
        }
        self.connections: Counter[int] = Counter()
        """How many each user has."""
        self._open = 0
        self._quiet_since = time.monotonic()
        self._closing = asyncio.Event()
        self._quota = Quota()
        self._web = _Web(self)
        self._site: asyncio.Server | None = None

    @property
    def idle(self) -> float:
        """Seconds for which nothing was asked; 0 while something is."""
        return 0.0 if self._open else time.monotonic() - self._quiet_since

    async def listen(self, listener: socket.socket) -> None:
        """Answer on a bound socket, from now on."""
        self._site = await asyncio.get_running_loop().create_unix_server(self._web, sock=listener)

    async def close(self) -> None:
        """Listen no more, end all streams and wait for what is in hand."""
        self._deafen()
        self._closing.set()
        await self._web.shutdown(HALF_SENT)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        line = request.protocol
        assert isinstance(line, Line)
        if request.method != "POST" or request.path not in PATHS:
            return self._refused(line, 404, UsageError("there is nothing here: speak to it with `muniment`"))
        if self.connections[line.peer.uid] > CONNECTIONS and line.peer.uid not in trusted():
            return self._refused(line, 503, VaultError("too many requests at once: end some, and try again"))
        if request.path in (wire.RETIRE, wire.YIELD):
            return await self._left(line, takes_over=request.path == wire.YIELD)
        if request.headers.get(wire.VERSION_HEADER) != wire.VERSION:
            return _said(409, Other(version=wire.VERSION, pid=os.getpid(), implicit=self._implicit))
        self._open += 1
        try:
            async with self._turn(request, line) as (turn, response):
                return await self._answered(request, line, turn, response)
        finally:
            self._open -= 1
            self._quiet_since = time.monotonic()

    async def _left(self, line: Line, takes_over: bool) -> web.Response:
        """Leave, if the vault's owner or root asks: for another version if nobody is served, or for a service
        that takes over."""
        if not self._implicit or line.peer.uid not in trusted():
            return self._refused(line, 409, VaultLocked(f"the service is in use: process {os.getpid()}"))
        if (takes_over or not self._open) and await asyncio.to_thread(self._leave, takes_over):
            self._deafen()  # before it is said: who hears it may call again at once, and finds nobody
            return _said(200, wire.End())
        return self._refused(line, 409, VaultError("the service is in use"))

    def _deafen(self) -> None:
        """Listen no more."""
        if self._site is not None:
            self._site.close()

    @asynccontextmanager
    async def _turn(
        self, request: web.BaseRequest, line: Line
    ) -> AsyncIterator[tuple[_Turn, web.StreamResponse]]:
        """The caller's turn, and the answer to be sent then; an answer that begins already is one that waits.

        Until then the request is not read, so that no caller fills the memory with what waits.

        Raises:
            ConnectionError: the caller has gone meanwhile.
        """
        response = web.StreamResponse(headers={wire.VERSION_HEADER: wire.VERSION})
        response.content_type = "application/octet-stream"
        response.force_close()

        async def beat() -> None:
            await _begun(response, request)
            await _written(response, wire.LENGTH.pack(0))
            if line.left:
                raise ConnectionResetError("who waits for a turn has left")

        turn = _Turn(self._turns[request.path][line.peer.uid], beat)
        await turn.take()
        try:
            yield turn, response
        finally:
            turn.give_up()

    async def _answered(
        self, request: web.BaseRequest, line: Line, turn: _Turn, response: web.StreamResponse
    ) -> web.StreamResponse:
        if line.left:
            line.give_up(request)
        try:
            word = await _heard(request)
        except _Unheard as refusal:
            if not response.prepared:
                return self._refused(line, refusal.status, refusal.error)
            await _written(response, wire.encoded(wire.failure(refusal.error)))
            await response.write_eof()
            return response
        line.hear_next()
        await _begun(response, request)
        pool = self._pools[request.path]
        made = partial(Work, self._engine_for, line.peer, word, request.path, self._quota)
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
        self, work: Work, pool: ThreadPoolExecutor, response: web.StreamResponse, line: Line, turn: _Turn
    ) -> None:
        """Send word after word, until the last or until nobody is to hear more.

        Raises:
            ConnectionError: the reader has gone, or takes nothing off any more.
        """
        ended = False
        while not (ended or line.left or self._closing.is_set()):
            step = self._in(pool, work.next)
            try:
                while not (await asyncio.wait({step}, timeout=wire.BEAT))[0]:
                    await _written(response, wire.LENGTH.pack(0))
            finally:
                frame, ended = await step
            await _written(response, frame)
            if work.said_state:
                await self._wait_for_next(line, turn)
        if not ended and self._closing.is_set():
            await _written(response, wire.encoded(wire.failure(VaultError("the service is stopping"))))

    async def _wait_for_next(self, line: Line, turn: _Turn) -> None:
        """Wait until the reader asks for the word after a state, has left, or the service ends."""
        closing = asyncio.ensure_future(self._closing.wait())
        asked = asyncio.ensure_future(line.next_asked.wait())
        try:
            either = {closing, asked}
            done, _ = await asyncio.wait(either, timeout=STALLED, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                turn.give_up()
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            asked.cancel()
        line.next_asked.clear()
        if not line.left:
            await turn.take()

    def _refused(self, line: Line, status: int, error: UsageError | VaultError) -> web.Response:
        if self._quota.allows(line.peer.uid):
            fields = {"status": status, "uid": line.peer.uid, "why": str(error)}
            log.warning("a request was refused", extra={"fields": fields})
        return _said(status, wire.failure(error))

    def _in(self, pool: ThreadPoolExecutor, do: Callable[[], T]) -> asyncio.Future[T]:
        """Do something in a thread of a pool."""
        return asyncio.get_running_loop().run_in_executor(pool, do)


class _Turn:
    """One of the places that a user has for requests that are worked off at the same time."""

    def __init__(self, places: asyncio.Semaphore, beat: Callable[[], Awaitable[None]]) -> None:
        """`beat` is called again and again while the turn is waited for; what it raises ends the wait."""
        self._places = places
        self._beat = beat
        self._taken = False

    async def take(self) -> None:
        """Wait for a place, unless it has one."""
        if self._taken:
            return
        taking = asyncio.ensure_future(self._places.acquire())
        try:
            while not (await asyncio.wait({taking}, timeout=wire.BEAT))[0]:
                await self._beat()
        except BaseException:
            if not taking.cancel():
                self._places.release()
            raise
        self._taken = True

    def give_up(self) -> None:
        """Leave the place to others. Safe to call twice."""
        if self._taken:
            self._taken = False
            self._places.release()


def trusted() -> tuple[int, int]:
    """The uids of root and of the vault's owner."""
    return 0, os.geteuid()


class _Unheard(Exception):
    """A request that can't be taken in."""

    def __init__(self, status: int, error: UsageError) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error


async def _heard(request: web.BaseRequest) -> Request:
    """The word that is said. Raises _Unheard."""
    try:
        async with asyncio.timeout(HALF_SENT):
            body = await request.read()
        return wire.requests()(body)
    except TimeoutError:
        raise _Unheard(408, UsageError("the request did not arrive in time")) from None
    except web.HTTPRequestEntityTooLarge:
        limit = f"{REQUEST_LIMIT // 1024 // 1024} MiB"
        error = UsageError(f"the request is larger than {limit}: say it in parts")
        raise _Unheard(413, error) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _Unheard(400, UsageError(f"the request can't be read ({error})")) from None


async def _begun(response: web.StreamResponse, request: web.BaseRequest) -> None:
    if not response.prepared:
        await response.prepare(request)


async def _written(response: web.StreamResponse, data: bytes) -> None:
    try:
        async with asyncio.timeout(STALLED):
            await response.write(data)
    except TimeoutError:
        raise ConnectionError("the reader takes nothing off") from None


def _said(status: int, word: Word) -> web.Response:
    headers = {wire.VERSION_HEADER: wire.VERSION}
    response = web.Response(status=status, body=wire.encoded(word), headers=headers)
    response.force_close()
    return response


class Line(web.RequestHandler):
    """One connection, and who is at its other end."""

    def __init__(self, server: Server, manager: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=HALF_SENT,
            tcp_keepalive=False,
            access_log=None,  # type: ignore[arg-type]
            logger=quiet,
            lingering_time=0,
            auto_decompress=False,
        )
        self._server = server
        self.left = False
        """Whether the other end has hung up: it reads no more, or only waits until the work has ended."""
        self.next_asked = asyncio.Event()
        """Set when the reader asks for the word after a state, and when it has left."""
        self._hears_next = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the kernel who it is."""
        self.peer = peer_of(transport.get_extra_info("socket"))
        self._server.connections[self.peer.uid] += 1
        if self._server.connections[self.peer.uid] > 2 * CONNECTIONS and self.peer.uid not in trusted():
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        super().connection_made(transport)

    def hear_next(self) -> None:
        """The request is whole: each byte that comes from now on asks for the next state."""
        self._hears_next = True

    def data_received(self, data: bytes) -> None:
        """Part of a request, or what asks for the next state; more of these count as one."""
        if self._hears_next:
            self.next_asked.set()
        else:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whoever sends no more has left; it stays open until the work has ended, so that they can wait."""
        self.left = True
        self.next_asked.set()
        if self._current_request is not None:
            self.give_up(self._current_request)
        between = self._waiter is not None and not self._waiter.done()
        return not between

    def give_up(self, request: web.BaseRequest) -> None:
        """Wait no more for what is missing of a request."""
        if not request.content.is_eof():
            request.content.set_exception(ConnectionResetError("the request ended too early"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Whoever is gone hears no more."""
        self.left = True
        self.next_asked.set()
        self._server.connections[self.peer.uid] -= 1
        if not self._server.connections[self.peer.uid]:
            del self._server.connections[self.peer.uid]
        super().connection_lost(exc)


class _Web(web.Server):
    """Makes a Line of each connection."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.answer, request_factory=self._request)
        self._server = server

    def __call__(self) -> Line:
        return Line(self._server, self, self._loop)

    def _request(self, message, payload, protocol, writer, task):  # type: ignore[no-untyped-def]
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=REQUEST_LIMIT
        )
