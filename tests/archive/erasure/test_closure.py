"""What goes with erased messages, compared with a model that holds the whole ledger in memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.archive.erasure.closure import Closure, DoomedMail, DoomedRecords
from muniment.archive.facts import FramePosition
from muniment.archive.ledger.model import Frame, RecordKind
from muniment.archive.ledger.reader import LedgerReader, scan
from muniment.archive.ledger.recipe import ContentSlice, LiteralBytes, PartBase64, Piece
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger
from support.ledgers import Writing, sha256
from support.memory_segments import MemoryPlace, MemorySegments

ORDER = (RecordKind.PART, RecordKind.CHUNKS, RecordKind.MESSAGE, RecordKind.ENVELOPE, RecordKind.QUARANTINE)


class Mailbag:
    """A ledger of random mail that shares parts, and the copies of each message."""

    def __init__(self, segments: SegmentStore, seed: int) -> None:
        self.segments = segments
        self.random = random.Random(seed)
        self.writing = Writing(Ledger.create(segments, segment=20_000))
        self.copies: dict[bytes, set[bytes]] = {}
        """The copies that brought each message."""
        self.parts: list[bytes] = []

    def fill(self, mails: int) -> Mailbag:
        """Write some mail in batches."""
        if not self.copies:
            self._mail(mails)
        for number in range(mails):
            self.random.choice((self._mail, self._mail, self._two, self._fork, self._again))(number)
            if self.random.random() < 0.5:
                self.writing.commit()
        self.writing.commit()
        self.writing.ledger.close()
        return self

    def _part(self) -> bytes:
        if self.parts and self.random.random() < 0.5:
            return self.random.choice(self.parts)
        if self.random.random() < 0.3:
            chunks = [self.random.choice((b"same chunk " * 3, self.random.randbytes(30))) for _ in range(2)]
            self.parts.append(self.writing.chunks(RecordKind.CHUNKS, *chunks))
        else:
            self.parts.append(self.writing.content(RecordKind.PART, self.random.randbytes(40)))
        return self.parts[-1]

    def _message(self, number: int) -> bytes:
        pieces: list[Piece] = [LiteralBytes(b"Subject: %d %d\r\n\r\n" % (number, self.random.random() * 1e9))]
        pieces += [PartBase64(self._part()) for _ in range(self.random.randrange(3))]
        if self.copies and self.random.random() < 0.1:  # another message as an attachment
            other = self.random.choice(sorted(self.copies))
            if self.random.random() < 0.5:
                self.writing.content(RecordKind.PART, self.writing.contents[other])
            pieces.append(PartBase64(other))
        sha = self.writing.recipe(RecordKind.MESSAGE, *pieces)
        self.copies[sha] = set()
        return sha

    def _report(self, number: int, *messages: bytes) -> None:
        pieces: list[Piece] = [LiteralBytes(b"report %d %d" % (number, self.random.random() * 1e9))]
        for sha in messages:
            pieces.append(ContentSlice(sha, 0, len(self.writing.contents[sha])))
        copy = self.writing.recipe(RecordKind.ENVELOPE, *pieces)
        for sha in messages:
            self.copies[sha].add(copy)

    def _mail(self, number: int) -> None:
        if self.random.random() < 0.2:  # it was in quarantine before
            copy = self.writing.content(RecordKind.QUARANTINE, b"odd %d" % number)
            message = self._message(number)
            self.copies[message].add(copy)
            self.writing.content(RecordKind.ENVELOPE, self.writing.contents[copy])
        else:
            self._report(number, self._message(number))

    def _two(self, number: int) -> None:
        self._report(number, self._message(number), self._message(number))

    def _fork(self, number: int) -> None:
        if not self.copies:
            return
        sha = self.random.choice(sorted(self.copies))
        pieces: list[Piece] = [LiteralBytes(b"fork %d" % number), ContentSlice(sha, 4, 9)]
        if self.random.random() < 0.3:  # a large fork spells out its parts
            pieces.append(PartBase64(self._part()))
        self.copies[sha].add(self.writing.recipe(RecordKind.ENVELOPE, *pieces))

    def _again(self, number: int) -> None:
        """Append a message again, as if its record were damaged."""
        if self.copies:
            sha = self.random.choice(sorted(self.copies))
            self.writing.content(RecordKind.MESSAGE, self.writing.contents[sha])

    @property
    def reader(self) -> LedgerReader:
        """Reads the ledger by the first record of each content."""
        return LedgerReader(self.segments, self.locate)

    def locate(self, sha: bytes) -> FramePosition | None:
        """Find a record as the catalog does: messages first."""
        found = [frame for frame in scan(self.segments) if frame.sha == sha]
        found.sort(key=lambda frame: (frame.kind is not RecordKind.MESSAGE, -frame.sequence))
        return found[0].position if found else None


def naive(bag: Mailbag, mail: DoomedMail) -> set[int]:
    """The sequences of the records that go, by a fixed point over all records at once."""
    frames = [frame for frame in scan(bag.segments) if frame.kind in ORDER]
    reader = bag.reader
    refers = {frame.sequence: set(reader.references(frame)) for frame in frames}
    gone = {
        frame.sequence
        for frame in frames
        if (frame.kind is RecordKind.MESSAGE and frame.sha in mail.messages)
        or (frame.kind in ORDER[3:] and frame.sha in mail.copies)
    }
    parts = {frame.sha for frame in frames if frame.kind in ORDER[:2]}
    while True:
        kept = set[bytes]().union(*(refers[one.sequence] for one in frames if one.sequence not in gone))
        back = {f.sequence for f in frames if f.kind is RecordKind.MESSAGE and f.sequence in gone}
        back = {one for one in back if _sha(frames, one) in kept and _sha(frames, one) not in parts}
        lost = set[bytes]().union(*(refers[one] for one in gone - back)) - kept
        more = {f.sequence for f in frames if f.kind in ORDER[:2] and f.sha in lost} - gone
        if not more and not back:
            return gone
        gone = (gone | more) - back
        if back:
            mail = mail._replace(messages=mail.messages - {_sha(frames, one) for one in back})
            return naive(bag, mail)


def _sha(frames: list[Frame], sequence: int) -> bytes:
    return next(frame.sha for frame in frames if frame.sequence == sequence)


def closed(bag: Mailbag, batches: list[DoomedMail]) -> Iterator[DoomedRecords]:
    """Yield what goes with each batch, by one reading of the ledger."""
    with closing(Closure(bag.segments, bag.reader, bag.locate)) as closure:
        for number, mail in enumerate(batches):
            closure.add(number, mail)
        list(closure.read())
        for number, mail in enumerate(batches):
            assert closure.matches(number, mail)
            yield closure.records(number)
            closure.erased(number)


def unharmed(bag: Mailbag, gone: set[int]) -> None:
    """Read every record that stays without those that go."""
    rest = [frame for frame in scan(bag.segments) if frame.sequence not in gone and frame.kind in ORDER]
    places = {frame.sha: frame.position for frame in rest}
    reader = LedgerReader(bag.segments, places.get)
    for frame in rest:
        assert sha256(b"".join(reader.content_at(frame.position))) == frame.sha


def mail_of(bag: Mailbag, messages: Iterable[bytes]) -> DoomedMail:
    chosen = frozenset(messages)
    return DoomedMail(chosen, frozenset(copy for message in chosen for copy in bag.copies[message]))


MAILS = st.integers(1, 25)
SEED = st.integers(0, 1 << 30)


@settings(max_examples=100, deadline=None)
@given(SEED, MAILS, st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), st.integers(1, 4))
def test_random_mail_goes_with_all_its_records_and_no_other(
    seed: int, mails: int, choice: list[int], size: int
) -> None:
    """However the mail is divided into batches, each part goes with the last message that has it."""
    bag = Mailbag(MemorySegments(MemoryPlace()), seed).fill(mails)
    messages = sorted(bag.copies)
    chosen = list(dict.fromkeys(messages[number % len(messages)] for number in choice))
    batches = [chosen[start : start + size] for start in range(0, len(chosen), size)]
    gone = set[int]()
    for number, found in enumerate(closed(bag, [mail_of(bag, batch) for batch in batches])):
        sequences = [frame.sequence for frame in found.frames]
        assert sequences == sorted(set(sequences))
        assert not gone & set(sequences)
        gone.update(sequences)
        assert gone == naive(bag, mail_of(bag, chain.from_iterable(batches[: number + 1])))
        unharmed(bag, gone)


@settings(max_examples=60, deadline=None)
@given(SEED, MAILS, st.integers(0, 30), st.integers(1, 8))
def test_mail_that_comes_after_the_reading_keeps_what_it_needs(
    seed: int, mails: int, choice: int, more: int
) -> None:
    place = MemoryPlace()
    bag = Mailbag(MemorySegments(place), seed).fill(mails)
    messages = sorted(bag.copies)
    mail = mail_of(bag, messages[choice % len(messages) :][:2])
    with closing(Closure(bag.segments, bag.reader, bag.locate)) as closure:
        closure.add(0, mail)
        list(closure.read())
        assert not closure.read_on()
        ledger = Ledger.open(MemorySegments(place), segment=20_000)
        bag.writing = replace(bag.writing, ledger=ledger)
        bag.fill(more)
        assert closure.read_on()
        assert not closure.read_on()
        again = mail_of(bag, mail.messages)
        assert again == mail or not closure.matches(0, again)
        gone = {frame.sequence for frame in closure.records(0).frames}
        if again == mail:
            assert gone <= naive(bag, mail)
            unharmed(bag, gone)


def test_a_message_that_other_mail_has_as_an_attachment_goes_with_that_mail() -> None:
    bag = Mailbag(MemorySegments(MemoryPlace()), 1)
    part = bag.writing.content(RecordKind.PART, b"an attachment of the inner message")
    inner = bag.writing.recipe(RecordKind.MESSAGE, LiteralBytes(b"Subject: inner\r\n"), PartBase64(part))
    outer = bag.writing.recipe(RecordKind.MESSAGE, LiteralBytes(b"Subject: outer\r\n"), PartBase64(inner))
    bag.writing.commit()
    (first,) = closed(bag, [DoomedMail(frozenset({inner}), frozenset())])
    assert (first.frames, first.needed) == ([], [inner])
    one, other = closed(bag, [DoomedMail(frozenset({sha}), frozenset()) for sha in (inner, outer)])
    assert (one.frames, one.needed, len(other.frames)) == ([], [], 3)
    for is_part, gone in ((lambda sha: sha == inner, [part, inner, outer]), (lambda sha: False, [outer])):
        with closing(Closure(bag.segments, bag.reader, bag.locate, is_part)) as closure:
            closure.add(0, DoomedMail(frozenset({outer}), frozenset()))
            list(closure.read())
            assert [frame.sha for frame in closure.records(0).frames] == gone


def test_a_part_that_is_met_after_the_reading_makes_it_out_of_date() -> None:
    place = MemoryPlace()
    bag = Mailbag(MemorySegments(place), 1)
    message = bag.writing.recipe(RecordKind.MESSAGE, LiteralBytes(b"Subject: again\r\n\r\n"))
    bag.writing.commit()
    mail = DoomedMail(frozenset({message}), frozenset())
    with closing(Closure(bag.segments, bag.reader, bag.locate)) as closure:
        closure.add(0, mail)
        list(closure.read())
        assert closure.matches(0, mail)
        part = bag.writing.content(RecordKind.PART, b"an attachment that was kept apart")
        bag.writing.append(bag.writing.encoder.encode(RecordKind.MESSAGE, b"Subject: again\r\n\r\n", message))
        bag.writing.commit()
        assert closure.read_on()
        assert not closure.matches(0, mail)
    (found,) = closed(bag, [mail])
    assert [frame.sha for frame in found.frames] == [message, part, message]
