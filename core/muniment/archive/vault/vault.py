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
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.replay import known_damage, replay
from muniment.archive.facts import (
    AuditFact,
    ConfigurationFact,
    DirectoryFact,
    Fact,
    MessageFact,
    Position,
)
from muniment.archive.files.lock import VaultLock, holder
from muniment.archive.files.temp_files import clean_work, enter_work, leave_work, own_work
from muniment.archive.index import Index
from muniment.archive.ledger.codec import Decoder, Encoder
from muniment.archive.ledger.model import Appended, Head, Kind, Record
from muniment.archive.ledger.readback import ReadBack
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.records import VERSION, canonical, json_record
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.training import SAMPLES, train_dictionaries
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.append_turns import PATIENCE, Turns
from muniment.archive.vault.changes import CatalogBehind, Changed, Events, Plan
from muniment.archive.vault.known_roots import Checkpoints, require_whole
from muniment.archive.vault.open_catalog import (
    CATALOG,
    INDEX,
    LEDGER,
    begin_noting,
    clear_rebuilds,
    matching_catalog,
    new_catalog,
)
from muniment.archive.vault.open_index import IndexPlace
from muniment.errors import MunimentError, VaultError
from muniment.people import changes
from muniment.people.directory import Directory

log = logging.getLogger("muniment.vault")

CLOCK = 1_000_000
NEAR = 1_000
"""Records of the ledger that a rebuild takes in while nobody may commit; more are taken in before."""


class Vault:
    """An open vault. `open` or `create` makes one; `close` it."""

    def __init__(self, folder: Path, catalog: Catalog, ledger: Ledger | None, lock: VaultLock | None) -> None:
        self.folder = folder
        self.catalog = catalog
        self.reader = Reader(folder / LEDGER, catalog.locate)
        self._ledger = ledger
        self._lock = lock
        self._read_back = ReadBack(self.reader)
        self._messages = catalog.totals().messages
        self._train_at = SAMPLES
        self._lagging = False
        """Whether the catalog failed to take in what the ledger has committed."""
        self.index_place = IndexPlace(folder / INDEX)
        self._turns = Turns()
        self._events: list[_Waiting] = []
        """Audit events that go with the next commit, and who waits for them."""
        self.before_close: list[Callable[[], None]] = []
        """What is to be done while it can still be written."""
        self._checkpoints = Checkpoints(folder, catalog.vault_id)
        self._left = False
        enter_work(folder)
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
        return cls(folder, catalog, ledger, lock)

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
        """Note the state of the ledger, unless that was done a moment ago; only where it is written."""
        if self._ledger is not None:
            self._checkpoints.soon(self.head)

    def renew_catalog(self, stopped: Callable[[Head], bool] = lambda head: False) -> list[str]:
        """Build the catalog anew from the ledger, beside the one that goes on answering meanwhile, and put
        it in its place; returns what can't be read. For the thread that archives, between two runs.

        Batches are committed meanwhile. The last of them are taken in while none can be, so that the catalog
        lacks nothing when its place is taken. `stopped` is asked after each batch, and told how far that is.

        Raises:
            OSError, VaultError: it can't be built, or was stopped; the one that there was stays.
            LedgerDamaged: the ledger on disk lacks what this process has written.
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

    @property
    def directory(self) -> Directory:
        """Who is a user, by all that the catalog has taken in; never changed, but replaced by another."""
        return self.catalog.directory

    def append(self, record: Record, time: int) -> Appended:
        """Append a record to the uncommitted batch; `time` in microseconds since 1970 UTC.

        Raises:
            OSError: it could not be written; the batch is void.
            VaultError: the catalog lacks an earlier batch and can't take it in.
        """
        with self._turns.held():
            self._turns.await_guests()
            if self._lagging:
                self._catch_up()
            self._turns.begin()
            return self.ledger.append(record, time)

    def commit(self, facts: Sequence[Fact]) -> Head:
        """Make the batch durable in the ledger, then have the catalog take it in.

        Raises:
            OSError, VaultError: it could not be written, and is not kept.
            CatalogBehind: it is kept, but the catalog could not take it in yet.
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

    def _take_in(self, facts: Sequence[Fact], head: Head) -> None:
        """Have the catalog take in a batch that was committed, and those before it that it lacks."""
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
                f"what was committed is kept, but the catalog could not take it in ({_reason(error)}): it "
                "will when the vault is next written, so mend that"
            ) from error

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
        waiting = _Waiting(list(events), Future())
        with self._turns.held():
            assert self.ledger is not None
            self._events.append(waiting)
            if not self._turns.open:
                self._commit_events()
        try:
            waiting.done.result(PATIENCE)
        except TimeoutError:
            self._withdraw(waiting)

    def _withdraw(self, waiting: _Waiting) -> None:
        """See that events which waited too long are not committed later; else they would be refused and kept.

        Raises:
            VaultError: they are not committed.
        """
        with self._turns.held():
            if waiting not in self._events:
                waiting.done.result(0)
                return
            self._events.remove(waiting)
        raise VaultError("the audit record could not be written while a run holds the ledger: try again")

    def _commit_events(self) -> None:
        """Commit what waits, where no batch is open; who waits learns how it went."""
        try:
            self.commit([])
        except CatalogBehind as error:
            log.error("%s", error)
        except Exception as error:  # noqa: BLE001 - who waits learns of it
            log.error("audit events could not be committed: %s", error)
            with suppress(VaultError):
                self.rollback()

    def _audit(self, event: dict[str, Any]) -> AuditFact:
        value = {"v": VERSION, **event}
        now = time.time_ns() // 1000
        appended = self.ledger.append(json_record(self.encoder, Kind.AUDIT, value), now)
        return AuditFact(appended.sequence, appended.position, now // CLOCK, canonical(value).decode())

    def require_writable(self) -> None:
        """See that there is a ledger to write, and a catalog that knows all of it.

        Raises:
            VaultError: the vault was opened to read.
        """
        assert self.ledger is not None
        if self._lagging:
            self._catch_up()

    def _catch_up(self) -> None:
        """Have the catalog take in what it could not take in before: it would lack it for good otherwise."""
        replay(self.catalog, self.folder / LEDGER, self.catalog.head, own_work(self.folder))
        self._messages = self.catalog.totals().messages
        self._lagging = False

    def rollback(self) -> None:
        """Give up the uncommitted batch; audit events that waited for it are committed alone."""
        with self._turns.held():
            self.ledger.rollback()
            self._turns.end()
            if self._events:
                self._commit_events()

    def change_directory(self, plan: Plan, time: int, events: Events = lambda made: ()) -> Changed:
        """Record changes to the directory, and file old mail anew.

        `plan` makes the changes from the directory as it is then, so that none is made from an older one;
        `events` makes of them the audit events that are committed with them. `time` is now, in seconds since
        1970 UTC. For any thread but one that has begun a batch.

        Raises:
            ConfigError, NotFound: a change can't be applied; none of them is.
            OSError: they could not be written; none of them is kept.
            VaultError: all of them are kept, but the catalog could not take them in yet; or none is kept.
        """
        with self._turns.between_batches(self.rollback):
            changed = self._commit_changes(plan, time, events)
        return changed._replace(refiled=self._finish_refiling())

    def _commit_changes(self, plan: Plan, time: int, events: Events) -> Changed:
        self.require_writable()
        before = self.directory
        made, after = tuple(plan(before)), before.copy()
        for change in made:  # one that can't be applied is found before any is appended
            after.apply(change, time)
        facts: list[Fact] = [self._append_change(change, time) for change in made]
        facts += [self._audit(event) for event in events(made)]
        try:
            if facts:
                self.commit(facts)
        except CatalogBehind as error:
            raise CatalogBehind(
                f"the change is kept, but the catalog could not take it in ({_reason(error.__cause__)}): it "
                "will when the vault is next written, so mend that and do not repeat the change"
            ) from error
        return Changed(before, after.sealed(), made, 0)

    def _append_change(self, change: dict[str, Any], time: int) -> DirectoryFact:
        appended = self.append(json_record(self.encoder, Kind.DIRECTORY, change), time * CLOCK)
        return DirectoryFact(appended.sequence, time, changes.encode(change))

    def note_configuration(self, read: Callable[[], dict[str, Any]], time: int) -> None:
        """Record the configuration, if it is another than was recorded last.

        `read` gives it without any secret. It is asked once nobody else can record one, so that the last to
        be recorded is the last that there was. `time` is now, in seconds since 1970 UTC.
        """
        if self._configuration(read).sha == self.catalog.configuration:
            return
        with self._turns.between_batches(self.rollback):
            self.require_writable()
            record = self._configuration(read)
            if record.sha != self.catalog.configuration:
                appended = self.append(record, time * CLOCK)
                self.commit([ConfigurationFact(appended.sequence, record.sha)])

    def _configuration(self, read: Callable[[], dict[str, Any]]) -> Record:
        return json_record(self.encoder, Kind.CONFIG, {"v": VERSION, "settings": read()})

    def _finish_refiling(self) -> int:
        """File anew what changes of the directory affect; returns how many messages were looked at."""
        return sum(self.catalog.refile())

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
        return self.index_place.index()

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
        whole = scan(self.folder / LEDGER, on_damage=lambda damage: log.error("damaged: %s", damage))
        made = list(train_dictionaries(whole, self.decoder))
        with self._turns.between_batches(self.rollback):
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


@dataclass(eq=False, slots=True)
class _Waiting:
    """Audit events, and who waits for their commit."""

    events: list[dict[str, Any]]
    done: Future[None]


def _reason(error: BaseException | None) -> str:
    """Why the catalog took nothing in: a sentence of ours, or the kind of error, never what it quotes."""
    return str(error).rstrip(".") if isinstance(error, MunimentError | OSError) else type(error).__name__
