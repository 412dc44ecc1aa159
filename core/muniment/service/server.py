"""The service's end of the line: HTTP on a Unix socket, for all users of the machine.

Who calls is what the kernel says of the connection, never anything that is said on it. The loop of this
module's thread reads and writes; what is asked for is worked off in pools of threads, one for words
that have one reply and one for streams, so that neither a long stream nor a slow reader holds up others. A
stream is asked for its next word once the last was taken off: who reads slowly makes nothing grow.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
from aiohttp import web

from muniment.api import Word
from muniment.errors import UsageError, VaultError
from muniment.line import wire
from muniment.line.place import peer_of
from muniment.line.wire import Other
from muniment.service.work import OpenEngine, Work

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
"""Connections that one user may have at a time, other than the vault's owner or root."""
STALLED = 300.0
"""Seconds after which a reader who takes nothing off is taken for gone."""

T = TypeVar("T")


class Server:
    """Answers on one socket. All but `idle` is for the loop's thread."""

    def __init__(self, engine_for: OpenEngine, implicit: bool, retire: Callable[[], bool]) -> None:
        """`engine_for` opens the engine for a caller; `retire` is asked to end the service, and says
        whether it does; `implicit`: a client started it."""
        self._engine_for = engine_for
        self._implicit = implicit
        self._retire = retire
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
        self._web = _Web(self)

    @property
    def idle(self) -> float:
        """Seconds for which nothing was asked; 0 while something is."""
        return 0.0 if self._open else time.monotonic() - self._quiet_since

    async def listen(self, listener: socket.socket) -> asyncio.Server:
        """Answer on a bound socket, from now on."""
        return await asyncio.get_running_loop().create_unix_server(self._web, sock=listener)

    async def close(self) -> None:
        """End all streams and wait for what is in hand."""
        self._closing.set()
        await self._web.shutdown(HALF_SENT)
        for pool in self._pools.values():
            await asyncio.to_thread(pool.shutdown)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        line = request.protocol
        assert isinstance(line, Line)
        if request.method != "POST" or request.path not in (wire.CALL, wire.STREAM, wire.RETIRE):
            return _refused(404, UsageError("there is nothing here: speak to it with `muniment`"))
        if self.connections[line.peer.uid] > CONNECTIONS and line.peer.uid not in trusted():
            return _refused(503, VaultError("too many requests at once: end some, and try again"))
        if request.path == wire.RETIRE:
            return self._retired(line)
        if request.headers.get(wire.VERSION_HEADER) != wire.VERSION:
            return _said(409, Other(version=wire.VERSION, pid=os.getpid(), implicit=self._implicit))
        self._open += 1
        try:
            return await self._answered(request, line)
        finally:
            self._open -= 1
            self._quiet_since = time.monotonic()

    def _retired(self, line: Line) -> web.Response:
        if line.peer.uid in trusted() and not self._open and self._retire():
            return _said(200, wire.End())
        return _refused(409, VaultError("the service is in use"))

    async def _answered(self, request: web.BaseRequest, line: Line) -> web.StreamResponse:
        if line.left:
            line.give_up(request)
        try:
            async with asyncio.timeout(HALF_SENT):
                body = await request.read()
            word = wire.requests()(body)
        except TimeoutError:
            return _refused(408, UsageError("the request did not arrive in time"))
        except web.HTTPRequestEntityTooLarge:
            limit = f"{REQUEST_LIMIT // 1024 // 1024} MiB"
            return _refused(413, UsageError(f"the request is larger than {limit}: say it in parts"))
        except (msgspec.DecodeError, UnicodeError) as error:
            return _refused(400, UsageError(f"the request can't be read ({error})"))
        response = web.StreamResponse(headers={wire.VERSION_HEADER: wire.VERSION})
        response.content_type = "application/octet-stream"
        await response.prepare(request)
        pool = self._pools[request.path]
        async with self._turns[request.path][line.peer.uid]:
            work = await self._in(pool, lambda: Work(self._engine_for, line.peer, word, request.path))
            try:
                with suppress(ConnectionError):
                    await self._pump(work, pool, response, line)
            finally:
                await asyncio.shield(self._in(pool, work.close))
        with suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _pump(
        self, work: Work, pool: ThreadPoolExecutor, response: web.StreamResponse, line: Line
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
        if not ended and self._closing.is_set():
            await _written(response, wire.encoded(wire.failure(VaultError("the service is stopping"))))

    def _in(self, pool: ThreadPoolExecutor, do: Callable[[], T]) -> asyncio.Future[T]:
        """Do something in a thread of a pool."""
        return asyncio.get_running_loop().run_in_executor(pool, do)


def trusted() -> tuple[int, int]:
    """The uids of root and of the vault's owner."""
    return 0, os.geteuid()


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


def _refused(status: int, error: UsageError | VaultError) -> web.Response:
    log.warning("a request was refused", extra={"fields": {"status": status, "why": str(error)}})
    return _said(status, wire.failure(error))


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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the kernel who it is."""
        self.peer = peer_of(transport.get_extra_info("socket"))
        self._server.connections[self.peer.uid] += 1
        super().connection_made(transport)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whoever sends no more has left; it stays open until the work has ended, so that they can wait."""
        self.left = True
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
        self._server.connections[self.peer.uid] -= 1
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
