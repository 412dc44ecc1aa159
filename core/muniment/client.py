"""How clients speak to the engine: over a transport that is handed in at start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from muniment.api import Request, Word

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
        answer = self._transport.call(request)
        if not isinstance(answer, reply):
            raise TypeError(f"{type(request).__name__} was answered by {type(answer).__name__}")
        return answer

    def stream(self, request: Request) -> Iterator[Word]:
        """Say `request` and yield what comes; closing the iterator cancels the work.

        Raises:
            MunimentError: what the engine refuses or fails at, as a sentence to print.
        """
        return self._transport.stream(request)

    def close(self) -> None:
        """Hang up. Safe to call twice."""
        self._transport.close()
