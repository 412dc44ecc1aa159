"""A vault: the archive of one organisation, in a folder.

vault.toml    settings (see config)
ledger/       the log of all records
catalog.db    a projection of the ledger, for lists and look-ups
index/        a projection of the ledger, for full-text search
tree.tiles    a projection of the ledger, from which proofs are made
checkpoints   states of the ledger, to detect that its end is missing
spool/        the mailbox of the embedded gateway
work/         temporary files, in a folder for each process
erased.json   up to which state of the ledger all erasures are done
lock          which process is writing the vault
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.catalog.replay import replay
from muniment.archive.erasure.apply import require_frames
from muniment.archive.erasure.redaction import Redaction, redaction_fact, redaction_record
from muniment.archive.erasure.unfinished import ALL
from muniment.archive.facts import ConfigurationFact, Fact
from muniment.archive.files.lock import VaultLock
from muniment.archive.files.temp_files import enter_work, leave_work, own_work
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder, is_filtered
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import AppendedRecord, LedgerHead, LedgerRecord, RecordKind
from muniment.archive.ledger.records import VERSION, json_record
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.training import SAMPLES, train_dictionaries
from muniment.archive.ledger.writer import Ledger
from muniment.archive.senders.evidence_record import SenderEvidence, encode_evidence, evidence_fact
from muniment.archive.vault.changes import (
    CatalogBehind,
    DirectoryChange,
    Events,
    Plan,
    RefilingProgress,
)
from muniment.archive.vault.commit_coordinator import CLOCK, CommitCoordinator
from muniment.archive.vault.contents import VaultContents
from muniment.archive.vault.decisions import Decide, DecisionEvents, Decisions
from muniment.archive.vault.directory_changes import DirectoryChanges
from muniment.archive.vault.erasures import VaultErasures
from muniment.archive.vault.known_roots import require_whole
from muniment.archive.vault.open_catalog import copied_catalog, new_catalog
from muniment.archive.vault.open_index import IndexPlace

log = logging.getLogger("muniment.vault")

NEAR = 1_000
"""Most records that a rebuild applies while no batch can be committed; more are applied before."""


class Vault(VaultContents):
    """An open vault. Make it with `create_vault` or `open_vault`, and `close` it.

    `VaultContents` has what readers need. The rest is for the one process that writes the vault. Its
    archiving thread appends records in batches: `append` each, then `commit` or `rollback`. Other threads may
    call `log`, `change_directory`, `decide` and `note_configuration`, which take their turn between two
    batches.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        index_place: IndexPlace,
        ledger: Ledger | None,
        lock: VaultLock | None,
        train_at: int = SAMPLES,
    ) -> None:
        """Not for callers: use `create_vault` or `open_vault`.

        `train_at` is the number of messages after which a dictionary is trained.
        """
        super().__init__(folder, catalog, index_place, writes=ledger is not None)
        self._commits = CommitCoordinator(folder, self.segments, ledger, catalog)
        self._changes = DirectoryChanges(self._commits, catalog)
        self._decisions = Decisions(self._commits, catalog)
        self._erasures = VaultErasures(folder, self.segments)
        self._lock = lock
        self._train_at = train_at
        self.before_close: list[Callable[[], None]] = []
        """Functions that `close` calls first, while the vault can still be written."""
        self._left = False
        enter_work(folder)

    def note_checkpoint(self) -> None:
        """Note the ledger's state in the file `checkpoints`, if the vault is open for writing."""
        if self.writable:
            self._commits.note_checkpoint(self.head)

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
        for one in committed_redactions(self.segments):
            with self._commits.between_batches():
                self._erasures.finish_begun(dead=self.dead)
                self._erasures.begin(ALL)
                self._erasures.erase([one.redaction])
        work = own_work(self.folder)
        with new_catalog(self.folder, self.ledger.vault_id) as new:
            replay(new, self.segments, None, work, stopped)
            if self.ledger.head.tree_size - new.head.tree_size > NEAR:
                replay(new, self.segments, new.head, work, stopped)
            with self._commits.between_batches():
                replay(new, self.segments, new.head, work)
                if new.head.tree_size < self.ledger.head.tree_size:
                    require_whole(self.folder)
                self.catalog.replace(new)
                self._commits.note_complete_catalog()
        return self.damage

    def clean_catalog(self) -> None:
        """Replace the catalog by a copy of it that has no trace of what was removed from it.

        The old one answers until then. This is for the archiving thread, between two runs.

        Raises:
            VaultError: There is no room for the copy, or the catalog can't be read; the old one stays in use.
            OSError: The copy can't be put in place; the old one stays in use.
        """
        with copied_catalog(self.folder, self.catalog) as copy, self._commits.between_batches():
            replay(copy, self.segments, copy.head, own_work(self.folder))
            self.catalog.replace(copy)
            self._commits.note_complete_catalog()

    # --- writing --------------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """The ledger's writer.

        Raises:
            VaultError: The vault was opened for reading.
        """
        return self._commits.ledger

    @property
    def encoder(self) -> RecordEncoder:
        """Encodes records with the committed compression dictionaries."""
        return self._commits.encoder

    @property
    def decoder(self) -> PayloadDecoder:
        """Decodes records that use the committed compression dictionaries."""
        return self._commits.decoder

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
        return self._commits.append(record, time)

    def between_batches(self) -> AbstractContextManager[None]:
        """Hold the turn between two batches of other threads; a batch that is left open is rolled back.

        Raises:
            VaultError: Another thread did not end its batch within `append_turns.PATIENCE` seconds.
        """
        return self._commits.between_batches()

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
        return self._commits.commit(facts)

    @property
    def writable(self) -> bool:
        """Whether the vault was opened for writing."""
        return self._commits.writable

    def log(self, events: Sequence[dict[str, Any]]) -> None:
        """Commit audit events. When this returns, they are on the disk. Thread-safe, also during a run.

        They are committed at once, or with the batch that another thread has begun.

        Args:
            events: The fields of each event (docs/ledger-format.md, "JSON records", audit).

        Raises:
            OSError: The events could not be written and are not kept.
            VaultError: The events could not be written in `append_turns.PATIENCE` seconds, or the vault
                can't be written; they are not kept.
        """
        self._commits.log(events)

    def require_writable(self) -> None:
        """Check that the vault can be written, and bring the catalog forward if it lacks anything.

        Raises:
            VaultError: The vault was opened for reading, or the catalog can't be brought forward.
        """
        self._commits.require_writable()

    def rollback(self) -> None:
        """Discard the current batch. Audit events that waited for it are committed alone.

        Raises:
            VaultError: The ledger can't be written any more, or the vault was opened for reading.
        """
        self._commits.rollback()

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
            VaultError: A run did not end its batch, or the vault can't be written, and no change is kept. Or
                the changes are kept, and not all mail could be filed again; the sentence says which.
        """
        return self._changes.change(plan, time, events)

    @property
    def refiling(self) -> RefilingProgress | None:
        """How far filing again has come; None while nothing is filed again."""
        return self._changes.progress

    def finish_refiling(self) -> int:
        """File the mail again that changes of the directory concern; returns how many messages were read."""
        return self._changes.finish_refiling()

    def decide(
        self,
        kind: RecordKind,
        decide: Decide,
        time: int,
        events: DecisionEvents = lambda made: (),
        after: int = -1,
    ) -> list[DecisionRow]:
        """Record decisions: legal holds, retention rules, grants, approvals or subject requests.

        Thread-safe, but not for a thread that has begun a batch.

        Args:
            kind: The kind of the decisions, one of `ledger.model.DECISIONS`.
            decide: Makes the decisions, without `v`, from all earlier ones of this kind. It is called when no
                other thread can record one.
            time: The time now, in seconds since 1970 UTC.
            events: Makes audit events of the decisions, which are committed with them.
            after: `decide` gets only the decisions whose record is after this sequence.

        Returns:
            The decisions as they were recorded.

        Raises:
            ValueError: `kind` is no kind of decision.
            MunimentError: `decide` raised it; nothing is recorded.
            OSError: The decisions could not be written and are not kept.
            CatalogBehind: The decisions are kept, but the catalog could not apply them yet.
            VaultError: A run did not end its batch, or the vault can't be written; nothing is recorded.
        """
        return self._decisions.record(kind, decide, time, events, after)

    def record_senders(self, evidence: SenderEvidence, time: int) -> None:
        """Record what the signatures of messages gave, and the keys that they were judged by.

        Thread-safe, but not for a thread that has begun a batch.

        Args:
            evidence: The results. Its messages follow those of the last record.
            time: The time now, in seconds since 1970 UTC.

        Raises:
            OSError: The record could not be written.
            VaultError: A run did not end its batch, or the vault can't be written.
            CatalogBehind: The record is kept, but the catalog could not apply it yet.
        """
        with self._commits.between_batches():
            self.require_writable()
            record = json_record(self.encoder, RecordKind.SENDER_EVIDENCE, encode_evidence(evidence))
            appended = self.append(record, time * CLOCK)
            place = appended.sequence, appended.position
            self.commit([evidence_fact(evidence, *place, record.sha, record.size, time)])

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
        with self._commits.between_batches():
            self.require_writable()
            record = self._configuration(read)
            if record.sha != self.catalog.configuration:
                appended = self.append(record, time * CLOCK)
                self.commit([ConfigurationFact(appended.sequence, record.sha)])

    def _configuration(self, read: Callable[[], dict[str, Any]]) -> LedgerRecord:
        return json_record(self.encoder, RecordKind.CONFIG, {"v": VERSION, "settings": read()})

    @property
    def dead(self) -> bool:
        """Whether the vault must be opened again before it can be written, since its disk failed."""
        return self._commits.dead

    def erase(
        self,
        redactions: Sequence[Redaction],
        time: int,
        planned: LedgerHead,
        allowed: Callable[[], bool] = lambda: True,
    ) -> list[int]:
        """Record a decision to erase, then erase the content of the records that it names. Thread-safe.

        Not for a thread that has begun a batch. All redactions are committed in one batch, before anything is
        erased. A crash leaves nothing half done: what is committed is erased when the vault is next opened.

        Args:
            redactions: The decision, in one or more records.
            time: The time now, in seconds since 1970 UTC.
            planned: The committed state up to which it is known what must go, and what other mail needs.
            allowed: Called when no other thread can record anything, such as a legal hold. If it returns
                false, nothing is erased.

        Returns:
            The sequences of the decision's records; none if it was not allowed.

        Raises:
            ValueError: A redaction is too large, or contradicts itself; nothing was committed.
            PlanOutdated: Mail was archived since `planned`, which may need what would be erased.
            OSError: The decision could not be written, and nothing was erased. If it is in the ledger all the
                same, it is erased before the next one, or when the vault is next opened.
            CatalogBehind: The records are erased, but the catalog could not apply the decision yet.
            VaultError: A redaction names records that are not there, a run did not end its batch, or the
                vault can't be written, or an earlier erasure can't be finished: nothing was erased. Or the
                disk failed in the middle; then it is finished by `finish_erasures`, by the next erasure,
                or when the vault is next opened. The sentence says which.
        """
        records = [(redaction, redaction_record(redaction)) for redaction in redactions]
        with self._commits.between_batches():
            self.require_writable()
            self._erasures.finish_begun(dead=self.dead)
            self._erasures.require_no_mail_since(planned)
            if not allowed():
                return []
            for redaction in redactions:
                require_frames(self.segments, redaction.frames)
            facts = []
            for redaction, record in records:
                sequence = self.append(record, time * CLOCK).sequence
                facts.append(redaction_fact(redaction, record.sha, record.size, sequence, time))
            behind: CatalogBehind | None = None
            self._erasures.begin(self.ledger.head)
            try:
                head = self.commit(facts)
            except CatalogBehind as error:
                behind, head = error, self.ledger.head
            self._erasures.erase(redactions)
            self._erasures.note(head)
        if behind is not None:
            raise behind
        return [fact.sequence for fact in facts]

    def finish_erasures(self) -> None:
        """Finish an erasure of this process that was interrupted. Thread-safe.

        Not for a thread that has begun a batch.

        Raises:
            VaultError: The disk can't be read or written, or a run did not end its batch; call it again.
        """
        if self._erasures.unfinished:
            with self._commits.between_batches():
                self._erasures.finish_begun(dead=self.dead)

    # --- dictionaries ---------------------------------------------------------------------

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The committed compression dictionaries by number; none if the vault was opened for reading."""
        return self.ledger.dictionaries if self.writable else {}

    def train_if_due(self) -> bool:
        """Train compression dictionaries on the first messages, once there are enough of them.

        A vault whose dictionaries may hold strings from one mail alone gets others. Only their commit takes a
        turn to append; the training does not.

        Returns:
            Whether dictionaries were trained and committed.

        Raises:
            OSError: The dictionaries could not be written.
            VaultError: A run did not end its batch, or the vault can't be written.
        """
        if self._commits.messages < self._train_at or any(map(is_filtered, self.dictionaries.values())):
            return False
        self._train_at = 4 * self._commits.messages
        whole = scan(self.segments, on_damage=lambda damage: log.error("damaged: %s", damage))
        made = list(train_dictionaries(whole, self.decoder))
        with self._commits.between_batches():
            for dictionary in made:
                self.ledger.add_dictionary(dictionary)
            self.commit([])
        self._commits.use_dictionaries()
        return bool(made)

    def close(self) -> None:
        """Call `before_close`, close all files and release the lock. It may be called twice."""
        todo, self.before_close = self.before_close, []
        for finish in todo:
            finish()
        self._commits.note_last_checkpoint()
        if self.writable and not self.dead:
            self._erasures.note(self.ledger.head)
        self.catalog.close()
        self.reader.close()
        self.tree.close()
        self.index_place.close()
        if not self._left:
            self._left = True
            leave_work(self.folder)
        self._commits.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
