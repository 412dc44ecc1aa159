"""The engine: answers the requests of `muniment.api`.

A service makes one engine for each request (see transport.server). `connect` opens one in the caller's own
process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.api import Request, WireWord
from muniment.service.dispatch import guard
from muniment.service.dispatch.lengths import check_lengths
from muniment.service.host.session import ClientSession, explained


class Engine:
    """A `client.client.Transport` that answers in this process, with one session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    def call(self, request: Request) -> WireWord:
        """Answer a request that has one reply.

        Raises:
            MunimentError: the request is refused, or fails.
        """
        check_lengths(request)
        with explained():
            return guard.call(self._session, request)

    def stream(self, request: Request) -> Iterator[WireWord]:
        """Answer a request with a stream of replies. Closing the iterator cancels the work.

        Raises:
            MunimentError: while iterating: the request is refused, or fails.
        """
        check_lengths(request)
        with explained():
            yield from guard.stream(self._session, request)

    def close(self) -> None:
        """Close the session. Safe to call twice."""
        self._session.close()


def connect(folder: Path) -> Engine:
    """An engine for the vault in `folder`, which need not exist yet."""
    return Engine(ClientSession(folder))
