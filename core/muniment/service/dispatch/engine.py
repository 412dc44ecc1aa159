"""The engine behind the requests of `muniment.api`.

A service has one for each request (see transport.server). `connect` opens one in the caller's own process.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from muniment.api import Request, Word
from muniment.service.dispatch import guard
from muniment.service.dispatch.lengths import check_lengths
from muniment.service.host.session import Session, explained


class Engine:
    """A transport whose other end is a session in this process (see muniment.client.client.Transport)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def call(self, request: Request) -> Word:
        """Say a request that has one reply. Raises MunimentError."""
        check_lengths(request)
        with explained():
            return guard.call(self._session, request)

    def stream(self, request: Request) -> Iterator[Word]:
        """Say a request that is answered by a stream; closing it cancels the work. Raises MunimentError."""
        check_lengths(request)
        with explained():
            yield from guard.stream(self._session, request)

    def close(self) -> None:
        """Let go of the vault. Safe to call twice."""
        self._session.close()


def connect(folder: Path) -> Engine:
    """The engine of the vault in `folder`, which need not exist yet."""
    return Engine(Session(folder))
