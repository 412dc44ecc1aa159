"""What goes with erased messages: each record with bytes that only they have, and none that others need.

The catalog names the messages and their copies. The ledger is then read once, without the bytes of parts, to
find each record of them, also one that was appended again, and to see which parts other mail refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from muniment.archive.facts import FramePosition
from muniment.archive.ledger.erased.frames import is_erased
from muniment.archive.ledger.frame import FrameHeader
from muniment.archive.ledger.model import Frame, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader, Locate
from muniment.archive.ledger.recovery import Damage
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import LedgerDamaged

_REFERRING = int(PayloadCodec.RECIPE) | int(PayloadCodec.CHUNK_LIST)
_PARTS = frozenset({RecordKind.PART, RecordKind.CHUNKS})
_COPIES = frozenset({RecordKind.ENVELOPE, RecordKind.QUARANTINE})

Progress = Callable[[int], None]
"""Called with the sequence that the reading has come to. An error that it raises ends the reading."""


class DoomedMail(NamedTuple):
    """The mail that is to be erased, by the hashes of its records."""

    messages: frozenset[bytes]
    """SHA-256 of the messages, and of those that they have displaced."""
    copies: frozenset[bytes]
    """SHA-256 of all copies that brought them."""
    spared: frozenset[FramePosition] = frozenset()
    """Records of such a hash that belong to other mail: the same bytes were archived in another way."""


@dataclass(slots=True)
class DoomedRecords:
    """The records that go."""

    frames: list[Frame] = field(default_factory=list)
    """In order, without their payloads."""
    needed: list[bytes] = field(default_factory=list)
    """SHA-256 of messages whose record stays, since other mail has the same bytes as an attachment."""
    unreadable: int = 0
    """Bytes of the ledger that are no intact record, so what they held is not known."""


def doomed_records(
    segments: SegmentStore,
    reader: LedgerReader,
    locate: Locate,
    mail: DoomedMail,
    progress: Progress = lambda sequence: None,
) -> DoomedRecords:
    """Find the records that must go with some mail.

    Memory grows with the mail, not with the ledger.

    Args:
        segments: The ledger's segments.
        reader: Reads the ledger's content.
        locate: Finds a record by the hash of its content.
        mail: What is to be erased.
        progress: See `Progress`.

    Raises:
        LedgerDamaged: A record that may refer to the mail's parts can't be read.
        VaultError: A newer program wrote the ledger.
    """
    candidates = _Candidates(reader, locate)
    candidates.add(sha for one in (*mail.messages, *mail.copies) for sha in candidates.referred_by(one))
    while True:
        reading = _Reading(reader, mail, frozenset(candidates.parts))
        reading.read(segments, progress)
        if not candidates.add(reading.more):
            return reading.result()


class _Candidates:
    """Parts that may have no other use: the mail refers to them, or they were stored just before it."""

    def __init__(self, reader: LedgerReader, locate: Locate) -> None:
        self._reader = reader
        self._locate = locate
        self.parts: set[bytes] = set()

    def add(self, shas: Iterable[bytes]) -> bool:
        """Add parts, and the chunks of those that are lists; returns whether any of them is new."""
        fresh = [sha for sha in dict.fromkeys(shas) if sha not in self.parts]
        self.parts.update(fresh)
        for sha in fresh:
            self.add(self.referred_by(sha))
        return bool(fresh)

    def referred_by(self, sha: bytes) -> list[bytes]:
        """Return the records that the content with this hash is put together from."""
        position = self._locate(sha)
        if position is None:
            return []
        try:
            return self._reader.references(self._reader.read_frame(position))
        except LedgerDamaged:  # the reading of the whole ledger finds what is left of it
            return []


class _Reading:
    """One reading of the ledger."""

    def __init__(self, reader: LedgerReader, mail: DoomedMail, candidates: frozenset[bytes]) -> None:
        self._reader = reader
        self._mail = mail
        self._candidates = candidates
        self._gone: list[Frame] = []
        self._parts: list[Frame] = []
        """Records of candidates."""
        self._lists: dict[bytes, list[bytes]] = {}
        """Chunks of candidates, by all their records: they are needed only if the list is."""
        self._stored: set[bytes] = set()
        """Candidates with a record that can be read."""
        self._pieces: dict[bytes, list[bytes]] = {}
        """What the messages refer to, in case that one must stay."""
        self._used: set[bytes] = set()
        """Candidates and messages that other mail refers to."""
        self._before: list[bytes] = []
        """Parts since the last record that is none: they were stored for the next one."""
        self._unreadable = 0
        self.more: set[bytes] = set()
        """Further candidates that were met."""

    def read(self, segments: SegmentStore, progress: Progress) -> None:
        """Read all committed records."""
        for frame in scan(segments, on_damage=self._damage, payloads=_refers):
            self._take(frame)
            if not frame.sequence % 1000:
                progress(frame.sequence)

    def _damage(self, damage: Damage) -> None:
        lost = damage.lost
        if lost is None:
            self._unreadable += damage.length
        elif lost.codec & _REFERRING and not self._is_doomed(lost) and lost.sha not in self._candidates:
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
        light = _light(frame)
        if frame.kind in _PARTS:
            self._sort_part(light, references, readable)
            return
        before, self._before = self._before, []
        if self._is_doomed(frame):
            self._gone.append(light)
            if frame.kind is RecordKind.MESSAGE:
                self._pieces[frame.sha] = [*self._pieces.get(frame.sha, ()), *references]
            self.more.update(sha for sha in (*references, *before) if sha not in self._mail.messages)
        else:
            self._use(references)

    def _sort_part(self, light: Frame, references: list[bytes], readable: bool) -> None:
        """Sort a part. One that is erased already says nothing of a later record with the same content."""
        if is_erased(light):
            return
        self._before.append(light.sha)
        if light.sha not in self._candidates:
            self._use(references)
            return
        self._parts.append(light)
        if readable:
            self._stored.add(light.sha)
            self._lists[light.sha] = [*self._lists.get(light.sha, ()), *references]

    def _is_doomed(self, frame: Frame) -> bool:
        if frame.position in self._mail.spared:
            return False
        if frame.kind is RecordKind.MESSAGE:
            return frame.sha in self._mail.messages
        return frame.kind in _COPIES and frame.sha in self._mail.copies

    def _use(self, references: Iterable[bytes]) -> None:
        for sha in references:
            if sha in self._candidates or sha in self._mail.messages:
                self._used.add(sha)

    def result(self) -> DoomedRecords:
        """Return the records that go."""
        used = self._all_used(self._used)
        needed = {sha for sha in used & self._mail.messages if sha not in self._stored}
        used = self._all_used(used.union(*(self._pieces.get(sha, ()) for sha in needed)))
        gone = [frame for frame in self._gone if not _needed(frame, needed)]
        gone += [frame for frame in self._parts if frame.sha not in used]
        return DoomedRecords(sorted(gone, key=lambda frame: frame.sequence), sorted(needed), self._unreadable)

    def _all_used(self, directly: Iterable[bytes]) -> set[bytes]:
        """Return what other mail needs, directly or as a chunk of what it needs."""
        used = set(directly)
        todo = list(used)
        while todo:
            fresh = [sha for sha in self._lists.get(todo.pop(), ()) if sha not in used]
            used.update(fresh)
            todo += fresh
        return used


def _refers(header: FrameHeader) -> bool:
    return bool(header.codec & _REFERRING)


def _needed(frame: Frame, needed: Collection[bytes]) -> bool:
    return frame.kind is RecordKind.MESSAGE and frame.sha in needed


def _light(frame: Frame) -> Frame:
    """Return a frame without its payload."""
    return Frame(
        frame.sequence, frame.position, frame.kind, frame.codec, frame.dictionary, frame.time, frame.size,
        frame.sha, b"", frame.next_offset,
    )  # fmt: skip
