"""A transport to the service of a vault: a connection of its own for each request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from muniment.api import Request, Word
from muniment.api.base import StateWord
from muniment.client import protocol
from muniment.client.protocol import End, Failure, Other
from muniment.client.socket_path import Place, peer_of
from muniment.errors import MunimentError, VaultError

LINE_LIMIT = 8192
TRIES = 4
QUEUED = 20.0
"""Seconds that one waits to get in where many do."""
LINGER = 30.0
"""Seconds that whoever leaves a stream waits for its work to end."""

Open = Callable[[], socket.socket]


class NoService(Exception):
    """Nobody listens, or whoever did has just left: nothing was heard or done."""


class OtherVersion(Exception):
    """The service is of another version of the program."""

    def __init__(self, said: Other) -> None:
        super().__init__(said.version)
        self.said = said


def dial(place: Place) -> socket.socket:
    """A connection to a vault's service, once it is certain who listens.

    Raises:
        NoService: nobody listens.
        VaultError: somebody else than the vault's owner or root does.
    """
    for path in place.sockets():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(protocol.SILENCE)
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
    """Connect; where more wait than the socket queues (unix(7), EAGAIN), wait as well. Raises OSError."""
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
    """Speaks over connections that `open_` makes (see muniment.client.client.Transport). For any thread.

    `replace` is told where the service turns out to be of another version: it has it replaced, or raises.
    """

    def __init__(self, open_: Open, replace: Callable[[Other], None]) -> None:
        self._open = open_
        self._replace = replace

    def call(self, request: Request) -> Word:
        """Say a request that has one reply. Raises MunimentError."""
        (reply,) = self._said(protocol.CALL, request)
        return reply

    def stream(self, request: Request) -> Iterator[Word]:
        """Say a request that is answered by a stream; closing it cancels the work. Raises MunimentError."""
        return self._said(protocol.STREAM, request)

    def _said(self, path: str, request: Request) -> Iterator[Word]:
        """Say a request, again where the service had left without hearing it."""
        for _ in range(TRIES):
            try:
                yield from Answer(self._open(), path, request).words()
                return
            except NoService:
                continue
            except OtherVersion as other:
                self._replace(other.said)
        raise VaultError("the service left again and again before it answered: see its log")

    def close(self) -> None:
        """Nothing is kept open between words."""


def ask_to_leave(place: Place, how: str) -> None:
    """Ask a vault's service to leave, by RETIRE or YIELD; it does when this returns.

    Raises:
        NoService: nobody listens.
        MunimentError: it stays; one that does not leave for anybody says VaultLocked.
    """
    for _ in Answer(dial(place), how, None).words():
        raise MunimentError("what listens on the vault's socket is no Muniment service: stop it")


class Answer:
    """A request that was said on a connection, and what comes back."""

    def __init__(self, connection: socket.socket, path: str, request: Request | None) -> None:
        """Says it.

        Raises:
            NoService: the service has just left.
        """
        self._connection = connection
        body = b"" if request is None else msgspec.msgpack.encode(request)
        head = (
            f"POST {path} HTTP/1.0\r\nHost: muniment\r\nContent-Type: application/msgpack\r\n"
            f"{protocol.VERSION_HEADER}: {protocol.VERSION}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._file: BinaryIO = connection.makefile("rb")
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # what it said before it hung up is read
                connection.sendall(head.encode("ascii") + body)
        except TimeoutError:
            raise self._silent() from None

    def words(self) -> Iterator[Word]:
        """What comes; ends where the service has said all.

        Raises:
            MunimentError: what the service refuses or fails at, or that the answer was cut.
            NoService: it has just left, and has not heard the request.
            OtherVersion: it is of another version of the program.
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
        """Say that the last state was taken; where nobody hears it any more, reading says why."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(protocol.NEXT)

    def _silent(self) -> VaultError:
        pid = peer_of(self._connection).pid
        return VaultError(f"the service does not answer (process {pid}): stop it if it hangs")

    def _skip_head(self) -> None:
        """Read past the answer's header; frames follow whatever it says."""
        try:
            first = self._file.readline(LINE_LIMIT)
        except ConnectionResetError:
            first = b""
        if not first:
            raise NoService
        if not first.startswith(b"HTTP/1."):
            raise MunimentError("what listens on the vault's socket is no Muniment service: stop it")
        while self._file.readline(LINE_LIMIT) not in (b"\r\n", b"\n", b""):
            pass

    def _next(self) -> Word:
        """The next word."""
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
        """Hang up, and wait until what was asked for has ended."""
        until = time.monotonic() + LINGER
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._connection.recv(64 * 1024) and time.monotonic() < until:
                pass


def _cut(why: str) -> MunimentError:
    return MunimentError(f"the service broke off its answer ({why}): see its log, and try again")
