"""What POP3, IMAP and EWS share: they open a broken session again, and fetch every item that can be had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from muniment.errors import SourceError
from muniment.net import retry
from muniment.net.dial import ServerUnreachable
from muniment.net.retry import ATTEMPTS, PATIENT_FOR, RetryPolicy, TransientError
from muniment.sources.base import FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import ServerEndpoint, require_private
from muniment.sources.mail_limits import ServerOverrun
from muniment.sources.refusing import MailboxRefused, RefusalKeeper
from muniment.sources.spool_files import make_work

Answer = FetchedItem | UnfetchedItem

SURE = 3
"""Number of failed messages in a row, besides those that sample the rest of a folder, after which the folder
is given up for this run."""
LONGEST_SILENCE = 300.0
"""Shortest time, in seconds, before a folder is given up because the server fails at all of its messages."""
WORN = 3
"""Number of messages given up in a run after which the next ones get fewer attempts."""
ATTEMPTS_WORN = 2
"""Number of attempts after that."""
OBEYED_FOR = 900.0
"""Longest total wait for one of several mailboxes, in seconds, if the server says how long to wait."""
SURELY_DEAD = 3
"""Number of folders given up, without one message fetched, after which the whole server counts as failed."""


class RemoteSource(ABC, RefusalKeeper):
    """A mailbox on a server. Its session is opened when needed, and again after a broken connection."""

    session = 5000
    vouches = False
    expected: int | None = None

    def __init__(self, endpoint: ServerEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._sleep = sleep
        self._row = _Row(RetryPolicy(sleep))
        self._batch = 1
        """Number of messages in one request."""
        self._answered = False
        """Whether any message could be fetched."""
        self._given_up = 0
        """Number of messages that were given up."""
        self._busy = 0
        """Number of mailboxes in a row that were given up because the server kept asking to wait."""
        self._lost: dict[MailPlace, str] = {}
        """Folders that were given up, and why."""

    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def _open(self) -> None:
        """Connect, log in, and find out what is there. If it raises, it leaves no connection open."""

    @abstractmethod
    def _drop(self) -> None:
        """Close the connection at once."""

    @abstractmethod
    def _retrieve(self, items: list[MailItem]) -> Iterator[Answer]:
        """Yield answers in the order of `items`.

        Raises:
            TransientError: The connection broke, or the server failed.
            MailboxRefused: One mailbox or folder can't be read, while others can.
        """

    def connect(self) -> None:
        """Reach the mailbox and log in (see Source.connect).

        A locked mailbox and throttling are waited for; a server that does not answer is not.
        """
        require_private(self._endpoint)
        make_work(self._endpoint.work)
        self._reopen(first=True)

    def close(self) -> None:
        """Close the connection. It never deletes anything, and can be called twice."""
        self._drop()

    def _reopen(self, *, first: bool = False) -> None:
        patience = RetryPolicy(self._sleep)
        while not self._is_open():
            try:
                self._open()
            except TransientError as error:
                if first and isinstance(error, ServerUnreachable):
                    raise
                patience.again(error)

    def fetch(self, items: Sequence[MailItem]) -> Iterator[Answer]:
        """Fetch the bytes of listed items (see Source.fetch).

        No item is answered twice, however often the connection breaks. An item at which the server keeps
        failing is answered with UnfetchedItem, and so are the items of a mailbox or folder that can't be
        read. If the server asks to wait for a mailbox, the items of the others come first.
        """
        remaining = {(item.place, item.key): item for item in items}
        busy: set[str] = set()
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
            except MailboxRefused as error:
                yield from self._shut(remaining, error)
                continue
            except TransientError as error:
                self._drop()
                row.seconds += retry.now() - began
                if error.wait and _put_mailbox_last(remaining, busy):
                    continue
                if self._waited(row, error):
                    continue
                if error.wait:
                    yield from self._put_off(remaining, error)
                    row.patience = self._patience()
                    continue
                if (
                    not alone
                ):  # find the message that fails: no message is given up unless it was asked for alone
                    self._batch = 1
                    row.patience = self._patience()
                    continue
                failure: SourceError = error
                suspect = next(iter(remaining.values()))
                reason = f"the server failed at it at every attempt: {error}"
            except ServerOverrun as error:
                self._drop()
                if error.item is None:
                    raise
                failure, suspect, reason = error, error.item, str(error)
            self._given_up += 1
            row.patience = self._patience()
            row.length = row.length + 1 if row.place == suspect.place else 1
            row.place = suspect.place
            del remaining[suspect.place, suspect.key]
            yield UnfetchedItem(suspect, reason)
            beside = [key for key in remaining if key[0] == suspect.place]
            if row.length >= SURE + len(beside).bit_length() and row.seconds >= LONGEST_SILENCE:
                self._lose(suspect.place, failure)
            _put_last(remaining, beside[: 2 ** (row.length - 1)])

    def _patience(self) -> RetryPolicy:
        """The attempts for the next message: fewer, once several messages have been given up.

        A server that was busy for several mailboxes in a row is not waited for any more.
        """
        if self._busy >= SURELY_DEAD:
            return RetryPolicy(self._sleep, ATTEMPTS_WORN, 0.0)
        attempts = ATTEMPTS if self._given_up < WORN else ATTEMPTS_WORN
        return RetryPolicy(self._sleep, attempts, OBEYED_FOR if self._several else PATIENT_FOR)

    @property
    def _several(self) -> bool:
        """Whether there are several mailboxes or folders, so that one of them can be left out."""
        return self._endpoint.folders is not None or self._endpoint.several_mailboxes

    def _put_off(
        self, remaining: dict[tuple[MailPlace, str], MailItem], error: TransientError
    ) -> Iterator[Answer]:
        """Leave a busy mailbox for the next run. Raises `error` if it is the only mailbox."""
        mailbox = next(iter(remaining.values())).place.mailbox
        if not self._endpoint.several_mailboxes:
            raise error
        self._busy += 1
        yield from self._shut(remaining, MailboxRefused(f"{mailbox} could not be read. {error}", mailbox))

    def _waited(self, row: _Row, error: TransientError) -> bool:
        try:
            row.seconds += row.patience.again(error)
        except TransientError:
            return False
        return True

    def _lose(self, place: MailPlace, error: SourceError) -> None:
        """Give a folder up for this run. Raises `error` if the whole server seems to have failed."""
        self._lost[place] = f"the server failed at every message that was tried there: {error}"
        if not self._answered and (not self._several or len(self._lost) >= SURELY_DEAD):
            raise error
        self.refuse("/".join(filter(None, (place.mailbox, place.title or place.folder))), str(error))

    def _leave(self, remaining: dict[tuple[MailPlace, str], MailItem], place: MailPlace) -> Iterator[Answer]:
        """Answer the items of a folder that was given up, without asking the server."""
        for key in [key for key in remaining if key[0] == place]:
            yield UnfetchedItem(remaining.pop(key), self._lost[place])

    def _shut(
        self, remaining: dict[tuple[MailPlace, str], MailItem], error: MailboxRefused
    ) -> Iterator[Answer]:
        """Answer the items in a mailbox or folder that can't be read. Raises `error` if there are none."""
        covered = [key for key, item in remaining.items() if error.covers(item.place)]
        if not covered:
            raise error
        self.refuse(error.where, str(error))
        for key in covered:
            yield UnfetchedItem(remaining.pop(key), str(error))


@dataclass(slots=True)
class _Row:
    """A series of messages that were given up one after the other."""

    patience: RetryPolicy
    place: MailPlace | None = None
    length: int = 0
    seconds: float = 0.0
    """Seconds spent on attempts since the last answer."""


def _put_mailbox_last(remaining: dict[tuple[MailPlace, str], MailItem], busy: set[str]) -> bool:
    """Move the items of the first mailbox behind those of the others, once for each mailbox in `busy`.

    Returns:
        Whether there are others, so that nothing needs to be waited for yet.
    """
    mailbox = next(iter(remaining))[0].mailbox
    keys = [key for key in remaining if key[0].mailbox == mailbox]
    if mailbox in busy or len(keys) == len(remaining):
        return False
    busy.add(mailbox)
    _put_last(remaining, keys)
    return True


def _put_last(remaining: dict[tuple[MailPlace, str], MailItem], keys: list[tuple[MailPlace, str]]) -> None:
    """Move some items to the end of the queue, since bad messages often lie next to each other."""
    for key in keys:
        remaining[key] = remaining.pop(key)
