"""Fetches MIME from Microsoft Graph, from several mailboxes at the same time; none holds up another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from muniment.errors import SourceError
from muniment.net import retry
from muniment.net.retry import ATTEMPTS, TransientError
from muniment.sources.base import FetchedItem, MailItem, UnfetchedItem
from muniment.sources.graph.answers import FORBIDDEN, NOT_FOUND, GraphRefused, RetryLater
from muniment.sources.graph.connection import GraphTokenRefused, GraphWire
from muniment.sources.graph.folders import GraphMailbox, explained
from muniment.sources.graph.lanes import MailboxDelayed
from muniment.sources.refusing import MailboxRefused
from muniment.sources.remote import (
    ATTEMPTS_WORN,
    LONGEST_SILENCE,
    SURE,
    SURELY_DEAD,
    WORN,
    Answer,
)

AT_ONCE = 4
"""Most requests at a time for one mailbox; Exchange Online serves no more for an application."""
THREADS = 8
"""Most requests at a time for all mailboxes together."""
GONE = "it is no longer in the mailbox"


@dataclass(slots=True)
class _Lane:
    """The requests for one mailbox."""

    mailbox: GraphMailbox
    queue: deque[MailItem] = field(default_factory=deque)
    running: int = 0
    delayed: bool = False
    in_a_row: int = 0
    """Number of messages given up since the last one that was fetched."""
    since: float = 0.0
    """When the first of them was given up (`retry.now`)."""
    lost: str = ""
    """Why the mailbox was given up for this run; "" if it was not."""


class GraphFetcher:
    """The threads that fetch, and the state of each mailbox in this run."""

    def __init__(
        self,
        wire: GraphWire,
        mailbox_of: Callable[[MailItem], GraphMailbox],
        refuse: Callable[[str, str], None],
        *,
        several: bool,
    ) -> None:
        """Set what fetching needs.

        Args:
            wire: The connection.
            mailbox_of: The mailbox of an item.
            refuse: Called with the address of a mailbox that is given up, and the reason.
            several: Whether there are several mailboxes. If there is only one, its failure ends the run.
        """
        self._wire = wire
        self._mailbox_of = mailbox_of
        self._refuse = refuse
        self._several = several
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="graph")
        self._lanes: dict[str, _Lane] = {}
        self._given_up = 0
        self._dead = 0
        """Number of mailboxes given up because the service failed, since the last message was fetched."""

    def close(self) -> None:
        """Wait for the requests that are on their way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def fetch(self, items: Sequence[MailItem]) -> Iterator[Answer]:
        """Yield one answer for each item. Raises SourceError if the service fails at everything."""
        lanes = self._sorted(items)
        running: dict[Future[Answer], MailItem] = {}
        ready: deque[tuple[MailItem, Future[Answer]]] = deque()
        try:
            while True:
                for lane in lanes:
                    yield from self._left_out(lane)
                self._fill(lanes, running)
                if running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    ready.extend((running.pop(future), future) for future in done)
                    while ready:
                        yield from self._result(*ready.popleft())
                elif delayed := [lane.mailbox.address for lane in lanes if lane.queue and lane.delayed]:
                    opened = self._wire.lanes.await_one(delayed)
                    for lane in lanes:
                        lane.delayed &= lane.mailbox.address not in opened
                elif not any(lane.queue for lane in lanes):
                    return
        finally:
            _abandon([*running, *(future for _, future in ready)])
            for lane in lanes:
                lane.queue.clear()
                lane.running = 0

    def _sorted(self, items: Sequence[MailItem]) -> list[_Lane]:
        lanes: dict[str, _Lane] = {}
        for item in dict.fromkeys(items):
            name = item.place.mailbox
            if name not in lanes:
                lanes[name] = self._lanes.setdefault(name, _Lane(self._mailbox_of(item)))
            lanes[name].queue.append(item)
        return list(lanes.values())

    def _fill(self, lanes: list[_Lane], running: dict[Future[Answer], MailItem]) -> None:
        """Start as many requests as are allowed."""
        for lane in lanes:
            if lane.delayed and self._wire.lanes.left(lane.mailbox.address) <= 0:
                lane.delayed = False
            while lane.queue and not lane.delayed and lane.running < AT_ONCE and len(running) < THREADS:
                item = lane.queue.popleft()
                lane.running += 1
                running[self._threads.submit(self._get, lane.mailbox, item)] = item

    def _left_out(self, lane: _Lane) -> Iterator[Answer]:
        while lane.lost and lane.queue:
            yield UnfetchedItem(lane.queue.popleft(), lane.lost)

    def _result(self, item: MailItem, future: Future[Answer]) -> Iterator[Answer]:
        """Handle the result of a request. Raises an error that ends the run."""
        lane = self._lanes[item.place.mailbox]
        lane.running -= 1
        try:
            answer = future.result()
        except MailboxDelayed:
            lane.delayed = True
            lane.queue.appendleft(item)
            return
        except (RetryLater, MailboxRefused, GraphTokenRefused) as error:
            yield self._give_up(lane, item, error)
            return
        except TransientError as error:
            yield self._failed(lane, item, error)
            return
        lane.in_a_row = self._dead = 0
        yield answer

    def _give_up(self, lane: _Lane, item: MailItem, error: SourceError) -> Answer:
        """Give up a mailbox that can't be opened, or for which the service asked to wait too long."""
        if not self._several or (isinstance(error, GraphTokenRefused) and not self._wire.proved):
            raise error
        lane.lost = lane.lost or str(error)
        self._refuse(lane.mailbox.address, str(error))
        return UnfetchedItem(item, str(error))

    def _failed(self, lane: _Lane, item: MailItem, error: TransientError) -> Answer:
        """Give up a message, and also its mailbox if messages from all parts of it keep failing."""
        if not lane.in_a_row:
            lane.since = retry.now()
        lane.in_a_row += 1
        self._given_up += 1
        enough = lane.in_a_row >= SURE + len(lane.queue).bit_length()
        if enough and retry.now() - lane.since >= LONGEST_SILENCE and not lane.lost:
            self._dead += 1
            if not self._several or self._dead >= SURELY_DEAD:
                raise error
            lane.lost = f"the service failed at every message that was tried there: {error}"
            self._refuse(lane.mailbox.address, str(explained(lane.mailbox, error)))
        # Bad messages are often next to each other, so the neighbours are asked for last.
        lane.queue.rotate(-min(2 ** (lane.in_a_row - 1), len(lane.queue)))
        return UnfetchedItem(item, f"the service failed at it at every attempt: {error}")

    # --- in the threads -------------------------------------------------------------------------

    def _get(self, mailbox: GraphMailbox, item: MailItem) -> Answer:
        attempts = ATTEMPTS if self._given_up < WORN else ATTEMPTS_WORN
        path = mailbox.message(item.key)
        try:
            mime = self._wire.mime(mailbox.address, f"{path}/$value", wait=False, attempts=attempts)
            return FetchedItem(item, mime)
        except GraphRefused as error:
            if error.no_mailbox:
                raise explained(mailbox, error) from error
            if error.status == FORBIDDEN:
                self._require_open(mailbox)
            if error.status == NOT_FOUND and self._is_gone(mailbox, path):
                return UnfetchedItem(item, GONE, gone=True)
            return UnfetchedItem(item, f"the service can't send it ({error.code})")

    def _require_open(self, mailbox: GraphMailbox) -> None:
        """Check that the mailbox is open to us, so that only the message was refused. Raises
        MailboxRefused."""
        try:
            self._wire.page(mailbox.address, f"{mailbox.path}/mailFolders/inbox?$select=id", wait=False)
        except GraphRefused as error:
            raise explained(mailbox, error) from error

    def _is_gone(self, mailbox: GraphMailbox, path: str) -> bool:
        """Whether Exchange itself says that the message does not exist (see GraphRefused.no_item)."""
        try:
            self._wire.page(mailbox.address, f"{path}?$select=id", wait=False)
        except GraphRefused as error:
            return error.no_item
        return False


def _abandon(running: Iterable[Future[Answer]]) -> None:
    """Wait for requests that are on their way, and remove the files of their unused answers."""
    waiting = [future for future in running if not future.cancel()]
    wait(waiting)
    for future in waiting:
        if future.exception() is None:
            answer = future.result()
            if isinstance(answer, FetchedItem) and isinstance(answer.content, Path):
                answer.content.unlink(missing_ok=True)
