"""Begins work that goes on in a service when its client leaves."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from muniment.api import Request, WireWord
from muniment.service.host.session import ClientSession
from muniment.service.host.works import Turn


def carry_on(
    session: ClientSession,
    request: Request,
    kind: str,
    words: Generator[WireWord, None, None],
    turn: Turn | None = None,
) -> Iterator[WireWord]:
    """Do some work. In a service it goes on without the client; else, closing the stream stops it.

    Args:
        session: the session of the request.
        request: the request.
        kind: what it is, such as "deep verification".
        words: does the work, and yields the replies.
        turn: its turn, if it waits for one.

    Returns:
        The replies. The work begins with the first one, after its audit event.

    Raises:
        VaultError: at once: the service is stopping, or has too many works.
    """
    if not session.host.in_service:
        return words
    session.host.works.check_room(request, session.caller)
    return _begun(session, request, kind, words, turn)


def _begun(
    session: ClientSession,
    request: Request,
    kind: str,
    words: Generator[WireWord, None, None],
    turn: Turn | None,
) -> Iterator[WireWord]:
    yield from session.host.works.begin(request, kind, session.caller, words, turn).replies()
