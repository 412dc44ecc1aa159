"""The one writer of a ledger: appends records in batches, each durable by one commit frame."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger.codec import Encoder
from muniment.archive.ledger.commits import UNCOUNTED, Commit, write_commit
from muniment.archive.ledger.files import (
    make_vault_id,
    read_vault_id,
    segment_path,
    segments,
    sync_folder,
)
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash, pack_header
from muniment.archive.ledger.model import SEGMENT, Appended, Codec, Head, Kind, Record
from muniment.archive.ledger.recovery import Recovery, recover, set_aside, settle
from muniment.archive.ledger.scan import known_commit
from muniment.archive.ledger.stored import Files, read_dictionaries
from muniment.errors import LedgerDamaged, VaultError

BUFFER = 8 * 1024 * 1024
"""Frames are held in memory up to this many bytes, then written (not synced)."""
LARGE = 1024 * 1024
"""Payloads from this many bytes on are written as they are, without gathering them first."""


class Ledger:
    """A ledger, open for writing. Belongs to one thread; nothing else may write it.

    What is appended counts once `commit` has returned. When `append` or `commit` raises OSError
    (no space, say) the batch is void: `rollback` and go on. When the disk fails to sync, nobody can
    say what it holds: the ledger is dead, every later call raises, and only opening it anew helps.
    """

    def __init__(self, folder: Path, vault_id: bytes, segment: int, recovery: Recovery) -> None:
        """For `create` and `open`."""
        self._folder = folder
        self._limit = segment
        self._files = Files(folder, vault_id)
        self._head = recovery.head
        self._committed = recovery.state
        self._now = recovery.state.copy()
        self._count = 0
        """Records since the last commit frame."""
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._descriptor: int | None = None
        self._void = self._dead = False
        self._contents = read_dictionaries(self._files, recovery.state.dictionaries)
        self._fresh: dict[int, bytes] = {}
        """Dictionaries of this batch."""
        self.vault_id = vault_id
        """8 random bytes, in every frame."""
        self.recovery = recovery
        """What was found when it was opened."""

    @classmethod
    def create(cls, folder: Path, *, segment: int = SEGMENT) -> Ledger:
        """Make an empty ledger in `folder` (such as VAULT/ledger), which is made if need be.

        `segment`: bytes past which a segment is sealed.

        Raises:
            VaultError: there is one already.
            OSError: the folder can't be written.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        make_vault_id(folder)
        segment_path(folder, 1).touch(0o600)
        sync_folder(folder)
        sync_folder(folder.parent)
        return cls.open(folder, segment=segment)

    @classmethod
    def open(cls, folder: Path, *, segment: int = SEGMENT, accept_damage: bool = False) -> Ledger:
        """Open a ledger for writing; torn tails are moved aside (see `recovery`).

        With `accept_damage`, an admin's decision, a damaged ledger is written on, in a new segment.

        Raises:
            VaultError: there is no ledger, or it was written by a newer program.
            LedgerDamaged: records before the last commit can't be read; nothing was changed.
            OSError: the folder can't be written.
        """
        vault_id = read_vault_id(folder)
        recovery = recover(folder)
        if recovery.damage and not accept_damage:
            raise LedgerDamaged(
                f"the ledger is damaged in {recovery.damage[0]} ({len(recovery.damage)} places in all); "
                "nothing was changed: see what is lost with `muniment verify --deep`; then restore a backup, "
                "or go on without it by `muniment rebuild --catalog --accept-damage`"
            )
        if recovery.damage:
            recovery = set_aside(folder, recovery)
        settle(folder, recovery.state)
        ledger = cls(folder, vault_id, segment, recovery)
        if recovery.damage or recovery.state.offset >= segment or _followed(folder, recovery.state.segment):
            ledger._seal()
        return ledger

    @property
    def head(self) -> Head:
        """The last committed state."""
        return self._head

    @property
    def dead(self) -> bool:
        """Whether it can't be written any more, since it was closed or its disk failed."""
        return self._dead

    @property
    def dictionaries(self) -> dict[int, bytes]:
        """The committed compression dictionaries, by id."""
        return dict(self._contents)

    def knows(self, head: Head) -> bool:
        """Whether `head` was a committed state of this ledger.

        Raises:
            OSError: the segment can't be read.
        """
        return known_commit(self._folder, self.vault_id, head)

    def append(self, record: Record, time: int) -> Appended:
        """Append a record to the batch; `time` is now, in microseconds since 1970 UTC.

        Raises:
            ValueError: it uses a dictionary that is not committed, or can't be framed.
            OSError: it could not be written; the batch is void.
            VaultError: the batch is void already, or the ledger is dead.
        """
        self._check()
        if record.dictionary and record.kind != Kind.DICTIONARY:
            self._provide_dictionary(record.dictionary, time)
        return self._append(record, time)

    def add_dictionary(self, data: bytes, time: int | None = None) -> int:
        """Append a compression dictionary; returns its id. Once committed, records may use it.

        `time`: microseconds since 1970 UTC, by default that of the record before.

        Raises:
            OSError, VaultError: as `append`.
        """
        self._check()
        number = max(self._now.dictionaries, default=0) + 1
        self._append_dictionary(number, data, self._now.time if time is None else time)
        self._fresh[number] = data
        return number

    def commit(self) -> Head:
        """Make the batch durable: its commit frame is on disk when this returns.

        With nothing appended it writes nothing.

        Raises:
            OSError: it could not be written; the batch is void.
            VaultError: it could not be synced, and the ledger is dead; or it was void or dead already.
        """
        self._check()
        if not self._count:
            return self._head
        tree_size, root = self._now.tree.size, self._now.tree.root()
        self._frame(self._commit_record(root), self._now.time)
        self._require_own_file()
        self._flush()
        self._sync()
        self._count = 0
        self._committed = self._now.copy()
        self._contents |= self._fresh
        self._fresh = {}
        self._head = Head(tree_size, root, self._now.segment, self._now.offset)
        if self._now.offset >= self._limit:
            self._seal()
        return self._head

    def rollback(self) -> None:
        """Give up the batch: what was written of it is cut off. Does nothing where there is none.

        Raises:
            VaultError: the ledger is dead, or is now, since the file could not be cut.
        """
        self._check_alive()
        self._pending.clear()
        self._pending_size = 0
        try:
            self._cut()
        except OSError as error:
            self._dead = True
            raise VaultError(f"the ledger could not be rolled back: {error}; open the vault anew") from error
        self._now = self._committed.copy()
        self._count = 0
        self._fresh = {}
        self._void = False

    def close(self) -> None:
        """Close the files; an uncommitted batch is given up. Safe to call twice."""
        try:
            if not self._dead:
                self.rollback()
        finally:
            self._dead = True
            self._close_file()
            self._files.close()

    # --- frames ---------------------------------------------------------------------------

    def _append(self, record: Record, time: int) -> Appended:
        """Append, beginning the segment first where that is due."""
        if not self._now.offset:
            self._append_opening(time)
        return self._frame(record, time)

    def _frame(self, record: Record, time: int) -> Appended:
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
        appended = Appended(now.tree.size, Position(now.segment, now.offset))
        self._put(header, payload)
        now.tree.add(leaf_hash(record.kind, time, record.size, record.sha))
        now.offset += HEADER_SIZE + len(payload)
        now.time = time
        if record.kind == Kind.AUDIT and now.audits != UNCOUNTED:
            now.audits += 1
        self._count += 1
        return appended

    def _append_opening(self, time: int) -> None:
        """Begin a segment with a commit frame that repeats the state, so that it can be read alone."""
        self._frame(self._commit_record(self._now.tree.root(), self._now.segment), time)
        self._count = 0

    def _commit_record(self, root: bytes, segment: int = 0) -> Record:
        now = self._now
        content = write_commit(Commit(self._count, now.tree, root, now.dictionaries, segment, now.audits))
        return Record(Kind.COMMIT, hashlib.sha256(content).digest(), len(content), Codec.RAW, content)

    def _provide_dictionary(self, id: int, time: int) -> None:
        """See that this segment has a copy of a dictionary before the first record that uses it."""
        if id not in self._contents:
            raise ValueError(f"compression dictionary {id} is not committed to this ledger")
        if id not in self._now.present:
            self._append_dictionary(id, self._contents[id], time)

    def _append_dictionary(self, id: int, data: bytes, time: int) -> None:
        made = Encoder().encode(Kind.DICTIONARY, data)
        record = Record(made.kind, made.sha, made.size, made.codec, made.payload, id)
        position = self._append(record, time).position
        self._now.dictionaries[id] = position
        self._now.present.add(id)

    # --- the file -------------------------------------------------------------------------

    def _check_alive(self) -> None:
        if self._dead:
            raise VaultError("the ledger is closed, or its disk failed: open the vault anew")

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

    def _flush(self, ahead: int = 0) -> None:
        """Write what is pending; it ends `ahead` bytes behind the offset that is noted."""
        if self._pending:
            self._write(self._now.offset + ahead - self._pending_size, b"".join(self._pending))
            self._pending.clear()
            self._pending_size = 0

    def _write(self, offset: int, data: bytes) -> None:
        try:
            descriptor = self._open_file()
            view = memoryview(data)
            while view:
                written = os.pwrite(descriptor, view, offset)
                view = view[written:]
                offset += written
        except OSError:
            self._void = True
            raise

    def _open_file(self) -> int:
        if self._descriptor is None:
            path = segment_path(self._folder, self._now.segment)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
        return self._descriptor

    def _require_own_file(self) -> None:
        """See that the segment is still the file that was written: nothing may be deleted for a lost copy.

        Raises:
            VaultError: something else cut, moved or removed it; the ledger is dead.
        """
        path, own = segment_path(self._folder, self._now.segment), os.fstat(self._open_file())
        try:
            problem = "" if os.path.samestat(own, path.stat()) else "was replaced"
        except FileNotFoundError:
            problem = "was removed"
        if not problem and own.st_size < self._committed.offset:
            problem = "was cut"
        if not problem:
            return
        self._dead = True
        raise VaultError(
            f"{path} {problem} by something else while it was written: nothing more is written; run "
            "`muniment verify`, and restore the ledger from a backup"
        )

    def _sync(self) -> None:
        """Make the file durable, and its name where it is new. Failing at that is final."""
        assert self._descriptor is not None
        try:
            os.fdatasync(self._descriptor)
            if not self._committed.offset:
                sync_folder(self._folder)
        except OSError as error:
            self._dead = True
            raise VaultError(
                f"the disk could not store the ledger ({error.strerror}): check the disk, then run again"
            ) from error

    def _seal(self) -> None:
        """Leave the segment as it is, and write on in the next."""
        self._close_file()
        state = self._now
        state.segment, state.offset, state.present = state.segment + 1, 0, set()
        self._committed = state.copy()

    def _cut(self) -> None:
        """Cut off what this batch has written."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, self._committed.offset)

    def _close_file(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _followed(folder: Path, segment: int) -> bool:
    """Whether a later segment was begun, of which nothing was left."""
    return any(number > segment for number in segments(folder))
