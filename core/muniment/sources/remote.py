"""What the sources over a network share: getting in, and getting every item in spite of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from muniment.errors import SourceError
from muniment.sources import retry, tls
from muniment.sources.base import Fetched, Item, Place, Unfetched
from muniment.sources.endpoint import Endpoint
from muniment.sources.limits import Overrun
from muniment.sources.network import Unreachable
from muniment.sources.refusing import Refusing, Shut
from muniment.sources.retry import ATTEMPTS, PATIENT_FOR, Passing, Patience
from muniment.sources.spool_files import make_work

Answer = Fetched | Unfetched

SURE = 3
"""Messages given up in a row, beyond those that it takes to try some of all that is left in a folder, before
the folder is given up for this run."""
LONGEST_SILENCE = 300.0
"""Seconds that a folder is tried, at least, while the server fails at all of its messages."""
WORN = 3
"""Messages given up in a run before the next ones get fewer attempts."""
ATTEMPTS_WORN = 2
OBEYED_FOR = 900.0
"""Seconds that one of several mailboxes is waited for, where the server says how long to wait."""
SURELY_DEAD = 3
"""Folders given up, and not one message had, before the whole server is held to be at fault."""


class RemoteSource(ABC, Refusing):
    """A mailbox on a server: opened when needed, and opened again when the line broke."""

    session = 5000
    vouches = False
    expected: int | None = None

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._sleep = sleep
        self._row = _Row(Patience(sleep))
        self._batch = 1
        """How many messages are asked for at once."""
        self._answered = False
        """Whether any message was had."""
        self._given_up = 0
        self._busy = 0
        """Mailboxes given up one after the other because the server asked for time again and again."""
        self._lost: dict[Place, str] = {}
        """Folders that were given up, and why."""

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
        """Answers in the order of `items`, until done or until the line breaks (Passing).

        Raises Shut for a mailbox or folder that can't be read while others can.
        """

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
        answered with Unfetched, so that it stops nothing; so are the items of a mailbox or folder that is
        shut. Raises SourceError where the server fails at whatever it is asked for.
        """
        remaining = {(item.place, item.key): item for item in items}
        row = self._row
        row.patience = self._patience()
        while remaining:
            for place in {item.place for item in remaining.values()} & self._lost.keys():
                yield from self._leave(remaining, place)
            if not remaining:
                return
            self._reopen()
            began, alone = retry.now(), self._batch == 1
            try:
                for answer in self._retrieve(list(remaining.values())):
                    del remaining[answer.item.place, answer.item.key]
                    row.patience.progress()
                    row.place, row.length, row.seconds = None, 0, 0.0
                    began, alone, self._answered, self._busy = retry.now(), False, True, 0
                    yield answer
                continue
            except Shut as error:
                yield from self._shut(remaining, error)
                continue
            except Passing as error:
                self._drop()
                row.seconds += retry.now() - began
                if self._waited(row, error):
                    continue
                if error.wait:
                    yield from self._put_off(remaining, error)
                    row.patience = self._patience()
                    continue
                if not alone:  # which of them is it? Each is asked for alone before it is given up.
                    self._batch = 1
                    row.patience = self._patience()
                    continue
                failure: SourceError = error
                suspect = next(iter(remaining.values()))
                reason = f"the server failed at it again and again: {error}"
            except Overrun as error:
                self._drop()
                if error.item is None:
                    raise
                failure, suspect, reason = error, error.item, str(error)
            self._given_up += 1
            row.patience = self._patience()
            row.length = row.length + 1 if row.place == suspect.place else 1
            row.place = suspect.place
            del remaining[suspect.place, suspect.key]
            yield Unfetched(suspect, reason)
            beside = [key for key in remaining if key[0] == suspect.place]
            if row.length >= SURE + len(beside).bit_length() and row.seconds >= LONGEST_SILENCE:
                self._lose(suspect.place, failure)
            _put_last(remaining, beside[: 2 ** (row.length - 1)])

    def _patience(self) -> Patience:
        """What a failing server is given: less, once it has failed at several messages in spite of all.

        One that is busy for one mailbox after the other is not waited for at the next one.
        """
        if self._busy >= SURELY_DEAD:
            return Patience(self._sleep, ATTEMPTS_WORN, 0.0)
        attempts = ATTEMPTS if self._given_up < WORN else ATTEMPTS_WORN
        return Patience(self._sleep, attempts, OBEYED_FOR if self._several else PATIENT_FOR)

    @property
    def _several(self) -> bool:
        """Whether there are parts of which one may be left out."""
        return self._endpoint.folders is not None or len(self._endpoint.mailboxes) > 1

    def _put_off(self, remaining: dict[tuple[Place, str], Item], error: Passing) -> Iterator[Answer]:
        """The server has asked for time again and again: a mailbox is left for the next run, or all of it."""
        mailbox = next(iter(remaining.values())).place.mailbox
        if len(self._endpoint.mailboxes) <= 1:
            raise error
        self._busy += 1
        yield from self._shut(remaining, Shut(f"{mailbox} could not be read. {error}", mailbox))

    def _waited(self, row: _Row, error: Passing) -> bool:
        try:
            row.seconds += row.patience.again(error)
        except Passing:
            return False
        return True

    def _lose(self, place: Place, error: SourceError) -> None:
        """Give a folder up for this run. Raises `error` where the server seems to be at fault as a whole."""
        self._lost[place] = f"the server failed at all that was tried of what is left there: {error}"
        if not self._answered and (not self._several or len(self._lost) >= SURELY_DEAD):
            raise error
        self.refuse("/".join(filter(None, (place.mailbox, place.title or place.folder))), str(error))

    def _leave(self, remaining: dict[tuple[Place, str], Item], place: Place) -> Iterator[Answer]:
        """Answer for a folder that was given up, without asking for its messages."""
        for key in [key for key in remaining if key[0] == place]:
            yield Unfetched(remaining.pop(key), self._lost[place])

    def _shut(self, remaining: dict[tuple[Place, str], Item], error: Shut) -> Iterator[Answer]:
        """Give up what lies in a mailbox or folder that is shut. Raises `error` where nothing does."""
        covered = [key for key, item in remaining.items() if error.covers(item.place)]
        if not covered:
            raise error
        self.refuse(error.where, str(error))
        for key in covered:
            yield Unfetched(remaining.pop(key), str(error))


@dataclass(slots=True)
class _Row:
    """Messages given up one after the other."""

    patience: Patience
    place: Place | None = None
    length: int = 0
    seconds: float = 0.0
    """Time since the last answer."""


def _put_last(remaining: dict[tuple[Place, str], Item], keys: list[tuple[Place, str]]) -> None:
    """Let some items wait until all others have been tried: bad messages lie next to each other."""
    for key in keys:
        remaining[key] = remaining.pop(key)
