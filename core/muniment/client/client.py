"""Sends requests to the engine, over a transport that is chosen when the program starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec.structs import replace

from muniment.api import Request, WireWord
from muniment.system.time_zones import local_zone

W = TypeVar("W", bound=WireWord)


class Transport(Protocol):
    """Carries requests to an engine, and its replies back."""

    def call(self, request: Request) -> WireWord:
        """Send a request that has one reply.

        Raises:
            MunimentError: The engine refuses the request or fails at it, or can't be reached.
        """

    def stream(self, request: Request) -> Iterator[WireWord]:
        """Send a request that is answered by a stream. Closing the iterator cancels the work.

        Raises:
            MunimentError: As for `call`, also while iterating.
        """

    def close(self) -> None:
        """Close the connection, if one is open."""


Connect = Callable[[Path], Transport]
"""Opens the engine of a vault, given its folder. The program that starts passes it to its clients."""


class Client:
    """Sends requests to the engine of one vault, and checks the types of its replies.

    Every method that sends a request can raise `muniment.errors.MunimentError`. Its message is a sentence to
    show, and its `exit_code` is that of the command line. Requests that concern days get the time zone of
    this process.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, request: Request, reply: type[W]) -> W:
        """Send a request that has one reply.

        Args:
            request: What to ask.
            reply: The type of its reply.

        Returns:
            The reply.

        Raises:
            MunimentError: The engine refuses the request or fails at it.
            TypeError: The reply has another type, which is a fault of the program.
        """
        answer = self._transport.call(_zoned(request))
        if not isinstance(answer, reply):
            raise TypeError(f"{type(request).__name__} was answered with {type(answer).__name__}")
        return answer

    def stream(self, request: Request) -> Iterator[WireWord]:
        """Send a request that is answered by a stream.

        Closing the iterator cancels the work.

        Args:
            request: What to ask.

        Returns:
            The words of the stream, as they come.

        Raises:
            MunimentError: The engine refuses the request or fails at it; also while iterating.
        """
        return self._transport.stream(_zoned(request))

    def close(self) -> None:
        """Close the connection, if one is open. It can be called twice."""
        self._transport.close()


def _zoned(request: Request) -> Request:
    """The request, with the time zone of this process if it concerns days."""
    return replace(request, zone=local_zone()) if getattr(request, "zone", None) == "" else request
