"""The first stage: list a mailbox, skip what is kept, fetch the rest, delete what is safe.

Runs in a thread of its own, the only one that talks to the source. What it has to say goes into a
bounded queue to the archivist, in order.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

from muniment.archive.catalog import Known
from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.pause import Cancelled, Pause
from muniment.runs.pipeline.plan import Plan
from muniment.runs.pipeline.smtp_envelope import headers_of
from muniment.runs.pipeline.sync_state import Marks
from muniment.runs.prepare.prepared_copy import Job
from muniment.runs.prepare.worker_pool import Copies, WorkerPool
from muniment.sources.base import (
    Choosing,
    Deleting,
    Fetched,
    Item,
    Partial,
    PassedOver,
    Refusal,
    Resumable,
    Source,
    Unfetched,
)

BATCH_ITEMS = 64
BATCH_BYTES = 1024 * 1024
BATCHES = 6
"""How many batches may wait between the fetcher and the archivist."""
FOREVER = 3600.0


@dataclass(slots=True)
class Listed:
    """That many more items were listed; so many are archived already, or of an age that is not archived."""

    count: int
    already: int
    skipped: int = 0
    expected: int | None = None
    """How many there are in all, where the source knows."""
    last: bool = False
    """Whether nothing is left to be listed."""


@dataclass(slots=True)
class Batch:
    """Fetched items on their way through a worker."""

    fetched: list[Fetched]
    copies: Future[Copies]


@dataclass(slots=True)
class Settle:
    """Asks for all that came before to be committed; then holds the items that may be deleted."""

    done: threading.Event = field(default_factory=threading.Event)
    safe: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Deleted:
    """The source has confirmed these deletions."""

    items: list[Item]


@dataclass(slots=True)
class Refused:
    """The source goes on without a mailbox or folder."""

    refusals: list[Refusal]


@dataclass(slots=True)
class Portion:
    """Items that are listed together."""

    items: list[Item]
    last: bool
    """Whether nothing comes after them."""


@dataclass(slots=True)
class Passed:
    """What the source has passed over so far, all of it."""

    found: list[PassedOver]


@dataclass(slots=True)
class End:
    """Nothing more comes; with `error` because something went wrong."""

    error: BaseException | None = None


Message = Listed | Batch | Unfetched | Settle | Deleted | Refused | Passed | End


class Fetcher(threading.Thread):
    """Feeds one source's mail to the archivist."""

    def __init__(
        self,
        vault: Vault,
        source: Source,
        plan: Plan,
        pool: WorkerPool,
        pause: Pause,
        marks: Marks | None = None,
    ) -> None:
        super().__init__(name=f"fetch-{plan.profile}", daemon=True)
        self.messages: queue.Queue[Message] = queue.Queue(BATCHES)
        self._vault = vault
        self._source = source
        self._plan = plan
        self._pool = pool
        self._pause = pause
        self._marks = marks
        self.deletes = plan.delete
        """Whether mail is deleted at the source: asked for, and not known to be impossible there."""

    def abandon(self) -> None:
        """The archivist has given up: stop as soon as possible. Safe to call twice."""
        self._pause.give_up()
        while self.is_alive():
            try:
                message = self.messages.get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(message, Batch):
                discard(message)

    def run(self) -> None:
        """Thread body: everything it meets ends in the queue."""
        end = End()
        try:
            self._source.connect()
            self._see_whether_to_delete()
            if self._marks and isinstance(self._source, Resumable):
                self._source.resume(self._marks.of)
            for portion in chunked(self._source.listing(), self._source.session):
                self._session(portion)
                self._see_whether_to_delete()  # some servers show only when asked that they can't
                self._say_refusals()
            self._say_passed()
            self._say_refusals()
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - the run is told, and says it
            end = End(error)
        finally:
            self._close(end)

    def _see_whether_to_delete(self) -> None:
        """Where the server can't delete at all, mail is archived and kept there, and the run says so."""
        reason = self._source.undeletable() if self.deletes and isinstance(self._source, Deleting) else ""
        if reason:
            self.deletes = False
            self._say(Refused([Refusal("", reason, deleting=True)]))

    def _say_refusals(self) -> None:
        refusals = self._source.refusals() if isinstance(self._source, Partial) else []
        if refusals:
            self._say(Refused(refusals))

    def _say_passed(self) -> None:
        found = self._source.passed_over() if isinstance(self._source, Choosing) else []
        if found:
            self._say(Passed(found))

    def _close(self, end: End) -> None:
        with suppress(Cancelled):
            self._say_refusals()  # those of a listing that broke
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - hanging up may fail, the mail is safe
            end.error = end.error or error
        while not self._pause.given_up:
            try:
                self.messages.put(end, timeout=0.1)
                return
            except queue.Full:
                continue

    def _say(self, message: Message, cancellable: bool = True) -> None:
        """Queue a message; what has happened at the source is said even when the run is cancelled."""
        while True:
            if cancellable or self._pause.given_up:
                self._pause.check()
            try:
                self.messages.put(message, timeout=0.1)
                return
            except queue.Full:
                continue

    def _session(self, portion: Portion) -> None:
        items = portion.items
        wanted, safe, skipped = self._sort_out(items)
        already = len(items) - len(wanted) - skipped
        self._say_passed()
        self._say(Listed(len(items), already, skipped, self._source.expected, portion.last))
        for batch in self._batches(wanted):
            try:
                self._say(batch)
            except Cancelled:
                discard(batch)
                raise
        if self.deletes:
            settle = Settle()
            self._say(settle)
            while not settle.done.wait(0.05):
                self._pause.check()
            now = time.time()
            due = (item for item in (*safe, *settle.safe) if self._plan.deletes(item, now))
            with self._pause.firm():  # what a source takes in portions ends with the portion in hand
                gone = self._source.delete(itertools.takewhile(lambda _: not self._pause.over, due))
            if gone:
                self._say(Deleted(gone), cancellable=False)

    def _sort_out(self, items: Sequence[Item]) -> tuple[list[Item], list[Item], int]:
        """Which to fetch, which are kept and may be deleted unfetched, and how many are passed by."""
        known = self._known(items)
        now = time.time()
        wanted: list[Item] = []
        safe: list[Item] = []
        skipped = 0
        for item in items:
            kept = known.get(item)
            if kept is None or not kept.kept or not self._plan.reads_as(kept.route):
                if self._plan.takes(item, now):
                    wanted.append(item)
                else:
                    skipped += 1
            elif self.deletes and self._plan.deletes(item, now):
                (safe if self._vouched(item, kept) else wanted).append(item)
        return wanted, safe, skipped

    def _known(self, items: Sequence[Item]) -> dict[Item, Known]:
        found: dict[Item, Known] = {}
        for place, group in itertools.groupby(items, key=lambda item: item.place):
            members = list(group)
            keys = [item.key for item in members]
            known = self._vault.catalog.known_keys(place.host, place.mailbox, place.folder, keys)
            found |= {item: known[item.key] for item in members if item.key in known}
        return found

    def _vouched(self, item: Item, kept: Known) -> bool:
        return self._source.vouches and item.size == kept.size and self._vault.reads_back(kept.sha)

    def _batches(self, items: Sequence[Item]) -> Iterator[Batch]:
        fetched: list[Fetched] = []
        size = 0
        try:
            for answer in self._source.fetch(items) if items else ():
                if isinstance(answer, Unfetched):
                    self._say(answer)
                    continue
                fetched.append(answer)
                self._pause.check()
                size += len(answer.content) if isinstance(answer.content, bytes) else BATCH_BYTES
                if len(fetched) >= BATCH_ITEMS or size >= BATCH_BYTES:
                    batch, fetched, size = self._submit(fetched), [], 0
                    yield batch
        except (Cancelled, GeneratorExit):
            _remove_files(fetched)
            raise
        except BaseException:
            if fetched:  # what is in hand is archived, whatever keeps the rest from coming
                yield self._submit(fetched)
            raise
        if fetched:
            yield self._submit(fetched)

    def _submit(self, fetched: list[Fetched]) -> Batch:
        jobs = [
            Job(b"", str(one.content), self._plan.journal, headers_of(one.item))
            if isinstance(one.content, Path)
            else Job(one.content, "", self._plan.journal, headers_of(one.item))
            for one in fetched
        ]
        return Batch(fetched, self._pool.submit(jobs))


def chunked(items: Iterator[Item], size: int) -> Iterator[Portion]:
    """Portions of at most `size` items.

    Raises what `items` raises, once all that was listed before has been handed on.
    """
    last = False
    while not last:
        chunk: list[Item] = []
        try:
            for item in itertools.islice(items, size):
                chunk.append(item)
        except Exception:
            if chunk:
                yield Portion(chunk, last=False)
            raise
        last = len(chunk) < size
        if chunk:
            yield Portion(chunk, last)


def discard(batch: Batch) -> None:
    """Remove the files of a batch, archived or not, as soon as no worker reads or writes them."""
    batch.copies.add_done_callback(lambda _: _remove_files(batch.fetched))


def _remove_files(fetched: Sequence[Fetched]) -> None:
    """Remove fetched files, and what was made of them: its name begins with theirs."""
    for one in fetched:
        if isinstance(one.content, Path):
            for path in one.content.parent.glob(f"{escape(one.content.name)}*"):
                path.unlink(missing_ok=True)
