"""A vault: one organisation's archive, in a folder.

    vault.toml    settings (see config)
    ledger/       the truth
    catalog.db    a projection of it (see matching)
    index/        a projection of it
    spool/        the embedded gateway's mailbox
    work/         temporary files, in a folder a process
    lock          who writes it now

Opening one as its writer recovers the ledger, and brings the catalog in line with it: what the
catalog lacks is replayed; a catalog that the ledger does not know is rebuilt; one that has seen
more of the ledger than is left is an alarm (invariant 1).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.facts import AuditFact, DirectoryFact, Fact, MessageFact, Position
from muniment.archive.index import Index
from muniment.archive.ledger.codec import Decoder, Encoder
from muniment.archive.ledger.model import Appended, Head, Kind, Record
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.archive.lock import VaultLock, holder
from muniment.archive.matching import (
    CATALOG,
    INDEX,
    LEDGER,
    begin_noting,
    matching_catalog,
    remove_catalog,
)
from muniment.archive.noting import Checkpoints, require_whole
from muniment.archive.readback import ReadBack
from muniment.archive.records import VERSION, canonical, json_record
from muniment.archive.replay import CONFIGURATION, known_damage, replay
from muniment.archive.training import SAMPLES, trained
from muniment.archive.work import clean_work, leave_work, own_work
from muniment.errors import VaultError
from muniment.people import changes
from muniment.people.directory import Directory

log = logging.getLogger("muniment.vault")

CLOCK = 1_000_000
PATIENCE = 30.0
"""Seconds that an audit event waits for the batch in hand to be committed."""


class Vault:
    """An open vault. `open` or `create` makes one; `close` it."""

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        directory: Directory,
        ledger: Ledger | None,
        lock: VaultLock | None,
    ) -> None:
        self.folder = folder
        self.catalog = catalog
        self.directory = directory
        self.reader = Reader(folder / LEDGER, lambda sha: self.catalog.locate(sha))
        self._ledger = ledger
        self._lock = lock
        self._read_back = ReadBack(self.reader)
        self._messages = catalog.totals().messages
        self._train_at = SAMPLES
        self._lagging = False
        """Whether the catalog failed to take in what the ledger has committed."""
        self._index: Index | None = None
        self._indexing = threading.Lock()
        self._turn = threading.Condition(threading.RLock())
        """Held while the ledger is appended to or committed."""
        self._begun = False
        """Whether a batch was begun that is not committed."""
        self._guests = 0
        """How many wait for the batch in hand to be committed: none is begun before they had their turn."""
        self._alone = False
        """Whether one of them has it."""
        self._events: list[tuple[list[dict[str, Any]], Future[None]]] = []
        """Audit events that go with the next commit, and who waits for them."""
        self.before_close: list[Callable[[], None]] = []
        """What is to be done while it can still be written."""
        self._checkpoints = Checkpoints(folder, catalog.vault_id)
        self._use_dictionaries()

    @classmethod
    def create(cls, folder: Path) -> Vault:
        """Make an empty vault in an existing, private folder, and open it as its writer.

        Raises:
            OSError: the folder can't be written.
        """
        lock = VaultLock(folder)
        ledger = Ledger.create(folder / LEDGER)
        catalog = Catalog.create(folder / CATALOG, ledger.vault_id)
        Checkpoints(folder, ledger.vault_id).begin()
        return cls(folder, catalog, Directory(), ledger, lock)

    @classmethod
    def open(cls, folder: Path, *, write: bool) -> Vault:
        """Open a vault, as its only writer or to read beside one.

        Raises:
            VaultError: no vault, a newer format, or a catalog that must be rebuilt first.
            VaultLocked: `write`, and another process writes it.
            LedgerDamaged: `write`, and the ledger does not prove itself.
        """
        if not (folder / LEDGER).is_dir():
            raise VaultError(
                f"there is no ledger in {folder}: restore it from a backup, or name another vault"
            )
        return cls._open_writer(folder) if write else cls._open_reader(folder)

    @classmethod
    def _open_reader(cls, folder: Path) -> Vault:
        catalog = Catalog.open(folder / CATALOG, readonly=True)
        return cls(folder, catalog, catalog.directory(), None, None)

    @classmethod
    def _open_writer(cls, folder: Path) -> Vault:
        lock = VaultLock(folder)
        try:
            clean_work(folder)
            require_whole(folder)
            ledger = Ledger.open(folder / LEDGER)
            try:
                begin_noting(folder, ledger)
                catalog = matching_catalog(folder, ledger)
                vault = cls(folder, catalog, catalog.directory(), ledger, lock)
                vault._finish_refiling()
            except BaseException:
                ledger.close()
                raise
            return vault
        except BaseException:
            lock.release()
            raise

    def note_checkpoint(self) -> None:
        """Note the state of the ledger, unless that was done a moment ago; only where it is written."""
        if self._ledger is not None:
            self._checkpoints.soon(self.head)

    def renew_catalog(self) -> list[str]:
        """Build the catalog anew from the ledger, beside the one that goes on answering meanwhile, and put
        it in its place; returns what can't be read. For the thread that archives, between two runs.

        Raises:
            OSError, VaultError: it can't be built; the one that there was stays.
        """
        new = self.folder / (CATALOG + ".new")
        remove_catalog(new)
        ledger, work, directory = self.folder / LEDGER, own_work(self.folder), Directory()
        with closing(Catalog.create(new, self.ledger.vault_id)) as catalog:
            replay(catalog, directory, ledger, None, work)
            with self._between_batches():
                replay(catalog, directory, ledger, catalog.head, work)
                catalog.close()
                remove_catalog(self.folder / CATALOG)
                new.rename(self.folder / CATALOG)
                # Whoever reads the former one has it open; it is closed with its last reader.
                self.catalog, self.directory = Catalog.open(self.folder / CATALOG), directory
                self._messages, self._lagging = self.catalog.totals().messages, False
        return self.damage

    # --- writing --------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """The ledger, to append to.

        Raises:
            VaultError: the vault was opened to read.
        """
        if self._ledger is None:
            raise VaultError("the vault is open for reading only")
        return self._ledger

    @property
    def head(self) -> Head:
        """What is proven: the catalog's state, which no reader sees beyond."""
        return self.catalog.head

    def append(self, record: Record, time: int) -> Appended:
        """Append a record to the uncommitted batch; `time` in microseconds since 1970 UTC.

        Raises:
            OSError: it could not be written; the batch is void.
        """
        with self._turn:
            if self._guests and not self._begun and not self._alone:
                self._turn.wait_for(lambda: not self._guests, PATIENCE)
            if self._lagging:
                self._catch_up()
            self._begun = True
            return self.ledger.append(record, time)

    def commit(self, facts: Sequence[Fact]) -> Head:
        """Make the batch durable in the ledger, then tell the catalog.

        Raises:
            OSError: it could not be written, and is not kept.
            SQLAlchemyError: it is kept, but the catalog could not be told yet.
        """
        with self._turn:
            waiting, self._events = self._events, []
            try:
                if self._lagging:
                    self._catch_up()
                audits = [self._audit(event) for events, _ in waiting for event in events]
                head = self.ledger.commit()
                self._checkpoints.soon(head)
            except BaseException as error:
                for _, done in waiting:
                    done.set_exception(error)
                raise
            self._begun, self._lagging = False, True
            self._turn.notify_all()
            for _, done in waiting:
                done.set_result(None)
            self.catalog.apply([*facts, *audits], head, self.directory)
            self._lagging = False
            self._messages += sum(isinstance(fact, MessageFact) for fact in facts)
            return head

    @property
    def writable(self) -> bool:
        """Whether it was opened as its writer."""
        return self._ledger is not None

    def log(self, events: Sequence[dict[str, Any]]) -> None:
        """Commit audit events; they are on disk when this returns. For any thread, also while a run goes on.

        They are committed at once, or with the batch that another thread has in hand.

        Raises:
            OSError, VaultError: they could not be written, and are not kept.
        """
        done: Future[None] = Future()
        with self._turn:
            assert self.ledger is not None
            self._events.append((list(events), done))
            if not self._begun:
                self._commit_events()
        try:
            done.result(PATIENCE)
        except TimeoutError:
            raise VaultError(
                "the audit record could not be written while a run holds the ledger: try again"
            ) from None

    def _commit_events(self) -> None:
        """Commit what waits, where there is no batch; whoever waits is told how it went."""
        try:
            self.commit([])
        except Exception as error:  # noqa: BLE001 - told to those who wait
            log.error("audit events could not be committed: %s", error)
            if not self._lagging:
                with suppress(VaultError):
                    self.rollback()

    def _audit(self, event: dict[str, Any]) -> AuditFact:
        value = {"v": VERSION, **event}
        now = time.time_ns() // 1000
        appended = self.ledger.append(json_record(self.encoder, Kind.AUDIT, value), now)
        return AuditFact(appended.sequence, now // CLOCK, canonical(value).decode())

    def require_writable(self) -> None:
        """See that there is a ledger to write, and a catalog that knows all of it.

        Raises:
            VaultError: the vault was opened to read.
        """
        assert self.ledger is not None
        if self._lagging:
            self._catch_up()

    def _catch_up(self) -> None:
        """Tell the catalog what it could not be told when it was committed: else it were skipped for good."""
        directory = self.catalog.directory()
        replay(self.catalog, directory, self.folder / LEDGER, self.catalog.head, own_work(self.folder))
        self.directory = directory
        self._messages = self.catalog.totals().messages
        self._lagging = False

    def rollback(self) -> None:
        """Give up the uncommitted batch; audit events that waited for it are committed alone."""
        with self._turn:
            self.ledger.rollback()
            self._begun = False
            self._turn.notify_all()
            if self._events:
                self._commit_events()

    def change_directory(
        self, wanted: Iterable[dict[str, Any]], time: int, events: Iterable[dict[str, Any]] = ()
    ) -> int:
        """Record changes to the directory and file old mail anew; returns how many messages were.

        `time` is now, in seconds since 1970 UTC. `wanted` is read once nobody else changes the directory, and
        after each of its changes has been applied. `events` are audit events that are committed with the
        changes; they are read after them. For any thread but one that has begun a batch.

        Raises:
            ConfigError, NotFound: a change can't be applied; none of them is.
            OSError: they could not be written; none of them is kept.
            VaultError: all of them are kept, but the catalog could not be told yet; or none could be written.
        """
        with self._between_batches():
            self._commit_changes(wanted, time, events)
        return self._finish_refiling()

    @contextmanager
    def _between_batches(self) -> Iterator[None]:
        """Nobody else appends meanwhile, and nothing of theirs is uncommitted.

        Raises:
            VaultError: another thread does not come to the end of its batch.
        """
        with self._turn:
            self._guests += 1
            try:
                free = self._turn.wait_for(lambda: not self._begun, PATIENCE)
            finally:
                self._guests -= 1
                self._turn.notify_all()
            if not free:
                raise VaultError("a run holds the ledger, so nothing was changed: try again")
            self._alone = True
            try:
                yield
            finally:
                self._alone = False
                if self._begun:  # what failed must not be committed with the next batch
                    self.rollback()

    def _commit_changes(
        self, wanted: Iterable[dict[str, Any]], time: int, events: Iterable[dict[str, Any]]
    ) -> None:
        self.require_writable()
        self.directory = self.directory.copy()  # others read the one that it was
        try:
            facts: list[Fact] = [self._change(change, time) for change in wanted]
            if facts:
                facts += [self._audit(event) for event in events]
                self.commit(facts)
        except BaseException as error:
            self.directory = self.catalog.directory()
            self.rollback()
            if self._lagging and isinstance(error, Exception):
                raise VaultError(
                    f"the change is kept, but the catalog could not take it in ({error}): it will when the "
                    "vault is next written, so mend that and do not repeat the change"
                ) from error
            raise

    def _change(self, change: dict[str, Any], time: int) -> DirectoryFact:
        self.directory.apply(change, time)
        appended = self.append(json_record(self.encoder, Kind.DIRECTORY, change), time * CLOCK)
        return DirectoryFact(appended.sequence, time, changes.encode(change))

    def note_configuration(self, settings: dict[str, Any], time: int) -> None:
        """Record the configuration, if it is another than was recorded last.

        `settings` holds no secret; `time` is now, in seconds since 1970 UTC.
        """
        record = json_record(self.encoder, Kind.CONFIG, {"v": VERSION, "settings": settings})
        if self.catalog.meta_get(CONFIGURATION) == record.sha.hex():
            return
        with self._between_batches():
            self.append(record, time * CLOCK)
            self.commit([])
        self.catalog.meta_set(CONFIGURATION, record.sha.hex())

    def _finish_refiling(self) -> int:
        done = 0
        while True:
            with self._turn:  # the directory stays what it is while mail is filed by it
                step = next(self.catalog.refile(self.directory), None)
            if step is None:
                return done
            done += step

    # --- what is kept ---------------------------------------------------------------------

    def kept(self, sha: bytes, read_back: bool) -> bool:
        """Whether content is in the ledger; with `read_back`, whether it can also be read from there."""
        if self.catalog.locate(sha) is None:
            return False
        return not read_back or self.reads_back(sha)

    def reads_back(self, sha: bytes) -> bool:
        """Whether the ledger gives the very bytes of `sha`; remembered for a while."""
        return self._read_back.content(sha)

    def reads_back_at(self, position: Position) -> bool:
        """Whether the record at a position gives its very bytes."""
        return self._read_back.record(position)

    def part_kept(self, sha: bytes, read_back: bool) -> bool:
        """As `kept`, for a part."""
        return self.catalog.part_known(sha) and (not read_back or self.reads_back(sha))

    def size_of(self, sha: bytes) -> int:
        """Bytes of kept or just appended content."""
        return self.reader.size(sha)

    @property
    def dead(self) -> bool:
        """Whether it must be opened anew to be written: its disk failed."""
        return self._ledger is not None and self._ledger.dead

    @property
    def damage(self) -> list[str]:
        """What of the ledger the catalog was built without, since it is damaged: a sentence each."""
        return known_damage(self.catalog)

    def index(self) -> Index:
        """The full-text index to search in, as it is committed now; kept open until `close`.

        Raises:
            VaultError: it can't be read, or is damaged.
        """
        with self._indexing:
            if self._index is None:
                self._index = Index.open(self.folder / INDEX, read_only=True)
                return self._index
        self._index.follow()
        return self._index

    def swap_index(self, swap: Callable[[], None]) -> None:
        """Have `swap` put another index in the place of this one, while nobody looks which it is."""
        with self._indexing:
            if self._index is None:
                swap()
            else:
                self._index.swapped(swap)

    def owner(self) -> str:
        """Who writes the vault now; "" for nobody."""
        return holder(self.folder)

    # --- dictionaries ---------------------------------------------------------------------

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """Compression dictionaries by id."""
        return self._ledger.dictionaries if self._ledger is not None else {}

    def _use_dictionaries(self) -> None:
        self.encoder = Encoder(self.dictionaries)
        self.decoder = Decoder(self.dictionaries)

    def train_if_due(self) -> bool:
        """Train dictionaries on the first messages once there are enough; whether that was done.

        Raises:
            OSError: they could not be written.
        """
        if self.dictionaries or self._messages < self._train_at:
            return False
        self._train_at *= 4
        whole = scan(self.folder / LEDGER, damaged=lambda damage: log.error("damaged: %s", damage))
        made = list(trained(whole, self.decoder))
        with self._between_batches():
            for dictionary in made:
                self.ledger.add_dictionary(dictionary)
            self.commit([])
        self._use_dictionaries()
        return bool(made)

    def close(self) -> None:
        """Close everything. Safe to call twice."""
        todo, self.before_close = self.before_close, []
        for finish in todo:
            finish()
        if self._ledger is not None and not self._ledger.dead:
            self._checkpoints.now(self._ledger.head)
        self.catalog.close()
        self.reader.close()
        if self._index is not None:
            self._index.close()
            self._index = None
        leave_work(self.folder)
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
