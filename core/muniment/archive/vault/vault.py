"""A vault: the archive of one organisation, in a folder.

vault.toml    settings (see config)
ledger/       the log of all records
catalog.db    a projection of the ledger, for lists and look-ups
index/        a projection of the ledger, for full-text search
checkpoints   states of the ledger, to detect that its end is missing
spool/        the mailbox of the embedded gateway
work/         temporary files, in a folder for each process
lock          which process is writing the vault
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.replay import replay
from muniment.archive.facts import (
    AuditFact,
    ConfigurationFact,
    DirectoryFact,
    Fact,
    MessageFact,
)
from muniment.archive.files.lock import VaultLock
from muniment.archive.files.temp_files import clean_work, enter_work, leave_work, own_work
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import AppendedRecord, LedgerHead, LedgerRecord, RecordKind
from muniment.archive.ledger.records import VERSION, canonical, json_record
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.training import SAMPLES, train_dictionaries
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.append_turns import PATIENCE, AppendTurns
from muniment.archive.vault.changes import (
    CatalogBehind,
    DirectoryChange,
    Events,
    Plan,
    WaitingEvents,
    reason_of,
)
from muniment.archive.vault.contents import VaultContents
from muniment.archive.vault.known_roots import CheckpointFile, require_whole
from muniment.archive.vault.open_catalog import (
    CATALOG,
    LEDGER,
    begin_noting,
    clear_rebuilds,
    matching_catalog,
    new_catalog,
)
from muniment.errors import VaultError
from muniment.people import changes

log = logging.getLogger("muniment.vault")

CLOCK = 1_000_000
"""Microseconds of the ledger's clock in a second."""
NEAR = 1_000
"""Most records that a rebuild applies while no batch can be committed; more are applied before."""


class Vault(VaultContents):
    """An open vault. Make it with `create` or `open`, and `close` it.

    `VaultContents` has what readers need. The rest is for the one process that writes the vault. Its
    archiving thread appends records in batches: `append` each, then `commit` or `rollback`. Other threads may
    call `log`, `change_directory` and `note_configuration`, which take their turn between two batches.
    """

    def __init__(self, folder: Path, catalog: Catalog, ledger: Ledger | None, lock: VaultLock | None) -> None:
        """Not for callers: use `create` or `open`."""
        super().__init__(folder, catalog)
        self._ledger = ledger
        self._lock = lock
        self._messages = catalog.totals().messages
        self._train_at = SAMPLES
        self._lagging = False
        """Whether the catalog failed to apply a batch that the ledger has committed."""
        self._turns = AppendTurns()
        self._events: list[WaitingEvents] = []
        """Audit events for the next commit."""
        self.before_close: list[Callable[[], None]] = []
        """Functions that `close` calls first, while the vault can still be written."""
        self._checkpoints = CheckpointFile(folder, catalog.vault_id)
        self._left = False
        enter_work(folder)
        self._use_dictionaries()

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Make an empty vault, and open it for writing.

        Args:
            folder: An existing folder with mode 0700.

        Raises:
            VaultError: There is a vault in the folder already, or the folder belongs to another user.
            VaultLocked: Another process is writing a vault there.
            OSError: The folder can't be written.
        """
        lock = VaultLock(folder)
        ledger = Ledger.create(folder / LEDGER)
        catalog = Catalog.create(folder / CATALOG, ledger.vault_id)
        CheckpointFile(folder, ledger.vault_id).begin()
        return cls(folder, catalog, ledger, lock)

    @classmethod
    def open(cls, folder: Path, *, write: bool) -> Vault:
        """Open a vault.

        For writing, this recovers the ledger after a crash, and brings the catalog forward or rebuilds it. If
        any place in the vault knows more of the ledger than is left, nothing is changed.

        Args:
            folder: The vault's folder.
            write: Whether to open it as its only writer; otherwise for reading, also while another process
                writes it.

        Raises:
            VaultError: There is no vault, a newer program wrote it, or it can't be read or written.
            CatalogOutdated: The catalog must be rebuilt first; only for reading.
            VaultLocked: Another process is writing the vault; only for writing.
            LedgerDamaged: The ledger is damaged, cut or rewritten; only for writing.
            OSError: The folder can't be written; only for writing.
        """
        if not (folder / LEDGER).is_dir():
            raise VaultError(
                f"there is no ledger in {folder}: restore it from a backup, or name another vault"
            )
        return cls._open_writer(folder) if write else cls._open_reader(folder)

    @classmethod
    def _open_reader(cls, folder: Path) -> Vault:
        catalog = Catalog.open(folder / CATALOG, readonly=True)
        try:
            return cls(folder, catalog, None, None)
        except BaseException:
            catalog.close()
            raise

    @classmethod
    def _open_writer(cls, folder: Path) -> Vault:
        with ExitStack() as undo:
            lock = VaultLock(folder)
            undo.callback(lock.release)
            clean_work(folder)
            require_whole(folder)
            clear_rebuilds(folder)
            ledger = Ledger.open(folder / LEDGER)
            undo.callback(ledger.close)
            begin_noting(folder, ledger)
            catalog = matching_catalog(folder, ledger)
            undo.callback(catalog.close)
            vault = cls(folder, catalog, ledger, lock)
            undo.callback(leave_work, folder)
            vault._finish_refiling()
            undo.pop_all()
            return vault

    def note_checkpoint(self) -> None:
        """Note the ledger's state in the file `checkpoints`, if the vault is open for writing."""
        if self._ledger is not None:
            self._checkpoints.soon(self.head)

    def renew_catalog(self, stopped: Callable[[LedgerHead], bool] = lambda head: False) -> list[str]:
        """Rebuild the catalog from the ledger, and replace the one in use, which answers until then.

        This is for the archiving thread, between two runs. Other threads may commit meanwhile. The last
        batches are applied while no batch can be committed, so that the new catalog lacks nothing.

        Args:
            stopped: Called after each batch with the state that the new catalog has reached. If it returns
                true, the rebuild stops.

        Returns:
            The damage of the ledger that the new catalog was built without, a sentence each.

        Raises:
            VaultError: The catalog can't be built, or `stopped` returned true; the old one stays in use.
            LedgerDamaged: The ledger on the disk lacks records that this process has written.
            OSError: The new catalog can't be put in place; the old one stays in use.
        """
        require_whole(self.folder)
        ledger, work = self.folder / LEDGER, own_work(self.folder)
        with new_catalog(self.folder, self.ledger.vault_id) as new:
            replay(new, ledger, None, work, stopped)
            if self.ledger.head.tree_size - new.head.tree_size > NEAR:
                replay(new, ledger, new.head, work, stopped)
            with self._turns.between_batches(self.rollback):
                replay(new, ledger, new.head, work)
                if new.head.tree_size < self.ledger.head.tree_size:
                    require_whole(self.folder)
                self.catalog.replace(new)
                self._lagging, self._messages = False, self.catalog.totals().messages
        return self.damage

    # --- writing --------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """The ledger's writer.

        Raises:
            VaultError: The vault was opened for reading.
        """
        if self._ledger is None:
            raise VaultError("the vault is open for reading only")
        return self._ledger

    def append(self, record: LedgerRecord, time: int) -> AppendedRecord:
        """Append a record to the current batch; the first record begins one.

        Args:
            record: The encoded record.
            time: The time now, in microseconds since 1970 UTC.

        Returns:
            The record's leaf index and the position of its frame.

        Raises:
            OSError: The record could not be written; the batch is void: roll it back.
            VaultError: The ledger can't be written any more, or the vault was opened for reading; or the
                catalog lacks an earlier batch and can't apply it.
        """
        with self._turns.held():
            self._turns.await_guests()
            if self._lagging:
                self._catch_up()
            self._turns.begin()
            return self.ledger.append(record, time)

    def commit(self, facts: Sequence[Fact]) -> LedgerHead:
        """Make the current batch durable in the ledger, then apply it to the catalog.

        Args:
            facts: The facts of all records of the batch, in order.

        Returns:
            The new committed state.

        Raises:
            OSError: The batch could not be written and is not kept: roll it back.
            VaultError: The batch could not be written or synced and is not kept.
            CatalogBehind: The batch is kept, but the catalog could not apply it yet.
        """
        with self._turns.held():
            waiting, self._events = self._events, []
            try:
                audits = [self._audit(event) for one in waiting for event in one.events]
                head = self.ledger.commit()
            except BaseException as error:
                for one in waiting:
                    one.done.set_exception(error)
                raise
            self._turns.end()
            for one in waiting:
                one.done.set_result(None)
            self._checkpoints.soon(head)
            self._take_in([*facts, *audits], head)
            return head

    def _take_in(self, facts: Sequence[Fact], head: LedgerHead) -> None:
        """Apply a committed batch to the catalog, and earlier ones that it lacks."""
        lagged, self._lagging = self._lagging, True
        try:
            if lagged:
                self._catch_up()
            else:
                self.catalog.apply(facts, head)
                self._messages += sum(isinstance(fact, MessageFact) for fact in facts)
                self._lagging = False
        except Exception as error:
            raise CatalogBehind(
                f"the mail is kept in the ledger, but the catalog could not be updated ({reason_of(error)}): "
                "correct this; the catalog is completed when the vault is next written"
            ) from error

    @property
    def writable(self) -> bool:
        """Whether the vault was opened for writing."""
        return self._ledger is not None

    def log(self, events: Sequence[dict[str, Any]]) -> None:
        """Commit audit events. When this returns, they are on the disk. Thread-safe, also during a run.

        They are committed at once, or with the batch that another thread has begun.

        Args:
            events: The fields of each event (docs/ledger-format.md, "JSON records", audit).

        Raises:
            OSError: The events could not be written and are not kept.
            VaultError: The events could not be written in PATIENCE seconds, or the vault can't be written;
                they are not kept.
        """
        waiting = WaitingEvents(list(events), Future())
        with self._turns.held():
            assert self.ledger is not None
            self._events.append(waiting)
            if not self._turns.open:
                self._commit_events()
        try:
            waiting.done.result(PATIENCE)
        except TimeoutError:
            self._withdraw(waiting)

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

    def _audit(self, event: dict[str, Any]) -> AuditFact:
        value = {"v": VERSION, **event}
        now = time.time_ns() // 1000
        appended = self.ledger.append(json_record(self.encoder, RecordKind.AUDIT, value), now)
        return AuditFact(appended.sequence, appended.position, now // CLOCK, canonical(value).decode())

    def require_writable(self) -> None:
        """Check that the vault can be written, and bring the catalog forward if it lacks anything.

        Raises:
            VaultError: The vault was opened for reading, or the catalog can't be brought forward.
        """
        assert self.ledger is not None
        if self._lagging:
            self._catch_up()

    def _catch_up(self) -> None:
        """Apply the committed batches that the catalog lacks; no later batch would bring them."""
        replay(self.catalog, self.folder / LEDGER, self.catalog.head, own_work(self.folder))
        self._messages = self.catalog.totals().messages
        self._lagging = False

    def rollback(self) -> None:
        """Discard the current batch. Audit events that waited for it are committed alone.

        Raises:
            VaultError: The ledger can't be written any more, or the vault was opened for reading.
        """
        with self._turns.held():
            self.ledger.rollback()
            self._turns.end()
            if self._events:
                self._commit_events()

    def change_directory(self, plan: Plan, time: int, events: Events = lambda made: ()) -> DirectoryChange:
        """Record changes of the directory, and file the old mail that they concern again.

        Thread-safe, but not for a thread that has begun a batch.

        Args:
            plan: Makes the changes from the current directory. It is called when no other thread can change
                that.
            time: The time now, in seconds since 1970 UTC.
            events: Makes audit events of the changes, which are committed with them.

        Returns:
            The directory before and after, the changes, and how many messages were filed again.

        Raises:
            ConfigError: A change can't be applied; none is.
            NotFound: A change names an unknown user or address; none is applied.
            OSError: The changes could not be written and are not kept.
            CatalogBehind: The changes are kept, but the catalog could not apply them yet.
            VaultError: A run did not end its batch, or the vault can't be written; no change is kept.
        """
        with self._turns.between_batches(self.rollback):
            changed = self._commit_changes(plan, time, events)
        return changed._replace(refiled=self._finish_refiling())

    def _commit_changes(self, plan: Plan, time: int, events: Events) -> DirectoryChange:
        self.require_writable()
        before = self.directory
        made, after = tuple(plan(before)), before.copy()
        for change in made:  # raises before any change is appended
            after.apply(change, time)
        facts: list[Fact] = [self._append_change(change, time) for change in made]
        facts += [self._audit(event) for event in events(made)]
        try:
            if facts:
                self.commit(facts)
        except CatalogBehind as error:
            raise CatalogBehind(
                f"the change is kept, but the catalog could not be updated ({reason_of(error.__cause__)}): "
                "correct this and do not repeat the change; the catalog is completed when the vault is next "
                "written"
            ) from error
        return DirectoryChange(before, after.sealed(), made, 0)

    def _append_change(self, change: dict[str, Any], time: int) -> DirectoryFact:
        appended = self.append(json_record(self.encoder, RecordKind.DIRECTORY, change), time * CLOCK)
        return DirectoryFact(appended.sequence, time, changes.encode(change))

    def note_configuration(self, read: Callable[[], dict[str, Any]], time: int) -> None:
        """Record the configuration if it differs from the last one that was recorded.

        Thread-safe, but not for a thread that has begun a batch.

        Args:
            read: Returns the configuration without any secret. It is called again when no other thread can
                record one, so that an older configuration is never recorded after a newer one.
            time: The time now, in seconds since 1970 UTC.

        Raises:
            OSError: The configuration could not be written.
            VaultError: A run did not end its batch, or the vault can't be written.
            CatalogBehind: The configuration is recorded, but the catalog could not apply it yet.
        """
        if self._configuration(read).sha == self.catalog.configuration:
            return
        with self._turns.between_batches(self.rollback):
            self.require_writable()
            record = self._configuration(read)
            if record.sha != self.catalog.configuration:
                appended = self.append(record, time * CLOCK)
                self.commit([ConfigurationFact(appended.sequence, record.sha)])

    def _configuration(self, read: Callable[[], dict[str, Any]]) -> LedgerRecord:
        return json_record(self.encoder, RecordKind.CONFIG, {"v": VERSION, "settings": read()})

    def _finish_refiling(self) -> int:
        """File the mail again that changes of the directory concern; returns how many messages were read."""
        return sum(self.catalog.refile())

    @property
    def dead(self) -> bool:
        """Whether the vault must be opened again before it can be written, since its disk failed."""
        return self._ledger is not None and self._ledger.dead

    # --- dictionaries ---------------------------------------------------------------------

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The committed compression dictionaries by number; none if the vault was opened for reading."""
        return self._ledger.dictionaries if self._ledger is not None else {}

    def _use_dictionaries(self) -> None:
        self.encoder = RecordEncoder(self.dictionaries)
        self.decoder = PayloadDecoder(self.dictionaries)

    def train_if_due(self) -> bool:
        """Train compression dictionaries on the first messages, once there are enough of them.

        Returns:
            Whether dictionaries were trained and committed.

        Raises:
            OSError: The dictionaries could not be written.
            VaultError: A run did not end its batch, or the vault can't be written.
        """
        if self.dictionaries or self._messages < self._train_at:
            return False
        self._train_at *= 4
        whole = scan(self.folder / LEDGER, on_damage=lambda damage: log.error("damaged: %s", damage))
        made = list(train_dictionaries(whole, self.decoder))
        with self._turns.between_batches(self.rollback):
            for dictionary in made:
                self.ledger.add_dictionary(dictionary)
            self.commit([])
        self._use_dictionaries()
        return bool(made)

    def close(self) -> None:
        """Call `before_close`, close all files and release the lock. It may be called twice."""
        todo, self.before_close = self.before_close, []
        for finish in todo:
            finish()
        if self._ledger is not None and not self._ledger.dead:
            self._checkpoints.now(self._ledger.head)
        self.catalog.close()
        self.reader.close()
        self.index_place.close()
        if not self._left:
            self._left = True
            leave_work(self.folder)
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
