"""One archiving run: it fetches, archives, indexes and deletes mail, and keeps the books."""

from __future__ import annotations

import errno
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from muniment.archive.facts import RunFact
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import VERSION, canonical, deletion_fact, deletion_value, json_record
from muniment.archive.operations.indexing import IndexFeeder
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError, RunFailed, VaultError
from muniment.runs.pipeline.archive_batch import CommittedBatch, CopyOutcome
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.fetch import (
    CommitBarrier,
    DeletedItems,
    FetchedBatch,
    FetchEnd,
    Fetcher,
    ListedCount,
    Message,
    PassedOverSoFar,
    PlacesRefused,
    discard,
)
from muniment.runs.pipeline.indexer import Indexer
from muniment.runs.pipeline.pause import RunPause
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.pipeline.progress import RunBooks, RunProgress
from muniment.runs.pipeline.refusals import RefusalCollector
from muniment.runs.pipeline.sync_state import marks_of
from muniment.runs.prepare.opaque import opaque
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.sources.base import MailItem, MailPlace, PassedOver, Source, UnfetchedItem
from muniment.system.gc_tuning import ease_collector
from muniment.system.memory import few_arenas
from muniment.system.sanitise import clean

log = logging.getLogger("muniment.runs")

Observer = Callable[[RunProgress], None]
IDLE = 0.5
"""Seconds between two reports of its progress while a run waits."""
_NAME = 300
"""Characters of a name that a run's summary keeps."""
TICK = 0.05
"""Seconds that the archivist waits for mail before it checks whether a commit is due."""


class ArchiveRun:
    """One run of one profile. `execute` is called once, in the thread that writes the vault."""

    def __init__(
        self,
        vault: Vault,
        source: Source,
        plan: RunPlan,
        pool: WorkerPool,
        observe: Observer = lambda progress: None,
        pause: RunPause | None = None,
    ) -> None:
        """Prepare the run. Nothing happens yet.

        Args:
            vault: the vault, open as its writer.
            source: where the mail is fetched; the run connects and closes it.
            plan: what the run does.
            pool: the workers that parse the mail.
            observe: called with the progress, in the thread of `execute`, whenever it changes.
            pause: cancels the run, and is what the source waits with. None for a run that is never cancelled.
        """
        self._vault = vault
        self._plan = plan
        self._observe = observe
        self._pause = pause or RunPause(threading.Event())
        self._pool = pool
        self._source = source
        self._marks = marks_of(vault, plan)
        self._failed: set[MailPlace] = set()
        self._fetcher = Fetcher(vault, source, plan, pool, self._pause, self._marks)
        self._archivist = Archivist(vault, plan)
        self._indexer = Indexer(IndexFeeder(vault))
        self._settling: CommitBarrier | None = None
        self._safe: list[MailItem] = []
        self._seen = 0
        """Items that were listed one by one. The books also count those that were announced."""
        self._began = self._ticked = time.monotonic()
        self._started = int(time.time())
        self._first_failure = ""
        self._refusals = RefusalCollector()
        self.progress = RunProgress(plan.profile, deletes=plan.delete)
        self.error: BaseException | None = None

    @property
    def books(self) -> RunBooks:
        """The run's counts so far."""
        return self.progress.books

    def execute(self) -> RunProgress:
        """Run to the end. Never raises: `progress.state` and `error` say what went wrong.

        Returns:
            The final progress, whose books are closed.
        """
        ease_collector()
        few_arenas()
        self._indexer.start()
        try:
            self._vault.require_writable()
            self._pool.use_dictionaries(self._vault.dictionaries)
            self._fetcher.start()
            self._archive()
        except BaseException as error:  # noqa: BLE001 - the run ends, its books are closed
            self.error = self.error or error
            self._give_up()
        finally:
            self._fetcher.abandon()
            self._finish_index()
            self._close_books()
        return self.progress

    # --- while mail arrives ---------------------------------------------------------------

    def _archive(self) -> None:
        while True:
            try:
                message = self._fetcher.messages.get(timeout=TICK)
            except queue.Empty:
                self._commit_if_due()
                self._tick_if_due()
                continue
            if isinstance(message, FetchEnd):
                self.error = message.error
                if message.error is None and not self._pause.cancelled:
                    self._close_listing()
                break
            self._handle(message)
            self._tick()
        self._commit()

    def _handle(self, message: Message) -> None:
        books = self.books
        match message:
            case ListedCount():
                self._listed(message)
            case FetchedBatch():
                self._take(message)
            case UnfetchedItem(gone=True):
                books.skipped += 1
            case UnfetchedItem(item=item, reason=reason):
                books.failed += 1
                self._failed.add(item.place)
                self._first_failure = self._first_failure or f"{item.key}: {reason}"
            case CommitBarrier():
                self._commit()
                message.safe = self._safe
                self._safe = []
                self.progress.stage = "deleting"
                message.done.set()
            case DeletedItems(items):
                self._deleted(items)
            case PlacesRefused(refusals):
                self._refusals.add(refusals)
                self.progress.refused = self._refusals.named
                self.progress.deletes = self._fetcher.deletes
            case PassedOverSoFar(found):
                self._passed(found)
            case FetchEnd():
                pass

    def _listed(self, portion: ListedCount) -> None:
        """Count a portion of the listing.

        The number that the source announces counts as listed from the start.
        """
        progress, books = self.progress, self.books
        self._seen += portion.count
        books.already += portion.already
        books.skipped += portion.skipped
        announced = 0 if portion.last else portion.expected or 0
        progress.total_known = portion.last or portion.expected is not None
        progress.expected = books.listed = max(announced, self._seen)
        progress.stage = "fetching"

    def _passed(self, found: list[PassedOver]) -> None:
        """Count what the source passes over: it was listed, and is skipped."""
        more = sum(one.count for one in found) - self.progress.passed_over
        self.progress.passed = [
            {
                "reason": clean(one.reason),
                "count": one.count,
                "examples": [clean(name)[:_NAME] for name in one.examples],
            }
            for one in found
        ]
        self._seen += more
        self.books.skipped += more
        self.books.listed = self.progress.expected = max(self.books.listed, self._seen)

    def _close_listing(self) -> None:
        """The source has listed everything. Announced items beyond that are gone."""
        self.progress.total_known = True
        self.progress.expected = self.books.listed = self._seen

    def _take(self, batch: FetchedBatch) -> None:
        try:
            copies = batch.copies.result()
            self.progress.arrived += len(copies)
            self._archivist.expect(copy for copy in copies if copy is not None)
            for fetched, copy in zip(batch.fetched, copies, strict=True):
                prepared = copy or opaque(fetched, self._vault.encoder)
                self._archivist.take(fetched, prepared)
                self.progress.decided += 1
                self.progress.bytes += prepared.size
                self._commit_if_due()
        finally:
            discard(batch)

    def _commit_if_due(self) -> None:
        if self._archivist.due:
            self._commit()

    def _commit(self) -> None:
        committed = self._archivist.commit()
        if committed is None:
            return
        self._book(committed)
        self._indexer.add(committed)
        if self._vault.train_if_due():
            self._pool.use_dictionaries(self._vault.dictionaries)
        self._tick()

    def _book(self, committed: CommittedBatch) -> None:
        books = self.books
        for item, outcome in committed.outcomes:
            books.fetched += outcome is not CopyOutcome.ERASED
            match outcome:
                case CopyOutcome.NEW:
                    books.new += 1
                case CopyOutcome.MERGED:
                    books.merged += 1
                case CopyOutcome.QUARANTINED:
                    books.quarantined += 1
                case CopyOutcome.LEFT:
                    books.left += 1
                case CopyOutcome.ERASED:
                    books.already += 1
            if outcome is not CopyOutcome.LEFT:
                self._safe.append(item)
                self.progress.stored += 1
        if not self._fetcher.deletes:
            self._safe.clear()

    def _deleted(self, items: list[MailItem]) -> None:
        self.books.deleted += len(items)
        facts = []
        for place in dict.fromkeys(item.place for item in items):
            keys = [item.key for item in items if item.place == place]
            value = deletion_value(self._plan.profile, place.host, place.mailbox, place.folder, keys)
            record = json_record(self._vault.encoder, RecordKind.DELETION, value)
            appended = self._vault.append(record, time.time_ns() // 1000)
            facts.append(deletion_fact(canonical(value), appended.sequence))
        self._vault.commit(facts)

    def _tick_if_due(self) -> None:
        """Report progress even if no mail comes: the index continues meanwhile."""
        if time.monotonic() - self._ticked >= IDLE:
            self._tick()

    def _tick(self) -> None:
        self._ticked = time.monotonic()
        progress = self.progress
        books = progress.books
        progress.seconds = time.monotonic() - self._began
        progress.indexed = self._indexer.indexed
        books.pending = books.listed - books.fetched - books.already - books.failed - books.skipped
        seconds = max(progress.seconds, 1e-3)
        progress.rates = {
            "fetch": books.fetched / seconds,
            "store": progress.stored / seconds,
            "index": progress.indexed / seconds,
            "delete": books.deleted / seconds,
        }
        self._observe(progress)

    # --- at the end -----------------------------------------------------------------------

    def _give_up(self) -> None:
        self._archivist.drop()
        self._roll_back()

    def _roll_back(self) -> None:
        """Remove what was appended since the last commit. Otherwise the next commit would make it count."""
        try:
            self._vault.rollback()
        except Exception:
            log.exception("could not roll the ledger back")

    def _finish_index(self) -> None:
        self.progress.stage = "indexing"
        try:
            self._indexer.finish(self._tick_if_due)
        except Exception as error:  # noqa: BLE001 - the mail is safe, and search says how far it is behind
            self.error = self.error or error

    def _close_books(self) -> None:
        self._tick()
        progress = self.progress
        progress.stage = "done"
        progress.error = self._verdict()
        if self.error is not None or progress.error:
            progress.state = "failed"
        elif self._pause.cancelled:
            progress.state = "cancelled"
        else:
            progress.state = "ok"
        if progress.books.listed or progress.state != "failed":
            self._write_summary()  # a run that never started to list leaves the vault unchanged
        self._keep_marks()
        self._observe(progress)

    def _keep_marks(self) -> None:
        """Remember how far the source is archived, if the run asked for all of it."""
        if not self._marks or self.error is not None or self._pause.cancelled or self.books.pending:
            return
        try:
            self._marks.keep(self._source, self._failed)
        except Exception as error:  # noqa: BLE001 - only a shortcut is lost, the mail is kept
            log.warning("the next run lists everything again: %s", sentence(error))

    def _verdict(self) -> str:
        sentences = [sentence(self.error)] if self.error is not None else []
        sentences += self._refusals.sentences(self.error)
        if self._first_failure and self.error is None:
            sentences.append(
                f"{self.books.failed} could not be fetched and will be tried again; "
                f"the first: {self._first_failure}"
            )
        if sentences:
            return " ".join(sentences)
        if self.books.pending and not self._pause.cancelled:
            return f"the source gave no answer for {self.books.pending} of the listed items: run it again"
        if not self.books.balanced:
            return "the books do not balance: run it again, and report this with `muniment status --json`"
        return ""

    def _write_summary(self) -> None:
        value = {"v": VERSION, "started": self._started, **summary(self.progress)}
        now = time.time_ns() // 1000
        try:
            record = json_record(self._vault.encoder, RecordKind.RUN, value)
            appended = self._vault.append(record, now)
            fact = RunFact(appended.sequence, now // 1_000_000, canonical(value).decode())
            self._vault.commit([fact])
        except Exception as error:  # noqa: BLE001 - a full disk must not hide the run's own end
            self._roll_back()
            log.warning("the run's summary could not be stored: %s", sentence(error))
            if self.progress.state == "ok":
                self.progress.state = "failed"
                self.progress.error = sentence(error)
                self.error = error


def summary(progress: RunProgress) -> dict[str, Any]:
    """The result of a run, with the keys of `muniment run --json`."""
    books = progress.books
    return {
        "profile": progress.profile,
        "state": progress.state,
        "listed": books.listed,
        "fetched": books.fetched,
        "already": books.already,
        "skipped": books.skipped,
        "pending": books.pending,
        "new": books.new,
        "merged": books.merged,
        "quarantined": books.quarantined,
        "left": books.left,
        "failed": books.failed,
        "deleted": books.deleted,
        "bytes": progress.bytes,
        "seconds": round(progress.seconds, 3),
        "balanced": books.balanced,
        "error": progress.error,
        **({"refused": progress.refused} if progress.refused else {}),
        **({"passed": progress.passed, "passed_over": progress.passed_over} if progress.passed else {}),
    }


def sentence(error: BaseException) -> str:
    """An error as one sentence for people. An unexpected error is also logged with its traceback."""
    if isinstance(error, MunimentError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "no space left for the vault: free some and run again; nothing was deleted that is not in it"
    if isinstance(error, OSError):
        return f"the vault could not be written ({error.strerror or error}): fix this and run again"
    log.error("a run failed unexpectedly", exc_info=error)
    return (
        f"an unexpected error ({type(error).__name__}: {error}); nothing was deleted that is not in the vault"
    )


def exit_code(run: ArchiveRun) -> int:
    """The exit code of a finished run (see `muniment.errors`)."""
    if run.progress.state == "ok":
        return 0
    if isinstance(run.error, MunimentError):
        return run.error.exit_code
    return VaultError.exit_code if isinstance(run.error, OSError) else RunFailed.exit_code
