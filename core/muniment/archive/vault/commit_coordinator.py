"""Coordinates the commits of a vault: whose turn it is, the ledger before the catalog, and audit events."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.replay import replay
from muniment.archive.facts import AuditFact, Fact, MessageFact
from muniment.archive.files.temp_files import own_work
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import AppendedRecord, LedgerHead, LedgerRecord, RecordKind
from muniment.archive.ledger.records import VERSION, canonical, json_record
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.append_turns import PATIENCE, AppendTurns
from muniment.archive.vault.changes import CatalogBehind, WaitingEvents, reason_of
from muniment.archive.vault.known_roots import CheckpointFile
from muniment.errors import VaultError

log = logging.getLogger("muniment.vault")

CLOCK = 1_000_000
"""Microseconds of the ledger's clock in a second."""


class CommitCoordinator:
    """Commits batches to the ledger, and then to the catalog. Thread-safe.

    A batch is kept once the ledger has committed it. If the catalog can't apply it, the catalog lags; before
    the next batch, it gets what it lacks from the ledger. `Vault` says what its methods of the same name
    raise.
    """

    def __init__(self, folder: Path, segments: SegmentStore, ledger: Ledger | None, catalog: Catalog) -> None:
        """Begin with a catalog that has reached the ledger's last commit.

        Args:
            folder: The vault's folder.
            segments: The ledger's segments, for reading.
            ledger: The ledger's writer; None if the vault is open for reading only.
            catalog: The vault's catalog.
        """
        self._folder = folder
        self._segments = segments
        self._ledger = ledger
        self._catalog = catalog
        self._turns = AppendTurns()
        self._events: list[WaitingEvents] = []
        """Audit events for the next commit."""
        self._lagging = False
        """Whether the catalog failed to apply a batch that the ledger has committed."""
        self._checkpoints = CheckpointFile(folder, catalog.vault_id)
        self.messages = catalog.totals().messages
        """Number of messages in the catalog."""
        self.use_dictionaries()

    @property
    def ledger(self) -> Ledger:
        """The ledger's writer.

        Raises:
            VaultError: The vault was opened for reading, or is closed.
        """
        if self._ledger is None:
            raise VaultError("the vault is open for reading only")
        return self._ledger

    def _require_ledger(self) -> None:
        """Check that the vault is open for writing. It raises what `ledger` raises."""
        _ = self.ledger

    @property
    def writable(self) -> bool:
        """Whether there is a writer."""
        return self._ledger is not None

    @property
    def dead(self) -> bool:
        """Whether the writer can no longer write, since its disk failed."""
        return self._ledger is not None and self._ledger.dead

    def use_dictionaries(self) -> None:
        """Encode and decode with the compression dictionaries that are committed now."""
        dictionaries = self._ledger.dictionaries if self._ledger is not None else {}
        self.encoder = RecordEncoder(dictionaries)
        self.decoder = PayloadDecoder(dictionaries)

    # --- batches --------------------------------------------------------------------------

    def between_batches(self) -> AbstractContextManager[None]:
        """Hold the turn between two batches of other threads; a batch that is left open is rolled back.

        Raises:
            VaultError: Another thread did not end its batch within PATIENCE seconds.
        """
        return self._turns.between_batches(self.rollback)

    def append(self, record: LedgerRecord, time: int) -> AppendedRecord:
        """Append a record to the current batch; the first record begins one."""
        with self._turns.held():
            self._turns.await_guests()
            if self._lagging:
                self._catch_up()
            self._turns.begin()
            return self.ledger.append(record, time)

    def commit(self, facts: Sequence[Fact]) -> LedgerHead:
        """Make the current batch durable in the ledger, then apply its facts to the catalog."""
        with self._turns.held():
            waiting, self._events = self._events, []
            before = self.ledger.head.tree_size
            try:
                audits = [self.audit(event) for one in waiting for event in one.events]
                head = self.ledger.commit()
            except BaseException as error:
                # The batch may be kept although something after it failed, such as the next segment.
                self._lagging = self._lagging or self.ledger.head.tree_size > before
                for one in waiting:
                    one.done.set_exception(error)
                raise
            self._turns.end()
            for one in waiting:
                one.done.set_result(None)
            self._checkpoints.soon(head)
            self._take_in([*facts, *audits], head)
            return head

    def rollback(self) -> None:
        """Discard the current batch. Audit events that waited for it are committed alone."""
        with self._turns.held():
            try:
                self.ledger.rollback()
            finally:  # a ledger whose disk has failed has no batch either
                self._turns.end()
                if self._events:
                    self._commit_events()

    # --- audit events ---------------------------------------------------------------------

    def log(self, events: Sequence[dict[str, Any]], patience: float = PATIENCE) -> None:
        """Commit audit events at once, or with the batch that another thread has begun.

        After `patience` seconds without a commit, they are withdrawn.
        """
        waiting = WaitingEvents(list(events), Future())
        with self._turns.held():
            self._require_ledger()
            self._events.append(waiting)
            if not self._turns.open:
                self._commit_events()
        try:
            waiting.done.result(patience)
        except TimeoutError:
            self._withdraw(waiting)

    def audit(self, event: dict[str, Any]) -> AuditFact:
        """Append an audit event to the current batch, without a turn; returns its fact."""
        value = {"v": VERSION, **event}
        now = time.time_ns() // 1000
        appended = self.ledger.append(json_record(self.encoder, RecordKind.AUDIT, value), now)
        return AuditFact(appended.sequence, appended.position, now // CLOCK, canonical(value).decode())

    def _withdraw(self, waiting: WaitingEvents) -> None:
        """Take back events that waited too long: they must not be committed after they were refused."""
        with self._turns.held():
            if waiting not in self._events:
                waiting.done.result(0)
                return
            self._events.remove(waiting)
        raise VaultError("the audit record could not be written, since a run is writing: try again")

    def _commit_events(self) -> None:
        """Commit waiting events while no batch is open. Each caller of `log` gets the result."""
        try:
            self.commit([])
        except CatalogBehind as error:
            log.error("%s", error)
        except Exception as error:  # noqa: BLE001 - `commit` has passed it to the callers
            log.error("audit events could not be committed: %s", error)
            with suppress(VaultError):
                self.rollback()

    # --- the catalog ----------------------------------------------------------------------

    def require_writable(self) -> None:
        """Check that there is a writer, and bring the catalog forward if it lacks anything."""
        self._require_ledger()
        if self._lagging:
            self._catch_up()

    def note_complete_catalog(self) -> None:
        """Note that the catalog was replaced by one that lacks nothing. Call it in the same turn."""
        self._lagging, self.messages = False, self._catalog.totals().messages

    def _take_in(self, facts: Sequence[Fact], head: LedgerHead) -> None:
        """Apply a committed batch to the catalog, and earlier ones that it lacks."""
        lagged, self._lagging = self._lagging, True
        try:
            if lagged:
                self._catch_up()
            else:
                self._catalog.apply(facts, head)
                self.messages += sum(isinstance(fact, MessageFact) for fact in facts)
                self._lagging = False
        except Exception as error:
            raise CatalogBehind(
                f"the mail is kept in the ledger, but the catalog could not be updated ({reason_of(error)}): "
                "correct this; the catalog is completed when the vault is next written"
            ) from error

    def _catch_up(self) -> None:
        """Apply the committed batches that the catalog lacks; no later batch would bring them."""
        replay(self._catalog, self._segments, self._catalog.head, own_work(self._folder))
        self.messages = self._catalog.totals().messages
        self._lagging = False

    # --- the end --------------------------------------------------------------------------

    def note_checkpoint(self, head: LedgerHead) -> None:
        """Note a committed state in the file `checkpoints`, unless one was noted just before."""
        self._checkpoints.soon(head)

    def note_last_checkpoint(self) -> None:
        """Note the ledger's state in the file `checkpoints`, if the ledger can still be written."""
        if self._ledger is not None and not self._ledger.dead:
            self._checkpoints.now(self._ledger.head)

    def close(self) -> None:
        """Close the ledger. It may be called twice."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
