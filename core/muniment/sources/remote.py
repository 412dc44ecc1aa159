"""What the sources over a network share: getting in, and getting every item in spite of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from muniment.sources import tls
from muniment.sources.base import Fetched, Item, Unfetched
from muniment.sources.endpoint import Endpoint
from muniment.sources.limits import Overrun
from muniment.sources.network import Unreachable
from muniment.sources.retry import Passing, Patience
from muniment.sources.work import make_work

Answer = Fetched | Unfetched

_GIVEN_UP = 3
"""Items given up one after the other before the server, and not the items, is held to be at fault."""


class RemoteSource(ABC):
    """A mailbox on a server: opened when needed, and opened again when the line broke."""

    session = 5000
    vouches = False
    expected: int | None = None

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._sleep = sleep

    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def _open(self) -> None:
        """Connect, log in, and learn what is there. Leaves nothing open when it raises."""

    @abstractmethod
    def _drop(self) -> None:
        """Hang up at once."""

    @abstractmethod
    def _retrieve(self, items: list[Item]) -> Iterator[Answer]:
        """Answers in the order of `items`, until done or until the line breaks (Passing)."""

    def connect(self) -> None:
        """Reach the mailbox and log in; a lock or a throttle is waited for, an absent server is not."""
        tls.require_private(self._endpoint)
        make_work(self._endpoint.work)
        self._reopen(first=True)

    def close(self) -> None:
        """Hang up; never deletes anything. Safe to call twice."""
        self._drop()

    def _reopen(self, *, first: bool = False) -> None:
        patience = Patience(self._sleep)
        while not self._is_open():
            try:
                self._open()
            except Passing as error:
                if first and isinstance(error, Unreachable):
                    raise
                patience.again(error)

    def fetch(self, items: Sequence[Item]) -> Iterator[Answer]:
        """The bytes of listed items; no item is answered twice, however often the line breaks.

        Read it to its end before the next call. An item that the server fails at again and again is
        answered with Unfetched, so that it stops nothing.
        """
        remaining = {(item.place, item.key): item for item in items}
        patience = Patience(self._sleep)
        given_up = 0
        while remaining:
            self._reopen()
            try:
                for answer in self._retrieve(list(remaining.values())):
                    del remaining[answer.item.place, answer.item.key]
                    patience.progress()
                    given_up = 0
                    yield answer
            except Passing as error:
                self._drop()
                if self._waited(patience, error):
                    continue
                given_up += 1
                if given_up == _GIVEN_UP:
                    raise
                suspect = remaining.pop(next(iter(remaining)))
                yield Unfetched(suspect, f"the server failed at it again and again: {error}")
            except Overrun as error:
                self._drop()
                given_up += 1
                if given_up == _GIVEN_UP or error.item is None:
                    raise
                yield Unfetched(remaining.pop((error.item.place, error.item.key)), str(error))

    def _waited(self, patience: Patience, error: Passing) -> bool:
        try:
            patience.again(error)
        except Passing:
            return False
        return True
