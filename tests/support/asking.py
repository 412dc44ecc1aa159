"""Sends requests of a caller through the guard."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from muniment.api import Request, WireWord
from muniment.service.dispatch import guard
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.session import ClientSession


def leave(replies: Iterator[WireWord]) -> None:
    """Close a stream before its end, as a caller does that leaves."""
    assert isinstance(replies, Generator)
    replies.close()


def answers(session: ClientSession, request: Request) -> list[WireWord]:
    """All replies to a request. Checks that the table of operations names the class of each reply."""
    operation = OPERATIONS[type(request)]
    found = list(guard.stream(session, request)) if operation.streams else [guard.call(session, request)]
    assert {type(one) for one in found} <= set(operation.replies)
    return found
