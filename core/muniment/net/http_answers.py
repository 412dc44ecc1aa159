"""Answers over HTTP, read piece by piece, with limits on their size and slowness.

requests and urllib3 have no such limits: they read an answer of any length, and their time limits start again
with every byte. http.client reads any number of answers with status 100 before the final one. On Python 3.11
it also reads any number of header lines of a proxy.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from muniment.net.limits import WHOLE_ANSWER, AnswerLimits, too_much, too_slow

_Head = TypeVar("_Head")
PIECE = 64 * 1024
"""Number of bytes to read at once. Decompression can make a piece a thousand times as large."""


def bounded(
    response: Any, pieces: Iterable[bytes], address: str, timeout: float, most: int, limits: AnswerLimits
) -> Iterator[bytes]:
    """Pass on the pieces of an answer, within limits.

    Args:
        response: The urllib3 response that the pieces come from.
        pieces: The pieces, as they are read.
        address: The server, for errors.
        timeout: Seconds after which the answer must not be too slow.
        most: Largest number of bytes.
        limits: What is too slow.

    Raises:
        SourceError: The answer has more than `most` bytes.
        TransientError: The answer comes too slowly.
    """
    with _Watch(response, timeout, limits) as watch:
        for piece in pieces:
            watch.received += len(piece)
            if watch.received > most:
                raise too_much(address, "a request")
            yield piece
            if watch.slow:
                break
    if watch.slow:
        raise too_slow(address, watch.slow)


class _Watch:
    """Ends an answer that comes too slowly. It needs a thread of its own, since the reader is blocked."""

    def __init__(self, response: Any, timeout: float, limits: AnswerLimits) -> None:
        self.received = 0
        self.slow = 0
        """The bytes a second that the answer did not reach; 0 if it is fast enough."""
        self._response = response
        self._timeout = timeout
        self._limits = limits
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
        # Ending the answer makes the library raise an error, which says nothing new.
        return bool(self.slow) and isinstance(error, Exception)

    def _arm(self) -> None:
        self._timer = threading.Timer(self._timeout, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        taken = time.monotonic() - self._began
        rate = self._limits.rate(taken)
        if self.received + PIECE >= rate * taken:
            self._arm()
            return
        self.slow = rate
        with suppress(OSError, RuntimeError, ValueError):  # it has already ended
            self._response.shutdown()


def bound_response(
    response: Any, address: str, timeout: float, limits: AnswerLimits, largest: int = 0
) -> None:
    """Put limits on a `requests.Response`, which is read whole or by `iter_content()` without a size.

    An answer that is read whole can have WHOLE_ANSWER bytes. Without a size it is a stream whose
    reader writes what is large to files.

    Args:
        response: The response.
        address: The server, for errors.
        timeout: Seconds after which the answer must not be too slow.
        limits: What is too slow.
        largest: Most bytes of a stream; 0 for as many as of an answer that is read whole.
    """
    read = response.iter_content

    def iter_content(chunk_size: int | None = None, decode_unicode: bool = False) -> Iterator[bytes]:
        most = WHOLE_ANSWER if chunk_size or not largest else largest
        pieces = read(PIECE, decode_unicode)
        return bounded(response.raw, pieces, address, timeout, most, limits)

    response.iter_content = iter_content


def _head_in_time(connection: HTTPConnection, read: Callable[[], _Head]) -> _Head:
    """Call `read`, which waits for the head of an answer, within the connection's time limit.

    Raises TimeoutError, and any error of `read`.
    """
    limit, sock = connection.timeout, connection.sock
    if not isinstance(limit, int | float) or sock is None:
        return read()
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(OSError):  # below TLS, since the reader is using that
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
    """A connection with a time limit for status line and header fields together."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # so does urllib3
        return _head_in_time(self, super().getresponse)


class _Https(HTTPSConnection):
    """The same with TLS, and with a time limit for a proxy's whole answer to CONNECT."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # so does urllib3
        return _head_in_time(self, super().getresponse)

    def _tunnel(self) -> None:
        _head_in_time(self, super()._tunnel)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


def bound_heads(manager: Any) -> None:
    """Make a urllib3 PoolManager apply each request's time limit to the head of its answer as a whole."""
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
