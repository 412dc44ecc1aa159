"""What goes with erased messages: each record with bytes that only they have, and none that others need.

The catalog names the messages and their copies. The ledger is then read once, without the bytes of parts, to
find each record of them, also one that was appended again, and to see which parts other mail refers to. This
one reading serves any number of batches. A part that messages of several batches have goes with the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from muniment.archive.erasure.closure_tables import ClosureTables, FrameRole
from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.erased.frames import is_erased, stated_by
from muniment.archive.ledger.frame import FrameHeader
from muniment.archive.ledger.model import ERASABLE, Frame, LedgerHead, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader, Locate
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import last_head, scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import LedgerDamaged

_REFERRING = int(PayloadCodec.RECIPE) | int(PayloadCodec.CHUNK_LIST)
_PARTS = frozenset({RecordKind.PART, RecordKind.CHUNKS})
_COPIES = frozenset({RecordKind.ENVELOPE, RecordKind.QUARANTINE})
EVERY = 1_000
"""Records between two reports of how far the reading is."""
_NOTHING = LedgerHead(0, b"", 0, 0)

IsPart = Callable[[bytes], bool]
"""Takes the SHA-256 of a message's record, and returns whether it is only there as a part of other mail: the
message itself was erased."""


class DoomedMail(NamedTuple):
    """The mail of a batch, by the hashes of its records."""

    messages: frozenset[bytes]
    """SHA-256 of the messages, and of those that they have displaced."""
    copies: frozenset[bytes]
    """SHA-256 of all copies that brought them."""
    spared: frozenset[FramePosition] = frozenset()
    """Records of such a hash that belong to other mail: the same bytes were archived in another way."""


@dataclass(slots=True)
class DoomedRecords:
    """The records that go with a batch."""

    frames: list[ErasedFrame] = field(default_factory=list)
    """In order."""
    needed: list[bytes] = field(default_factory=list)
    """SHA-256 of messages whose record stays, since other mail has the same bytes as an attachment."""
    unreadable: int = 0
    """Bytes of the ledger that are no intact record, so what they held is not known."""


class Closure:
    """Finds what goes with mail that is erased in batches. Memory does not grow with the mail or the ledger.

    Add all batches, and `read`. Then, for each batch: `read_on`, take its `records`, and say `erased`. Close
    it after use.
    """

    def __init__(
        self,
        segments: SegmentStore,
        reader: LedgerReader,
        locate: Locate,
        is_part: IsPart = lambda sha: False,
    ) -> None:
        """Make an empty closure.

        Args:
            segments: The ledger's segments.
            reader: Reads the ledger's content.
            locate: Finds a record by the hash of its content.
            is_part: See `IsPart`.
        """
        self.head = _NOTHING
        """The committed state up to which the ledger was read."""
        self._segments = segments
        self._reader = reader
        self._locate = locate
        self._is_part = is_part
        self._tables = ClosureTables()
        self._spared: set[FramePosition] = set()
        self._before: list[bytes] = []
        """Parts since the last record that is none: they were stored for the next one."""
        self._more: set[bytes] = set()
        """Nodes that were met while the ledger was read."""
        self._unreadable = 0
        self._outdated = False
        """Whether what was appended since shows further parts that may go: only a new reading finds all."""

    def close(self) -> None:
        """Forget everything. It may be called twice."""
        self._tables.close()

    # --- what the caller does -----------------------------------------------------------------

    def add(self, batch: int, mail: DoomedMail) -> None:
        """Add the mail of a batch, and what it refers to. Batches are numbered from 0."""
        self._tables.add_mail(batch, mail.messages, mail.copies)
        self._spared |= mail.spared
        for one in (*mail.messages, *mail.copies):
            self._add_nodes(self._referred_by(one))

    def matches(self, batch: int, mail: DoomedMail) -> bool:
        """Return whether the mail of a batch is still what was added, with all that goes with it."""
        known = (self._tables.copy_batch(sha) for sha in mail.copies)
        return (
            not self._outdated
            and self._tables.mail_of(batch) == mail.messages
            and all(first is not None and first <= batch for first in known)
            and mail.spared <= self._spared
        )

    def read(self) -> Iterator[int]:
        """Read the whole ledger; again if it shows further parts that may go. Mail may come meanwhile.

        Yields:
            The sequence that the reading has come to.

        Raises:
            LedgerDamaged: A record that may refer to the mail's parts can't be read.
            VaultError: A newer program wrote the ledger.
        """
        while True:
            self._tables.begin()
            self._unreadable = 0
            self.head = last_head(self._segments) or _NOTHING
            for frame in self._scan(None):
                if not frame.sequence % EVERY:
                    yield frame.sequence
            more, self._more = self._more, set()
            if not self._add_nodes(more):
                break
        self._tables.settle()

    def read_on(self) -> bool:
        """Read what was appended since; returns whether that was mail. It raises what `read` raises."""
        head = last_head(self._segments) or _NOTHING
        if head == self.head:
            return False
        before, self.head = self.head, head
        kinds = {frame.kind for frame in self._scan(before if before.tree_size else None)}
        found = not kinds.isdisjoint(ERASABLE)
        self._outdated |= bool(self._more)
        if found:
            self._tables.settle()
        return found

    def records(self, batch: int) -> DoomedRecords:
        """Return the records that go with a batch; all earlier batches must be erased."""
        tables = self._tables
        return DoomedRecords(list(tables.frames(batch)), tables.needed_messages(batch), self._unreadable)

    def erased(self, batch: int) -> None:
        """Take note that a batch is erased."""
        self._tables.remove_frames(batch)

    # --- parts that may have no other use ------------------------------------------------------

    def _add_nodes(self, shas: Iterable[bytes]) -> bool:
        """Add parts that the mail refers to, and their chunks; returns whether any of them is new."""
        fresh = [sha for sha in dict.fromkeys(shas) if self._tables.add_node(sha)]
        for sha in fresh:
            self._add_nodes(self._referred_by(sha))
        return bool(fresh)

    def _referred_by(self, sha: bytes) -> list[bytes]:
        """Return the records that the content with this hash is put together from."""
        position = self._locate(sha)
        if position is None:
            return []
        try:
            return self._reader.references_at(position)
        except LedgerDamaged:  # the reading of the whole ledger finds what is left of it
            return []

    # --- reading ------------------------------------------------------------------------------

    def _scan(self, start: LedgerHead | None) -> Iterator[Frame]:
        """Read committed records, and yield each after it was sorted."""
        self._before = []
        for frame in scan(self._segments, start, on_damage=self._damage, payloads=_refers):
            self._take(frame)
            yield frame

    def _damage(self, damage: Damage) -> None:
        lost = damage.lost
        if lost is None:
            self._unreadable += damage.length
        elif lost.codec & _REFERRING and not self._is_doomed(lost) and not self._tables.is_node(lost.sha):
            # What it refers to is not known; a backup may still have the record, but not what goes now.
            raise LedgerDamaged(f"{damage}: it may share content with these messages; restore it first")
        else:
            self._sort(lost, [], readable=False)

    def _take(self, frame: Frame) -> None:
        try:
            self._sort(frame, self._reader.references(frame))
        except LedgerDamaged:
            if not self._is_doomed(frame):
                raise
            self._sort(frame, [])

    def _sort(self, frame: Frame, references: list[bytes], readable: bool = True) -> None:
        if frame.kind in _PARTS or self._is_only_part(frame):
            self._sort_part(frame, references, readable)
            return
        before, self._before = self._before, []
        if not self._is_doomed(frame):
            self._tables.keep(references)
            return
        if frame.kind is RecordKind.MESSAGE:
            self._add_frame(frame, FrameRole.MESSAGE)
            self._tables.refer(frame.sha, True, references)
        else:
            self._add_frame(frame, FrameRole.COPY)
            self._tables.use_until(self._tables.copy_batch(frame.sha) or 0, references)
        self._more.update(sha for sha in (*references, *before) if not self._tables.is_node(sha))

    def _sort_part(self, frame: Frame, references: list[bytes], readable: bool) -> None:
        """Sort a part. One that is erased already says nothing of a later record with the same content."""
        if is_erased(frame):
            return
        self._before.append(frame.sha)
        if not self._tables.is_node(frame.sha):
            self._tables.keep(references)
            return
        self._add_frame(frame, FrameRole.PART)
        if readable:
            self._tables.store(frame.sha)
            self._tables.refer(frame.sha, False, references)

    def _add_frame(self, frame: Frame, role: FrameRole) -> None:
        if not is_erased(frame):
            self._tables.add_frame(stated_by(frame), role)

    def _is_doomed(self, frame: Frame) -> bool:
        if frame.position in self._spared:
            return False
        if frame.kind is RecordKind.MESSAGE:
            return self._tables.is_message(frame.sha)
        return frame.kind in _COPIES and self._tables.copy_batch(frame.sha) is not None

    def _is_only_part(self, frame: Frame) -> bool:
        """Whether a message's record is only kept as a part of other mail."""
        return (
            frame.kind is RecordKind.MESSAGE
            and self._tables.is_node(frame.sha)
            and not self._tables.is_message(frame.sha)
            and self._is_part(frame.sha)
        )


def _refers(header: FrameHeader) -> bool:
    return bool(header.codec & _REFERRING)
