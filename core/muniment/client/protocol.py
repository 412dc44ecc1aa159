"""What travels between a client and the service.

One connection carries one request and its answer: an HTTP POST to `/call` or `/stream` whose body is the
request, a MessagePack map of `muniment.api` with its tag, and whose answer's body is frames. A frame is
four bytes, big-endian, that say how long it is, and so many bytes: a word, or one of the three below. An
empty frame says no more than that the service is at work. An answer that does not end with End or Failure
was cut.

After a word that is a state (`api.base.StateWord`) the service sends nothing until the client has sent a
byte, NEXT: it asks for the next word. So at most one state is on its way, and a reader that is slow, or was
stopped for an hour, gets the newest one as soon as it asks. Buffers hold no backlog.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Union

import msgspec

from muniment import __version__, api, errors
from muniment.api import Request, Word
from muniment.errors import MunimentError, QueryError
from muniment.system.paths import readable

CALL, STREAM, RETIRE, YIELD = "/call", "/stream", "/retire", "/yield"
"""What is asked for: a word's one reply, a stream, and to leave: if nobody needs it, or for a service in the
foreground, which only a run in hand puts off."""
VERSION_HEADER = "Muniment-Version"
VERSION = __version__
LENGTH = struct.Struct(">I")
LIMIT = 64 * 1024 * 1024
"""Bytes that a frame has at most."""
NEXT = b"\n"
"""What a client sends to ask for the word after a state."""
BEAT = 5.0
"""Seconds after which a service that is at work sends an empty frame."""
SILENCE = 60.0
"""Seconds without a byte after which a service counts as hung."""
BUG = 70
"""Exit code for what should not have happened."""


class Failure(Word, frozen=True):
    """An error that a person is meant to read; ends an answer."""

    kind: str
    """Its class in `muniment.errors`."""
    code: int
    """Its exit code, which counts where the class is not known."""
    message: str
    query: str = ""
    position: int = 0


class End(Word, frozen=True):
    """All was said."""


class Other(Word, frozen=True):
    """The service is of another version of the program; ends an answer."""

    version: str
    pid: int
    implicit: bool
    """Whether it was started by a client, so that it may be replaced when it is idle."""


def encoded(word: Word) -> bytes:
    """A word as its frame."""
    try:
        data = msgspec.msgpack.encode(word)
    except UnicodeEncodeError:  # it tells of a file whose name is no UTF-8
        data = msgspec.msgpack.encode(_readable(msgspec.to_builtins(word)))
    return LENGTH.pack(len(data)) + data


def _readable(value: Any) -> Any:
    """The same value, with text that can be encoded in it."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    return value


def failure(error: MunimentError) -> Failure:
    """An error as it travels."""
    query, position = (error.query, error.position) if isinstance(error, QueryError) else ("", 0)
    return Failure(
        kind=type(error).__name__,
        code=error.exit_code,
        message=str(error),
        query=query,
        position=position,
    )


def raised(said: Failure) -> MunimentError:
    """The error that travelled: of its own class, else one with its exit code."""
    kind = getattr(errors, said.kind, None)
    if kind is QueryError:
        return QueryError(said.message, said.query, said.position)
    if isinstance(kind, type) and issubclass(kind, MunimentError):
        return kind(said.message)
    error = MunimentError(said.message)
    error.exit_code = said.code
    return error


def _kinds(base: type[Word]) -> list[type[Word]]:
    """The words of the api below `base`."""
    bases = (Word, Request)
    return [
        kind
        for kind in vars(api).values()
        if isinstance(kind, type) and issubclass(kind, base) and kind not in bases
    ]


def requests() -> Callable[[bytes], Request]:
    """What reads a request; raises msgspec.DecodeError where it is none. For any thread."""
    with _making:
        return _requests()


def replies() -> Callable[[bytes], Word]:
    """What reads a word that a service says; raises msgspec.DecodeError where it is none. For any thread."""
    with _making:
        return _replies()


_making = threading.Lock()
"""Held while a decoder is made: msgspec crashes the process where two threads make one of the same words."""


@cache
def _requests() -> Callable[[bytes], Request]:
    return _decoder(_kinds(Request))


@cache
def _replies() -> Callable[[bytes], Word]:
    said = [kind for kind in _kinds(Word) if not issubclass(kind, Request)]
    return _decoder([*said, Failure, End, Other])


def _decoder(kinds: list[type[Word]]) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(Union[tuple(kinds)]).decode  # noqa: UP007 - made of what there is
