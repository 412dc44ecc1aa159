"""The writer of a ledger: it appends records in batches, and one commit frame makes a batch durable."""

from __future__ import annotations

import hashlib

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.commits import UNCOUNTED, Commit, write_commit
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash, pack_header
from muniment.archive.ledger.model import (
    SEGMENT,
    AppendedRecord,
    LedgerHead,
    LedgerRecord,
    PayloadCodec,
    RecordKind,
)
from muniment.archive.ledger.recovery import RecoveryResult, move_torn_tails, recover, rewrite_last_batch
from muniment.archive.ledger.scan import has_commit
from muniment.archive.ledger.segment_store import SegmentLost, SegmentStore
from muniment.archive.ledger.stored import FrameReader, read_dictionaries
from muniment.archive.ledger.vault_id import make_vault_id, read_vault_id
from muniment.errors import LedgerDamaged, VaultError

BUFFER = 8 * 1024 * 1024
"""Bytes of frames that are gathered in memory before they are written (not synced)."""
LARGE = 1024 * 1024
"""Payloads of at least this many bytes are written at once, not gathered."""


class Ledger:
    """A ledger that is open for writing. `docs/ledger-format.md` specifies what it writes.

    Only one thread at a time may use it, and only one process may write the ledger. A record is kept once
    `commit` has returned.

    If `append` or `commit` raises OSError (such as for a full disk), the batch is void: call `rollback`, then
    go on. If a sync fails, what the disk holds is unknown: the ledger is dead, and every later call raises
    VaultError until it is opened again.
    """

    def __init__(
        self, segments: SegmentStore, vault_id: bytes, segment: int, recovery: RecoveryResult
    ) -> None:
        """Not for callers: use `create` or `open`."""
        self._segments = segments
        self._limit = segment
        self._frames = FrameReader(segments, vault_id)
        self._head = recovery.head
        self._committed = recovery.state
        self._now = recovery.state.copy()
        self._count = 0
        """Number of records since the last commit frame."""
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._void = self._dead = False
        self._contents = read_dictionaries(self._frames, recovery.state.dictionaries)
        self._fresh: dict[int, bytes] = {}
        """Dictionaries of the current batch, by number."""
        self.vault_id = vault_id
        """The vault's id: 8 random bytes that are in every frame."""
        self.recovery = recovery
        """Torn tails and damage that were found when the ledger was opened."""

    @classmethod
    def create(cls, segments: SegmentStore, *, segment: int = SEGMENT) -> Ledger:
        """Make an empty ledger and open it.

        Args:
            segments: The place of the ledger's segments.
            segment: Size in bytes after which a segment is sealed.

        Raises:
            VaultError: There is a ledger already.
            OSError: The place can't be written.
        """
        make_vault_id(segments)
        return cls.open(segments, segment=segment)

    @classmethod
    def open(cls, segments: SegmentStore, *, segment: int = SEGMENT, accept_damage: bool = False) -> Ledger:
        """Open a ledger for writing. A torn tail is moved aside; `recovery` says what was found.

        Args:
            segments: The ledger's segments.
            segment: Size in bytes after which a segment is sealed.
            accept_damage: Whether to go on, in a new segment, although records are damaged. Only an
                administrator may decide this.

        Raises:
            VaultError: There is no ledger, or a newer program wrote it.
            LedgerDamaged: Records before the last commit frame can't be read; nothing was changed.
            OSError: A segment can't be read or written.
        """
        vault_id = read_vault_id(segments)
        recovery = recover(segments)
        if recovery.damage and not accept_damage:
            raise LedgerDamaged(
                f"the ledger is damaged in {recovery.damage[0]} ({len(recovery.damage)} places in all); "
                "nothing was changed: see what is lost with `muniment verify --deep`; then restore a backup, "
                "or go on without it by `muniment rebuild --catalog --accept-damage`"
            )
        if recovery.damage:
            recovery = move_torn_tails(segments, recovery)
        rewrite_last_batch(segments, recovery.state)
        ledger = cls(segments, vault_id, segment, recovery)
        if recovery.damage or recovery.state.offset >= segment or _followed(segments, recovery.state.segment):
            ledger._seal()
        return ledger

    @property
    def head(self) -> LedgerHead:
        """The last committed state."""
        return self._head

    @property
    def dead(self) -> bool:
        """Whether it can no longer be written: it was closed, or its disk failed."""
        return self._dead

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The committed compression dictionaries, by number."""
        return dict(self._contents)

    def knows(self, head: LedgerHead) -> bool:
        """Return whether `head` is a state that this ledger committed.

        Raises:
            OSError: The segment can't be read.
        """
        return has_commit(self._segments, self.vault_id, head)

    def append(self, record: LedgerRecord, time: int) -> AppendedRecord:
        """Append a record to the current batch.

        Args:
            record: The encoded record.
            time: The time now, in microseconds since 1970 UTC.

        Returns:
            The record's leaf index and the position of its frame. Both are final once the batch is committed.

        Raises:
            ValueError: The record uses a dictionary that is not committed, or one of its fields is out of
                range; the batch goes on without it.
            OSError: The record could not be written; the batch is void.
            VaultError: The batch is void already, or the ledger is dead.
        """
        self._check()
        if record.dictionary and record.kind != RecordKind.DICTIONARY:
            self._provide_dictionary(record.dictionary, time)
        return self._append(record, time)

    def add_dictionary(self, data: bytes, time: int | None = None) -> int:
        """Append a compression dictionary to the current batch. Once it is committed, records may use it.

        Args:
            data: The dictionary in zstd's format.
            time: Microseconds since 1970 UTC; by default the time of the previous record.

        Returns:
            The dictionary's number.

        Raises:
            OSError: It could not be written; the batch is void.
            VaultError: The batch is void already, or the ledger is dead.
        """
        self._check()
        number = max(self._now.dictionaries, default=0) + 1
        self._append_dictionary(number, data, self._now.time if time is None else time)
        self._fresh[number] = data
        return number

    def commit(self) -> LedgerHead:
        """Make the batch durable. When this returns, its commit frame is on the disk.

        An empty batch writes nothing.

        Returns:
            The new committed state; the last one if the batch is empty.

        Raises:
            OSError: The batch could not be written; it is void.
            VaultError: The batch was void, or the ledger was dead already; or it is dead now, since the disk
                could not sync or another program changed the segment.
        """
        self._check()
        if not self._count:
            return self._head
        tree_size, root = self._now.tree.size, self._now.tree.root()
        self._frame(self._commit_record(root), self._now.time)
        self._require_own_segment()
        self._flush()
        self._sync()
        self._count = 0
        self._committed = self._now.copy()
        self._contents |= self._fresh
        self._fresh = {}
        self._head = LedgerHead(tree_size, root, self._now.segment, self._now.offset)
        if self._now.offset >= self._limit:
            self._seal()
        return self._head

    def rollback(self) -> None:
        """Discard the current batch, and cut off what was written of it. An empty batch needs nothing.

        Raises:
            VaultError: The ledger was dead already, or is dead now since the segment could not be cut.
        """
        self._check_alive()
        self._pending.clear()
        self._pending_size = 0
        try:
            self._segments.cut(self._committed.segment, self._committed.offset)
        except OSError as error:
            self._dead = True
            raise VaultError(f"the ledger could not be rolled back: {error}; open the vault again") from error
        self._now = self._committed.copy()
        self._count = 0
        self._fresh = {}
        self._void = False

    def close(self) -> None:
        """Discard the current batch and close the segments. It may be called twice.

        Raises:
            VaultError: The batch could not be cut off; the segments are closed all the same.
        """
        try:
            if not self._dead:
                self.rollback()
        finally:
            self._dead = True
            self._segments.close()
            self._frames.close()

    # --- frames ---------------------------------------------------------------------------

    def _append(self, record: LedgerRecord, time: int) -> AppendedRecord:
        """Append a frame, after the opening frame if the segment is empty."""
        if not self._now.offset:
            self._append_opening(time)
        return self._frame(record, time)

    def _frame(self, record: LedgerRecord, time: int) -> AppendedRecord:
        now, payload = self._now, record.payload
        header = pack_header(
            self.vault_id,
            record.kind,
            record.codec,
            time,
            record.size,
            record.sha,
            payload,
            record.dictionary,
        )
        appended = AppendedRecord(now.tree.size, FramePosition(now.segment, now.offset))
        self._put(header, payload)
        now.tree.add(leaf_hash(record.kind, time, record.size, record.sha))
        now.offset += HEADER_SIZE + len(payload)
        now.time = time
        if record.kind == RecordKind.AUDIT and now.audits != UNCOUNTED:
            now.audits += 1
        self._count += 1
        return appended

    def _append_opening(self, time: int) -> None:
        """Begin a segment with a commit frame that repeats the state, so that it can be read alone."""
        self._frame(self._commit_record(self._now.tree.root(), self._now.segment), time)
        self._count = 0

    def _commit_record(self, root: bytes, segment: int = 0) -> LedgerRecord:
        now = self._now
        content = write_commit(Commit(self._count, now.tree, root, now.dictionaries, segment, now.audits))
        return LedgerRecord(
            RecordKind.COMMIT, hashlib.sha256(content).digest(), len(content), PayloadCodec.RAW, content
        )

    def _provide_dictionary(self, id: int, time: int) -> None:
        """Give this segment a copy of a dictionary, before the first record that uses it."""
        if id not in self._contents:
            raise ValueError(f"compression dictionary {id} is not committed to this ledger")
        if id not in self._now.present:
            self._append_dictionary(id, self._contents[id], time)

    def _append_dictionary(self, id: int, data: bytes, time: int) -> None:
        made = RecordEncoder().encode(RecordKind.DICTIONARY, data)
        record = LedgerRecord(made.kind, made.sha, made.size, made.codec, made.payload, id)
        position = self._append(record, time).position
        self._now.dictionaries[id] = position
        self._now.present.add(id)

    # --- the segment ----------------------------------------------------------------------

    def _check_alive(self) -> None:
        if self._dead:
            raise VaultError("the ledger is closed, or its disk failed: open the vault again")

    def _check(self) -> None:
        self._check_alive()
        if self._void:
            raise VaultError("the last batch could not be written and must be rolled back first")

    def _put(self, header: bytes, payload: bytes) -> None:
        if len(payload) >= LARGE:
            self._flush()
            self._write(self._now.offset, header)
            self._write(self._now.offset + HEADER_SIZE, payload)
            return
        self._pending += (header, payload)
        self._pending_size += HEADER_SIZE + len(payload)
        if self._pending_size >= BUFFER:
            self._flush(HEADER_SIZE + len(payload))

    def _flush(self, uncounted: int = 0) -> None:
        """Write the gathered frames. The last `uncounted` bytes of them are not yet in the state's offset."""
        if self._pending:
            self._write(self._now.offset + uncounted - self._pending_size, b"".join(self._pending))
            self._pending.clear()
            self._pending_size = 0

    def _write(self, offset: int, data: bytes) -> None:
        try:
            self._segments.append(self._now.segment, offset, data)
        except OSError:
            self._void = True
            raise

    def _require_own_segment(self) -> None:
        """Check that the segment is still the one that was written.

        Otherwise the batch is lost, and a source must not delete the mail in it.

        Raises:
            VaultError: Another program cut, replaced or removed the segment; the ledger is dead.
        """
        number = self._now.segment
        try:
            problem = "was cut" if self._segments.own_size(number) < self._committed.offset else ""
        except SegmentLost as error:
            problem = str(error)
        if not problem:
            return
        self._dead = True
        raise VaultError(
            f"{self._segments.name(number)} {problem} by another program while Muniment wrote it: nothing "
            "more is written; run `muniment verify`, and restore the ledger from a backup"
        )

    def _sync(self) -> None:
        """Make the batch durable. A failure is final."""
        try:
            self._segments.sync(self._now.segment)
        except OSError as error:
            self._dead = True
            raise VaultError(
                f"the disk could not store the ledger ({error.strerror}): check the disk, then run again"
            ) from error

    def _seal(self) -> None:
        """Seal the segment; the next frame goes into a new one."""
        state = self._now
        self._segments.seal(state.segment)
        state.segment, state.offset, state.present = state.segment + 1, 0, set()
        self._committed = state.copy()


def _followed(segments: SegmentStore, number: int) -> bool:
    """Return whether there is a segment with a higher number, which recovery left empty."""
    return any(other > number for other in segments.numbers())
