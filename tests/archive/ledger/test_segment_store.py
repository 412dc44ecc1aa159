"""What every `SegmentStore` must do, and that a ledger works on it.

A new implementation needs a `Place` here, in `PLACES`; then all of these tests run on it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from muniment.archive.ledger.check import check
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.reader import LedgerReader, scan
from muniment.archive.ledger.recovery import recover
from muniment.archive.ledger.segment_store import SegmentLost, SegmentStore, segment_size
from muniment.archive.ledger.vault_id import framed_id, read_vault_id
from muniment.archive.ledger.writer import Ledger
from muniment.errors import LedgerDamaged, VaultError
from muniment.evidence.merkle import EMPTY_ROOT
from muniment.system.holes import punch_hole
from support.ledgers import Writing, filled, text
from support.memory_segments import MemoryPlace, MemorySegments

ID = b"0123456789abcdef\n"


class Place(Protocol):
    """A place of segments, as these tests need it."""

    def store(self) -> SegmentStore:
        """Return another store on this place."""

    def remove(self, number: int) -> None:
        """Remove a segment, as another program may."""

    def aside(self, name: str) -> bytes:
        """Return bytes that were moved aside."""


class LocalPlace:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "ledger"

    def store(self) -> SegmentStore:
        return LocalSegments(self._folder)

    def remove(self, number: int) -> None:
        segment_path(self._folder, number).unlink()

    def aside(self, name: str) -> bytes:
        return Path(name).read_bytes()


class PlaceInMemory:
    """Memory."""

    def __init__(self, folder: Path) -> None:
        self.memory = MemoryPlace()

    def store(self) -> SegmentStore:
        return MemorySegments(self.memory)

    def remove(self, number: int) -> None:
        del self.memory.segments[number]

    def aside(self, name: str) -> bytes:
        return self.memory.aside[name]


PLACES = (LocalPlace, PlaceInMemory)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made: Place = request.param(tmp_path)
    return made


@pytest.fixture
def store(place: Place) -> Iterator[SegmentStore]:
    """A store that has begun its place."""
    with closing(place.store()) as store:
        store.begin(ID)
        yield store


def content(store: SegmentStore, number: int) -> bytes:
    with closing(store.open(number)) as segment:
        return segment.read(0, segment.size())


def grow(store: SegmentStore, number: int, data: bytes) -> None:
    """Append to a segment that need not exist, and sync it."""
    offset = segment_size(store, number) if number in store.numbers() else 0
    store.append(number, offset, data)
    store.sync(number)


# --- the place ----------------------------------------------------------------------------


def test_a_place_that_was_not_begun_has_neither_segments_nor_an_id(place: Place) -> None:
    assert place.store().numbers() == []
    assert place.store().vault_id() is None


def test_a_place_begins_with_its_id_and_an_empty_segment(place: Place, store: SegmentStore) -> None:
    assert store.vault_id() == place.store().vault_id() == ID
    assert store.numbers() == [1]
    assert content(store, 1) == b""


def test_a_place_begins_only_once(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"kept")
    with pytest.raises(FileExistsError):
        place.store().begin(b"another\n")
    assert (store.vault_id(), content(store, 1)) == (ID, b"kept")


def test_places_have_names_for_messages(store: SegmentStore) -> None:
    assert store.place
    assert len({store.vault_id_name, store.name(1), store.name(2)}) == 3


# --- reading ------------------------------------------------------------------------------


def test_a_segment_that_does_not_exist_can_not_be_read(store: SegmentStore) -> None:
    for call in (store.open, store.generation, lambda number: segment_size(store, number)):
        with pytest.raises(FileNotFoundError):
            call(2)
    assert store.numbers() == [1]


def test_a_range_ends_where_the_segment_ends(store: SegmentStore) -> None:
    grow(store, 1, b"0123456789")
    with closing(store.open(1)) as segment:
        assert segment.read(0, 10) == b"0123456789"
        assert segment.read(2, 3) == b"234"
        assert segment.read(7, 100) == b"789"
        assert segment.read(10, 1) == segment.read(100, 1) == segment.read(3, 0) == b""


def test_an_open_segment_sees_what_is_appended(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"one")
    with closing(place.store().open(1)) as segment:
        store.append(1, 3, b", two")
        assert (segment.size(), segment.read(3, 100)) == (8, b", two")


def test_many_threads_read_a_segment_that_grows(store: SegmentStore) -> None:
    store.append(1, 0, b"\0" * 256)
    wrong: list[int] = []

    def read() -> None:
        for number in range(1, 100):
            found = segment.read(number * 256, 256)
            if len(set(found)) > 1 or (found and found[0] != number):
                wrong.append(number)

    with closing(store.open(1)) as segment:
        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(1, 100):
            store.append(1, number * 256, bytes([number]) * 256)
        for reader in readers:
            reader.join()
    assert wrong == []


def test_a_segment_may_be_closed_twice(store: SegmentStore) -> None:
    segment = store.open(1)
    segment.close()
    segment.close()
    assert content(store, 1) == b""


# --- the segment that grows ---------------------------------------------------------------


def test_what_is_appended_is_read_at_once_by_every_store(place: Place, store: SegmentStore) -> None:
    store.append(1, 0, b"one")
    store.append(1, 3, b"two")
    assert content(store, 1) == content(place.store(), 1) == b"onetwo"
    store.sync(1)
    store.sync(1)
    assert content(store, 1) == b"onetwo"


def test_appending_makes_the_next_segment(store: SegmentStore) -> None:
    grow(store, 1, b"one")
    store.seal(1)
    grow(store, 2, b"two")
    store.seal(2)
    grow(store, 3, b"three")
    assert store.numbers() == [1, 2, 3]
    assert [content(store, number) for number in store.numbers()] == [b"one", b"two", b"three"]


def test_numbers_are_in_ascending_order(store: SegmentStore) -> None:
    for number in (10, 9, 100, 2):
        store.put(number, [b"x"])
    assert store.numbers() == [1, 2, 9, 10, 100]


def test_a_segment_may_be_sealed_twice_and_by_another_store(place: Place, store: SegmentStore) -> None:
    place.store().seal(1)
    grow(store, 1, b"one")
    store.seal(1)
    store.seal(1)
    place.store().seal(1)
    assert content(store, 1) == b"one"


def test_what_was_appended_can_be_taken_back(store: SegmentStore) -> None:
    grow(store, 1, b"kept")
    store.append(1, 4, b" not kept")
    store.cut(1, 4)
    store.cut(1, 4)
    assert content(store, 1) == b"kept"
    store.append(1, 4, b" too")
    assert content(store, 1) == b"kept too"


def test_a_store_takes_back_only_what_it_has_appended_itself(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"kept")
    with closing(place.store()) as other:
        other.cut(1, 0)
        grow(other, 2, b"other")
        other.cut(1, 0)
    assert content(store, 1) == b"kept"


def test_a_store_knows_its_own_segment(store: SegmentStore) -> None:
    assert store.own_size(1) == 0
    grow(store, 1, b"kept")
    store.append(1, 4, b" more")
    assert store.own_size(1) == 9


def test_a_segment_that_was_replaced_is_not_the_own_one(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"kept")
    place.store().put(1, [b"kept"])
    with pytest.raises(SegmentLost, match="was replaced"):
        store.own_size(1)


def test_a_segment_that_was_removed_is_not_the_own_one(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"kept")
    place.remove(1)
    with pytest.raises(SegmentLost, match="was removed"):
        store.own_size(1)


def test_another_store_continues_a_segment(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"one")
    store.close()
    store.close()
    with closing(place.store()) as other:
        assert other.own_size(1) == 3
        grow(other, 1, b"two")
    assert content(store, 1) == b"onetwo"


# --- repair and replacement ---------------------------------------------------------------


def test_bytes_that_are_synced_again_stay_the_same(place: Place, store: SegmentStore) -> None:
    data = bytes(range(256)) * 9000
    store.append(1, 0, data)
    store.close()
    place.store().sync_again(1, 1000, len(data))
    place.store().sync_again(1, len(data), len(data))
    assert content(store, 1) == data


def test_the_end_of_a_segment_is_moved_aside(place: Place, store: SegmentStore) -> None:
    data = bytes(range(256)) * 9000
    grow(store, 1, b"kept" + data)
    store.close()
    first = place.store().set_aside(1, 4)
    assert (content(store, 1), place.aside(first)) == (b"kept", data)
    grow(store, 1, b" torn")
    second = place.store().set_aside(1, 4)
    assert (content(store, 1), place.aside(second), place.aside(first)) == (b"kept", b" torn", data)
    assert store.numbers() == [1]


def test_a_segment_is_replaced_as_a_whole(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"the first content")
    store.seal(1)
    with closing(place.store().open(1)) as before:
        store.put(1, iter([b"the ", b"", b"second"]))
        assert content(place.store(), 1) == b"the second"
        assert before.read(0, 100) == b"the first content"
        assert before.size() == 17


def test_a_replacement_is_another_generation(place: Place, store: SegmentStore) -> None:
    grow(store, 1, b"one")
    with closing(store.open(1)) as first:
        grow(store, 1, b", two")
        store.seal(1)
        assert first.generation == store.generation(1) == place.store().generation(1)
        store.put(1, [b"one, two"])
        assert first.generation != store.generation(1)
        with closing(place.store().open(1)) as second:
            assert second.generation == store.generation(1)
            store.put(1, [b"one, two"])
            assert len({first.generation, second.generation, store.generation(1)}) == 3


def test_a_replacement_that_fails_changes_nothing(store: SegmentStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a part"
        raise OSError("the other end is gone")

    grow(store, 1, b"kept")
    before = store.generation(1)
    for number in (1, 2):
        with pytest.raises(OSError, match="is gone"):
            store.put(number, broken())
    assert store.numbers() == [1]
    assert (content(store, 1), store.generation(1)) == (b"kept", before)


def test_bytes_are_changed_in_place_and_in_order(place: Place, store: SegmentStore) -> None:
    data = bytes(range(256)) * 9000
    grow(store, 1, data)
    with closing(place.store().open(1)) as opened:
        changes = [(5, b"one"), (2_000_000, bytes(200_000)), (6, b"two"), (len(data) - 1, b"!")]
        place.store().patch(1, iter(changes))
        expected = data[:5] + b"otwo" + data[9:2_000_000] + bytes(200_000) + data[2_200_000:-1] + b"!"
        assert content(store, 1) == opened.read(0, len(data)) == expected
        assert opened.generation == store.generation(1)
    grow(store, 1, b" more")
    assert content(store, 1) == expected + b" more"


def test_a_segment_that_does_not_exist_is_not_changed(store: SegmentStore) -> None:
    with pytest.raises(FileNotFoundError):
        store.patch(2, [(0, b"x")])
    assert store.numbers() == [1]


def test_the_space_of_zeros_is_given_back_where_the_disk_can(tmp_path: Path) -> None:
    store = LocalPlace(tmp_path).store()
    store.begin(ID)
    grow(store, 1, random.Random(1).randbytes(8 << 20))
    path = segment_path(tmp_path / "ledger", 1)
    before = path.stat().st_blocks
    store.patch(1, ((offset, bytes(1 << 20)) for offset in range(1 << 20, 7 << 20, 1 << 20)))
    after = path.stat()
    assert after.st_size == 8 << 20
    with path.open("r+b") as file:
        possible = punch_hole(file.fileno(), 0, 4096)
    assert before - after.st_blocks >= (5 << 20) // 512 or not possible


# --- a ledger on each place ---------------------------------------------------------------


def shas(store: SegmentStore) -> list[bytes]:
    return [frame.sha for frame in scan(store)]


def test_a_ledger_is_begun_once(place: Place) -> None:
    ledger = Ledger.create(place.store())
    assert ledger.head == ledger.commit() == LedgerHead(0, EMPTY_ROOT, 1, 0)
    assert read_vault_id(place.store()) == ledger.vault_id
    assert framed_id(place.store()) is None
    ledger.close()
    with pytest.raises(VaultError, match="already"):
        Ledger.create(place.store())


def test_without_a_ledger_none_is_opened(place: Place) -> None:
    with pytest.raises(VaultError, match="no ledger"):
        Ledger.open(place.store())


def test_a_ledger_of_many_segments_is_read_and_checked(place: Place) -> None:
    writing = filled(place.store(), segment=2500, batches=12)
    assert len(place.store().numbers()) >= 4
    reader = LedgerReader(place.store(), writing.places.get)
    for sha, data in writing.contents.items():
        assert reader.content_bytes(sha) == data
    report = check(place.store(), deep=True)
    assert (report.problems, report.uncommitted) == ([], 0)
    assert (report.tree_size, report.root) == (writing.heads[-1].tree_size, writing.heads[-1].root)
    assert framed_id(place.store()) == writing.ledger.vault_id


def test_every_place_holds_the_same_bytes(tmp_path: Path) -> None:
    """The time of an invented record and the vault's id are fixed, so ledgers differ only by their place."""
    held = []
    for made in PLACES:
        folder = tmp_path / made.__name__
        folder.mkdir()
        store = made(folder).store()
        store.begin(ID)
        writing = Writing(Ledger.open(store, segment=2500))
        for batch in range(9):
            writing.copy(batch)
            writing.commit()
        writing.ledger.close()
        held.append([content(store, number) for number in store.numbers()])
    assert len(held[0]) > 2
    assert all(one == held[0] for one in held)


def test_a_batch_that_is_rolled_back_leaves_no_bytes(place: Place) -> None:
    ledger = Ledger.create(place.store())
    writing = Writing(ledger)
    writing.copy(1)
    head = writing.commit()
    before = content(place.store(), 1)
    writing.content(RecordKind.PART, random.Random(1).randbytes(2_000_000))
    assert segment_size(place.store(), 1) > len(before)
    ledger.rollback()
    assert (content(place.store(), 1), ledger.head) == (before, head)
    writing.copy(2)
    writing.commit()
    ledger.close()
    assert check(place.store(), deep=True).problems == []


def test_a_torn_tail_is_moved_aside_and_the_ledger_continues(place: Place) -> None:
    writing = filled(place.store())
    tail = b"MUNF, and no frame"
    grow(place.store(), 1, tail)
    recovery = recover(place.store())
    assert recovery.head == writing.heads[-1]
    assert [place.aside(torn.moved_to) for torn in recovery.torn] == [tail]
    ledger = Ledger.open(place.store())
    again = Writing(ledger, RecordEncoder(ledger.dictionaries), dict(writing.contents))
    again.copy(50)
    again.commit()
    ledger.close()
    assert check(place.store(), deep=True).problems == []


def test_damage_before_a_commit_is_found(place: Place) -> None:
    filled(place.store())
    data = bytearray(content(place.store(), 1))
    data[len(data) // 2] ^= 0xFF
    place.store().put(1, [bytes(data)])
    with pytest.raises(LedgerDamaged, match="segment 1, offset"):
        Ledger.open(place.store())
    assert check(place.store(), deep=False).problems
    assert content(place.store(), 1) == bytes(data)
    ledger = Ledger.open(place.store(), accept_damage=True)
    again = Writing(ledger)
    again.content(RecordKind.MESSAGE, text(70))
    again.commit()
    ledger.close()
    assert place.store().numbers() == [1, 2]
    assert content(place.store(), 1) == bytes(data)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_segment_that_another_program_took_is_not_written_further(place: Place, how: str) -> None:
    ledger = Ledger.create(place.store())
    writing = Writing(ledger)
    writing.copy(1)
    writing.commit()
    if how == "removed":
        place.remove(1)
    else:
        place.store().put(1, [content(place.store(), 1)])
    writing.copy(2)
    with pytest.raises(VaultError, match=f"was {how} by another program"):
        writing.commit()
    assert ledger.dead
    ledger.close()


@pytest.mark.parametrize("segment", [2500, 1 << 28])
def test_a_crash_leaves_what_was_committed_and_nothing_else(tmp_path: Path, segment: int) -> None:
    """Only memory can lose what was not synced; so it shows that a commit syncs what it must."""
    place = PlaceInMemory(tmp_path)
    writing = Writing(Ledger.create(place.store(), segment=segment))
    for batch in range(9):
        writing.copy(batch)
        writing.content(RecordKind.PART, random.Random(batch).randbytes(1_100_000))
        head = writing.commit()
        committed = shas(place.store())
        writing.content(RecordKind.PART, random.Random(~batch).randbytes(1_100_000))
        place.memory.crash()
        assert shas(place.store()) == committed
        writing.ledger.close()
        writing.ledger = Ledger.open(place.store(), segment=segment)
        assert (writing.ledger.head, writing.ledger.recovery.torn) == (head, [])
    writing.ledger.close()
    assert check(place.store(), deep=True).problems == []
