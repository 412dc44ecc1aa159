"""How clients speak to the engine: over a transport that is handed in at start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from msgspec.structs import replace

from muniment.api import Chunk, ExportFile, Request, Word
from muniment.errors import UsageError
from muniment.system.time_zones import local_zone

W = TypeVar("W", bound=Word)


class Transport(Protocol):
    """Carries words to an engine and back. Errors of the engine arrive as MunimentError."""

    def call(self, request: Request) -> Word:
        """Say a request that has one reply."""

    def stream(self, request: Request) -> Iterator[Word]:
        """Say a request that is answered by a stream; closing the iterator cancels the work."""

    def close(self) -> None:
        """Hang up."""


Connect = Callable[[Path], Transport]
"""Opens the engine of the vault in a folder; given to the command line by whoever starts it."""


class Client:
    """An engine, as its clients see it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, request: Request, reply: type[W]) -> W:
        """Say `request` and return its reply.

        Raises:
            MunimentError: what the engine refuses or fails at, as a sentence to print.
        """
        answer = self._transport.call(_zoned(request))
        if not isinstance(answer, reply):
            raise TypeError(f"{type(request).__name__} was answered by {type(answer).__name__}")
        return answer

    def stream(self, request: Request) -> Iterator[Word]:
        """Say `request` and yield what comes; closing the iterator cancels the work.

        Raises:
            MunimentError: what the engine refuses or fails at, as a sentence to print.
        """
        return self._transport.stream(_zoned(request))

    def close(self) -> None:
        """Hang up. Safe to call twice."""
        self._transport.close()


def _zoned(request: Request) -> Request:
    """A request that says days, with the time zone of this process."""
    return replace(request, zone=local_zone()) if getattr(request, "zone", None) == "" else request


def receive(words: Iterator[Word], path: Path) -> Iterator[Word]:
    """The words of an export, without the files that it sends: these are written to where `path` stands.

    Raises:
        UsageError: a file is there already, or can't be written.
    """
    with ExitStack() as stack:
        file: BinaryIO | None = None
        for word in words:
            if isinstance(word, ExportFile):
                stack.close()
                file = stack.enter_context(_new_file(path, word.name))
            elif isinstance(word, Chunk) and file is not None:
                file.write(word.data)
            else:
                yield word


def _new_file(path: Path, name: str) -> BinaryIO:
    """A file of an export, for its owner alone, that was not there before."""
    parts = Path(name).parts
    inside = len(parts) == 2 and parts[0] == path.name
    if ".." in parts or not (inside or (len(parts) == 1 and name.startswith(path.name))):
        raise UsageError(f"the service sent a file that is no part of {path}")
    where = path.parent.joinpath(*parts)
    try:
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{where} exists already: name a new file or folder") from None
    except OSError as error:
        raise UsageError(f"{where} can't be written ({error.strerror}): name another place") from error
    return os.fdopen(handle, "wb")
