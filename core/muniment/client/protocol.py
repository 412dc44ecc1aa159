"""The protocol between a client and the service.

One connection carries one request and its answer. The request is an HTTP POST to `/call` or `/stream`. Its
body is a MessagePack map: a request of `muniment.api` with its tag. The body of the answer is a series of
frames. A frame is its length in four bytes, big-endian, and that many bytes: a word of `muniment.api`, or one
of the three below. An empty frame only shows that the service is at work. An answer that does not end with
End or Failure is incomplete.

After a word that is a state (`api.base.StateWord`), the service sends nothing until the client has sent the
byte NEXT, to ask for the next word. So at most one state is on its way. A reader that is slow, or was stopped
for an hour, gets the newest state as soon as it asks, and buffers contain no old ones.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Union

import msgspec

from muniment import __version__, api, errors
from muniment.api import Request, WireWord
from muniment.errors import MunimentError, QueryError
from muniment.system.paths import readable

CALL, STREAM, RETIRE, YIELD = "/call", "/stream", "/retire", "/yield"
"""Paths of requests: for one reply, for a stream, to end an idle service, and to end a service for one
in the foreground (only a run in progress delays that)."""
VERSION_HEADER = "Muniment-Version"
VERSION = __version__
LENGTH = struct.Struct(">I")
"""The length of a frame."""
LIMIT = 64 * 1024 * 1024
"""Most bytes of a frame."""
NEXT = b"\n"
"""What a client sends to ask for the word after a state."""
BEAT = 5.0
"""Seconds between two empty frames of a service that is at work."""
SILENCE = 60.0
"""Seconds without a byte after which a service counts as hung."""
BUG = 70
"""Exit code for an internal error."""


class Failure(WireWord, frozen=True):
    """An error for a person to read. It ends an answer."""

    kind: str
    """Its class in `muniment.errors`."""
    code: int
    """Its exit code, which is used if the class is not known."""
    message: str
    query: str = ""
    """The query of a QueryError."""
    position: int = 0
    """The place of the mistake in it, in characters."""


class End(WireWord, frozen=True):
    """The end of an answer."""


class Other(WireWord, frozen=True):
    """The service is another version of the program. It ends an answer."""

    version: str
    pid: int
    implicit: bool
    """Whether a client started it, so that it can be replaced when it is idle."""


def encoded(word: WireWord) -> bytes:
    """The frame for a word."""
    try:
        data = msgspec.msgpack.encode(word)
    except UnicodeEncodeError:  # it contains a file's name that is not UTF-8
        data = msgspec.msgpack.encode(_readable(msgspec.to_builtins(word)))
    return LENGTH.pack(len(data)) + data


def _readable(value: Any) -> Any:
    """The same value, with texts that can be encoded."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value


def failure(error: MunimentError) -> Failure:
    """The Failure for an error."""
    query, position = (error.query, error.position) if isinstance(error, QueryError) else ("", 0)
    return Failure(
        kind=type(error).__name__,
        code=error.exit_code,
        message=str(error),
        query=query,
        position=position,
    )


def raised(failed: Failure) -> MunimentError:
    """The error for a Failure: of its own class if that is known, and with its exit code in any case."""
    kind = getattr(errors, failed.kind, None)
    if kind is QueryError:
        return QueryError(failed.message, failed.query, failed.position)
    if isinstance(kind, type) and issubclass(kind, MunimentError):
        return kind(failed.message)
    error = MunimentError(failed.message)
    error.exit_code = failed.code
    return error


def _kinds(base: type[WireWord]) -> list[type[WireWord]]:
    """The subclasses of `base` in the api."""
    bases = (WireWord, Request)
    return [
        kind
        for kind in vars(api).values()
        if isinstance(kind, type) and issubclass(kind, base) and kind not in bases
    ]


def requests() -> Callable[[bytes], Request]:
    """A function that decodes a request, for any thread. It raises msgspec.DecodeError for other bytes."""
    with _making:
        return _requests()


def replies() -> Callable[[bytes], WireWord]:
    """A function that decodes a word of a service, for any thread. It raises msgspec.DecodeError."""
    with _making:
        return _replies()


_making = threading.Lock()
"""Locked while a decoder is made: msgspec crashes if two threads make one for the same classes."""


@cache
def _requests() -> Callable[[bytes], Request]:
    return _decoder(_kinds(Request))


@cache
def _replies() -> Callable[[bytes], WireWord]:
    words = [kind for kind in _kinds(WireWord) if not issubclass(kind, Request)]
    return _decoder([*words, Failure, End, Other])


def _decoder(kinds: list[type[WireWord]]) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(Union[tuple(kinds)]).decode  # noqa: UP007 - the classes are known only at run time
