"""Answers over HTTP, read piece by piece: bounded in bytes, and given up when they trickle.

requests and urllib3 read an answer whole if asked for it, whatever its length, and their time limits begin
again with every byte. http.client reads any number of answers with status 100 ahead of the answer.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from muniment.sources import limits
from muniment.sources.limits import too_much, too_slow

PIECE = 64 * 1024
"""Bytes that are read at once. A piece of a compressed answer may become a thousand times as large."""


def bounded(
    response: Any, pieces: Iterable[bytes], address: str, timeout: float, most: int
) -> Iterator[bytes]:
    """The pieces of an answer.

    `response` is the urllib3 response that they come from; `timeout` is in seconds, `most` in bytes.

    Raises:
        SourceError: it has more than `most` bytes.
        Passing: it trickles.
    """
    with _Watch(response, timeout) as watch:
        for piece in pieces:
            watch.received += len(piece)
            if watch.received > most:
                raise too_much(address, "a request")
            yield piece
            if watch.slow:
                break
    if watch.slow:
        raise too_slow(address)


class _Watch:
    """Hangs up on an answer that trickles, from a thread of its own: the reader waits in a system call."""

    def __init__(self, response: Any, timeout: float) -> None:
        self.received = 0
        self.slow = False
        self._response = response
        self._timeout = timeout
        self._began = time.monotonic()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Watch:
        self._arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._timer:
            self._timer.cancel()
        # What the library makes of an answer that was hung up on says nothing new.
        return self.slow and isinstance(error, Exception)

    def _arm(self) -> None:
        self._timer = threading.Timer(self._timeout, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        due = limits.LEAST_RATE * (time.monotonic() - self._began)
        if self.received + PIECE >= due:
            self._arm()
            return
        self.slow = True
        with suppress(OSError, RuntimeError, ValueError):  # it has ended meanwhile
            self._response.shutdown()


def bound_response(response: Any, address: str, timeout: float) -> None:
    """Bound what a `requests.Response` brings: read whole, or by `iter_content()` without a size.

    Without a size it is a stream, whose reader keeps what comes in files; it may be as long as the largest
    message in base64.
    """
    read = response.iter_content

    def iter_content(chunk_size: int | None = None, decode_unicode: bool = False) -> Iterator[bytes]:
        most = limits.WHOLE_ANSWER if chunk_size else 2 * limits.LARGEST_MESSAGE
        return bounded(response.raw, read(PIECE, decode_unicode), address, timeout, most)

    response.iter_content = iter_content


def _head_in_time(connection: HTTPConnection, read: Callable[[], HTTPResponse]) -> HTTPResponse:
    """`read()`, which waits for the head of an answer, within the connection's own time limit.

    Raises TimeoutError, and what `read` raises.
    """
    limit, sock = connection.timeout, connection.sock
    if not isinstance(limit, int | float) or sock is None:
        return read()
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):  # past TLS, which the reader is in
            socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)

    timer = threading.Timer(limit, hang_up)
    timer.daemon = True
    timer.start()
    try:
        head = read()
    except Exception as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if late.is_set():  # http.client takes the end of the stream for the end of a header
        raise TimeoutError
    return head


class _Http(HTTPConnection):
    """A connection on which status and header fields come in time, or not at all."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # so does urllib3
        return _head_in_time(self, super().getresponse)


class _Https(HTTPSConnection):
    """The same over TLS."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # so does urllib3
        return _head_in_time(self, super().getresponse)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def bound_heads(manager: Any) -> None:
    """Give the heads of all answers to a urllib3 PoolManager the time limit of their request."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
