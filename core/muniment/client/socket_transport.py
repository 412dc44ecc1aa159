"""A transport to the service of a vault, with a connection of its own for each request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from muniment.api import Request, WireWord
from muniment.api.base import StateWord
from muniment.client import protocol
from muniment.client.protocol import End, Failure, Other
from muniment.client.socket_path import SocketPlace, peer_of
from muniment.errors import MunimentError, VaultError

LINE_LIMIT = 8192
"""Most bytes of a line in the header of an answer."""
TRIES = 4
"""Attempts to send a request to a service that ends or is replaced."""
QUEUED = 20.0
"""Longest wait for a connection, in seconds, if many clients connect."""
LINGER = 30.0
"""Longest wait for the end of cancelled work, in seconds."""

Open = Callable[[], socket.socket]


class NoService(Exception):
    """No service listens, or it has just ended: the request was not received."""


class OtherVersion(Exception):
    """The service is another version of the program."""

    def __init__(self, service: Other) -> None:
        super().__init__(service.version)
        self.service = service


def dial(place: SocketPlace, silence: float = protocol.SILENCE) -> socket.socket:
    """Connect to a vault's service, and check which user runs it.

    Args:
        place: The vault.
        silence: Seconds without a byte after which the service counts as hung.

    Raises:
        NoService: No process listens.
        VaultError: Another user than the vault's owner or root listens.
    """
    for path in place.sockets():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(silence)
            _connect(connection, str(path))
            uid = peer_of(connection).uid
        except OSError:
            connection.close()
            continue
        if uid in (0, place.owner):
            return connection
        connection.close()
        raise VaultError(f"a process of another user (uid {uid}) listens on {path}: have it stopped")
    raise NoService


def _connect(connection: socket.socket, path: str) -> None:
    """Connect, and wait if the socket's queue is full (unix(7), EAGAIN). Raises OSError."""
    until, wait = time.monotonic() + QUEUED, 0.01
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(wait)
        wait = min(wait * 2, 0.5)


class SocketTransport:
    """A transport over Unix sockets (see muniment.client.client.Transport). Any thread can use it."""

    def __init__(self, open_: Open, replace: Callable[[Other], None]) -> None:
        """Set how to connect.

        Args:
            open_: Opens a new connection.
            replace: Called with a service of another version. It ends that service, or raises MunimentError.
        """
        self._open = open_
        self._replace = replace

    def call(self, request: Request) -> WireWord:
        """Send a request that has one reply (see Transport.call)."""
        (reply,) = self._send(protocol.CALL, request)
        return reply

    def stream(self, request: Request) -> Iterator[WireWord]:
        """Send a request that is answered by a stream (see Transport.stream)."""
        return self._send(protocol.STREAM, request)

    def _send(self, path: str, request: Request) -> Iterator[WireWord]:
        """Send a request, and send it again if the service ended without receiving it."""
        for _ in range(TRIES):
            try:
                yield from PendingReply(self._open(), path, request).words()
                return
            except NoService:
                continue
            except OtherVersion as other:
                self._replace(other.service)
        raise VaultError("the service ended several times before it answered: see its log")

    def close(self) -> None:
        """Do nothing: no connection stays open between requests."""


def ask_to_leave(place: SocketPlace, how: str) -> None:
    """Ask a vault's service to end, with RETIRE or YIELD; when this returns, it is ending.

    Raises:
        NoService: No service runs.
        MunimentError: It keeps running. VaultLocked means that it never ends for another process.
    """
    for _ in PendingReply(dial(place), how, None).words():
        raise MunimentError("the process on the vault's socket is not a Muniment service: stop it")


class PendingReply:
    """A request that was sent on a connection, and its answer."""

    def __init__(self, connection: socket.socket, path: str, request: Request | None) -> None:
        """Send the request.

        Raises:
            VaultError: The service does not read it.
        """
        self._connection = connection
        body = b"" if request is None else msgspec.msgpack.encode(request)
        head = (
            f"POST {path} HTTP/1.0\r\nHost: muniment\r\nContent-Type: application/msgpack\r\n"
            f"{protocol.VERSION_HEADER}: {protocol.VERSION}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._file: BinaryIO = connection.makefile("rb")
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # an answer that came before is still read
                connection.sendall(head.encode("ascii") + body)
        except TimeoutError:
            raise self._silent() from None

    def words(self) -> Iterator[WireWord]:
        """The words of the answer. Closing the iterator cancels the work.

        Raises:
            MunimentError: The service refuses the request or fails at it, or its answer is incomplete.
            NoService: The service has just ended, without receiving the request.
            OtherVersion: The service is another version of the program.
        """
        try:
            self._skip_head()
            while not isinstance(word := self._next(), End):
                if isinstance(word, Failure):
                    raise protocol.raised(word)
                if isinstance(word, Other):
                    raise OtherVersion(word)
                yield word
                if isinstance(word, StateWord):
                    self._ask_for_next()
        except GeneratorExit:
            self._leave()
            raise
        except TimeoutError:
            raise self._silent() from None
        except OSError as error:
            raise _cut(str(error)) from error
        finally:
            self._file.close()
            self._connection.close()

    def _ask_for_next(self) -> None:
        """Ask for the word after a state. If the connection is closed, reading raises the error."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(protocol.NEXT)

    def _silent(self) -> VaultError:
        pid = peer_of(self._connection).pid
        return VaultError(f"the service does not answer (process {pid}): stop it if it hangs")

    def _skip_head(self) -> None:
        """Skip the answer's header, which frames always follow."""
        try:
            first = self._file.readline(LINE_LIMIT)
        except ConnectionResetError:
            first = b""
        if not first:
            raise NoService
        if not first.startswith(b"HTTP/1."):
            raise MunimentError("the process on the vault's socket is not a Muniment service: stop it")
        while self._file.readline(LINE_LIMIT) not in (b"\r\n", b"\n", b""):
            pass

    def _next(self) -> WireWord:
        """Read the next word; empty frames are skipped."""
        while True:
            size = protocol.LENGTH.unpack(self._exactly(protocol.LENGTH.size))[0]
            if size > protocol.LIMIT:
                raise _cut("a frame is too large")
            if size:
                break
        try:
            return protocol.replies()(self._exactly(size))
        except msgspec.DecodeError as error:
            raise _cut(str(error)) from error

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise _cut("it ended too early")
        return data

    def _leave(self) -> None:
        """Close our side, and wait until the cancelled work has ended."""
        until = time.monotonic() + LINGER
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(64 * 1024) and time.monotonic() < until:
                pass


def _cut(why: str) -> MunimentError:
    return MunimentError(f"the service's answer is incomplete ({why}): see its log, and try again")
