"""The first stage: it lists a mailbox, skips what is kept, fetches the rest, and deletes what is safe.

It runs in its own thread, the only one that talks to the source. Its messages go to the archivist in order,
through a bounded queue.
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

from muniment.archive.catalog import KnownKey
from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.pause import RunCancelled, RunPause
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.pipeline.smtp_envelope import headers_of
from muniment.runs.pipeline.sync_state import SyncMarks
from muniment.runs.prepare.prepared_copy import CopyJob
from muniment.runs.prepare.worker_pool import Copies, WorkerPool
from muniment.sources.base import (
    DeletingSource,
    FetchedItem,
    MailItem,
    PartialSource,
    PassedOver,
    ResumableSource,
    SkippingSource,
    Source,
    SourceRefusal,
    UnfetchedItem,
)

BATCH_ITEMS = 64
BATCH_BYTES = 1024 * 1024
BATCHES = 6
"""Batches that may wait between the fetcher and the archivist."""
FOREVER = 3600.0


@dataclass(slots=True)
class ListedCount:
    """A portion of the listing."""

    count: int
    """Items of the portion."""
    already: int
    """Items of them that are archived already."""
    skipped: int = 0
    """Items of them whose age is not archived."""
    expected: int | None = None
    """Items in all, if the source knows the number; otherwise None."""
    last: bool = False
    """Whether it is the last portion."""


@dataclass(slots=True)
class FetchedBatch:
    """Fetched items on their way through a worker."""

    fetched: list[FetchedItem]
    copies: Future[Copies]


@dataclass(slots=True)
class CommitBarrier:
    """Asks the archivist to commit everything before it, and to return the items that may be deleted."""

    done: threading.Event = field(default_factory=threading.Event)
    """Set once everything is committed."""
    safe: list[MailItem] = field(default_factory=list)
    """The items that may be deleted, filled before `done` is set."""


@dataclass(slots=True)
class DeletedItems:
    """Items whose deletion the source has confirmed."""

    items: list[MailItem]


@dataclass(slots=True)
class PlacesRefused:
    """Mailboxes or folders without which the source continues."""

    refusals: list[SourceRefusal]


@dataclass(slots=True)
class ListedPortion:
    """Items that are listed together."""

    items: list[MailItem]
    last: bool
    """Whether no items come after them."""


@dataclass(slots=True)
class PassedOverSoFar:
    """Everything that the source has passed over so far."""

    found: list[PassedOver]


@dataclass(slots=True)
class FetchEnd:
    """The last message. `error` says what went wrong; None for a normal end."""

    error: BaseException | None = None


Message = (
    ListedCount
    | FetchedBatch
    | UnfetchedItem
    | CommitBarrier
    | DeletedItems
    | PlacesRefused
    | PassedOverSoFar
    | FetchEnd
)


class Fetcher(threading.Thread):
    """The thread that feeds one source's mail to the archivist."""

    def __init__(
        self,
        vault: Vault,
        source: Source,
        plan: RunPlan,
        pool: WorkerPool,
        pause: RunPause,
        marks: SyncMarks | None = None,
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
        """Whether mail is deleted at the source: the plan asks for it, and the source can."""

    def abandon(self) -> None:
        """Stop as soon as possible, since the archivist has given up. Safe to call twice."""
        self._pause.give_up()
        while self.is_alive():
            try:
                message = self.messages.get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(message, FetchedBatch):
                discard(message)

    def run(self) -> None:
        end = FetchEnd()
        try:
            self._source.connect()
            self._check_deletion()
            if self._marks and isinstance(self._source, ResumableSource):
                self._source.resume(self._marks.of)
            for portion in chunked(self._source.listing(), self._source.session):
                self._session(portion)
                self._check_deletion()  # some servers show only after a deletion that they can't
                self._put_refusals()
            self._put_passed()
            self._put_refusals()
        except RunCancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - the run reports it
            end = FetchEnd(error)
        finally:
            self._close(end)

    def _check_deletion(self) -> None:
        """Stop deleting if the server can't delete at all.

        Mail is then archived and stays there, and the run says so.
        """
        reason = (
            self._source.undeletable() if self.deletes and isinstance(self._source, DeletingSource) else ""
        )
        if reason:
            self.deletes = False
            self._put(PlacesRefused([SourceRefusal("", reason, deleting=True)]))

    def _put_refusals(self) -> None:
        refusals = self._source.refusals() if isinstance(self._source, PartialSource) else []
        if refusals:
            self._put(PlacesRefused(refusals))

    def _put_passed(self) -> None:
        found = self._source.passed_over() if isinstance(self._source, SkippingSource) else []
        if found:
            self._put(PassedOverSoFar(found))

    def _close(self, end: FetchEnd) -> None:
        with suppress(RunCancelled):
            self._put_refusals()  # of a listing that broke
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - closing may fail, the mail is safe
            end.error = end.error or error
        while not self._pause.given_up:
            try:
                self.messages.put(end, timeout=0.1)
                return
            except queue.Full:
                continue

    def _put(self, message: Message, cancellable: bool = True) -> None:
        """Queue a message. With `cancellable` False, this happens even if the run is cancelled."""
        while True:
            if cancellable or self._pause.given_up:
                self._pause.check()
            try:
                self.messages.put(message, timeout=0.1)
                return
            except queue.Full:
                continue

    def _session(self, portion: ListedPortion) -> None:
        items = portion.items
        wanted, safe, skipped = self._sort(items)
        already = len(items) - len(wanted) - skipped
        self._put_passed()
        self._put(ListedCount(len(items), already, skipped, self._source.expected, portion.last))
        for batch in self._batches(wanted):
            try:
                self._put(batch)
            except RunCancelled:
                discard(batch)
                raise
        if self.deletes:
            settle = CommitBarrier()
            self._put(settle)
            while not settle.done.wait(0.05):
                self._pause.check()
            now = time.time()
            due = (item for item in (*safe, *settle.safe) if self._plan.deletes(item, now))
            with self._pause.firm():  # a cancelled run ends after the current portion of deletions
                gone = self._source.delete(itertools.takewhile(lambda _: not self._pause.over, due))
            if gone:
                self._put(DeletedItems(gone), cancellable=False)

    def _sort(self, items: Sequence[MailItem]) -> tuple[list[MailItem], list[MailItem], int]:
        """Sort listed items.

        Returns:
            The items to fetch, the items that are kept and may be deleted unfetched, and the number of
            skipped ones.
        """
        known = self._known(items)
        now = time.time()
        wanted: list[MailItem] = []
        safe: list[MailItem] = []
        skipped = 0
        for item in items:
            kept = known.get(item)
            if kept is None or not (kept.erased or (kept.kept and self._plan.reads_as(kept.route))):
                if self._plan.takes(item, now):
                    wanted.append(item)
                else:
                    skipped += 1
            elif self.deletes and self._plan.deletes(item, now):
                (safe if self._vouched(item, kept) else wanted).append(item)
        return wanted, safe, skipped

    def _known(self, items: Sequence[MailItem]) -> dict[MailItem, KnownKey]:
        found: dict[MailItem, KnownKey] = {}
        for place, group in itertools.groupby(items, key=lambda item: item.place):
            members = list(group)
            keys = [item.key for item in members]
            known = self._vault.catalog.known_keys(place.host, place.mailbox, place.folder, keys)
            found |= {item: known[item.key] for item in members if item.key in known}
        return found

    def _vouched(self, item: MailItem, kept: KnownKey) -> bool:
        return self._source.vouches and item.size == kept.size and self._vault.reads_back(kept.sha)

    def _batches(self, items: Sequence[MailItem]) -> Iterator[FetchedBatch]:
        fetched: list[FetchedItem] = []
        size = 0
        try:
            for answer in self._source.fetch(items) if items else ():
                if isinstance(answer, UnfetchedItem):
                    self._put(answer)
                    continue
                fetched.append(answer)
                self._pause.check()
                size += len(answer.content) if isinstance(answer.content, bytes) else BATCH_BYTES
                if len(fetched) >= BATCH_ITEMS or size >= BATCH_BYTES:
                    batch, fetched, size = self._submit(fetched), [], 0
                    yield batch
        except (RunCancelled, GeneratorExit):
            _remove_files(fetched)
            raise
        except BaseException:
            if fetched:  # what was fetched is archived, although the rest does not come
                yield self._submit(fetched)
            raise
        if fetched:
            yield self._submit(fetched)

    def _submit(self, fetched: list[FetchedItem]) -> FetchedBatch:
        jobs = [
            CopyJob(b"", str(one.content), self._plan.journal, headers_of(one.item))
            if isinstance(one.content, Path)
            else CopyJob(one.content, "", self._plan.journal, headers_of(one.item))
            for one in fetched
        ]
        return FetchedBatch(fetched, self._pool.submit(jobs))


def chunked(items: Iterator[MailItem], size: int) -> Iterator[ListedPortion]:
    """Yield the items in portions of at most `size`.

    It raises what `items` raises, after it has yielded everything that was listed before.
    """
    last = False
    while not last:
        chunk: list[MailItem] = []
        try:
            for item in itertools.islice(items, size):
                chunk.append(item)
        except Exception:
            if chunk:
                yield ListedPortion(chunk, last=False)
            raise
        last = len(chunk) < size
        if chunk:
            yield ListedPortion(chunk, last)


def discard(batch: FetchedBatch) -> None:
    """Remove the files of a batch as soon as no worker uses them, whether or not it was archived."""
    batch.copies.add_done_callback(lambda _: _remove_files(batch.fetched))


def _remove_files(fetched: Sequence[FetchedItem]) -> None:
    """Remove fetched files, and files made from them, whose names begin with the same characters."""
    for one in fetched:
        if isinstance(one.content, Path):
            for path in one.content.parent.glob(f"{escape(one.content.name)}*"):
                path.unlink(missing_ok=True)
