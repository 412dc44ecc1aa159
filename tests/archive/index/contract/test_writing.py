"""The contract of every index: adding, replacing and removing documents, and the commit."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from muniment.archive.query import parse
from muniment.errors import VaultLocked
from support.indexed import JANUARY, document
from support.indexes import MAKERS, IndexMaker, find


def test_a_new_index_is_empty(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder)
    assert (index.watermark, index.uncommitted, index.docs) == (0, 0, 0)
    assert find(index) == []
    assert index.binding == ""
    index.commit(7)
    assert (index.watermark, index.docs) == (7, 0)
    index.close()


def test_documents_can_be_found_only_after_a_commit(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder)
    index.add([document(3, body="first")])
    assert (index.uncommitted, index.watermark, find(index)) == (1, 0, [])
    index.commit(4, "of a ledger")
    assert (index.uncommitted, index.watermark, find(index)) == (0, 4, [3])
    index.add([document(5, body="second")])
    index.close()
    index.close()
    again = maker.open(folder)
    assert (again.watermark, again.binding, find(again)) == (4, "of a ledger", [3])
    again.close()


@pytest.mark.parametrize("replace", [True, False])
def test_a_document_with_the_same_id_replaces_the_old_one(
    maker: IndexMaker, folder: Path, replace: bool
) -> None:
    index = maker.open(folder)
    index.add([document(1, body="old"), document(2, body="other"), document(1, body="older")])
    index.commit(3)
    assert find(index, "old") == []
    assert find(index, "older") == [1]
    index.add([document(1, date=JANUARY + 5, body="new")], replace=replace)
    index.commit(4)
    assert (find(index), find(index, "older"), find(index, "new")) == ([1, 2], [], [1])
    index.close()


def test_documents_of_any_age_are_replaced_in_any_order(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder, part=2)
    index.add([document(n, body="mail") for n in range(10)])
    index.commit(10)
    index.add([document(n, date=JANUARY + 60 + n, body="again") for n in (7, 0, 3, 5, 1, 9)])
    index.commit(11)
    assert index.docs == 10
    assert index.search(parse("")).ids == (9, 7, 5, 3, 1, 0, 8, 6, 4, 2)
    assert (find(index, "mail"), find(index, "again")) == ([2, 4, 6, 8], [0, 1, 3, 5, 7, 9])
    index.close()


def test_removed_documents_are_found_until_the_commit(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder, part=2)
    index.add([document(n) for n in range(6)])
    index.commit(6)
    index.remove([1, 5, 5, 99])
    assert find(index) == [0, 1, 2, 3, 4, 5]
    index.commit(7)
    assert (find(index), index.docs) == ([0, 2, 3, 4], 4)
    index.add([document(1), document(6)])
    index.remove([6])
    index.commit(8)
    assert find(index) == [0, 1, 2, 3, 4]
    index.close()


def test_removing_from_an_empty_index_does_nothing(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder)
    index.remove([3])
    assert (index.uncommitted, index.docs) == (0, 0)
    index.close()


def test_uncommitted_changes_are_counted(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder)
    assert (index.uncommitted, index.uncommitted_text) == (0, 0)
    index.add([document(0, body="x" * 1_000), document(1, body="y" * 500)])
    assert (index.uncommitted, 1_500 <= index.uncommitted_text < 2_500) == (2, True)
    index.remove([0])
    assert index.uncommitted == 3
    index.commit(2)
    assert (index.uncommitted, index.uncommitted_text) == (0, 0)
    index.close()


# --- other processes ------------------------------------------------------------------------------


def test_a_reader_sees_what_a_writer_commits(maker: IndexMaker, folder: Path) -> None:
    reader = maker.open(folder, readonly=True)
    assert (find(reader), reader.watermark) == ([], 0)
    writer = maker.open(folder, part=2)
    for number in range(5):
        writer.add([document(number)])
        assert find(reader) == list(range(number))
        writer.commit(number + 1)
        assert find(reader) == list(range(number + 1))
        assert reader.watermark == number + 1
    writer.close()
    reader.close()


def test_a_second_writer_is_refused(maker: IndexMaker, folder: Path) -> None:
    one, other = maker.open(folder), maker.open(folder)
    one.add([document(1)])
    one.commit(2)
    other.close()
    other = maker.open(folder)
    with pytest.raises(VaultLocked, match="Another process"):
        other.add([document(2)])
    one.close()
    other.close()


@pytest.mark.slow
def test_a_thread_can_search_while_another_writes(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder, part=40)
    stop, problems = threading.Event(), list[object]()

    def look() -> None:
        while not stop.is_set():
            ids = find(index)
            if ids != list(range(len(ids))) or len(ids) % 10:
                problems.append(ids)

    thread = threading.Thread(target=look)
    thread.start()
    for batch in range(20):
        index.add([document(batch * 10 + n) for n in range(10)])
        index.commit(batch * 10 + 10)
    stop.set()
    thread.join()
    assert problems == []
    assert find(index) == list(range(200))
    index.close()


CHILD = """
import sys
from pathlib import Path
from support.indexed import document
from support.indexes import MAKERS

index = MAKERS[sys.argv[1]].open(Path(sys.argv[2]), part=60)
print("ready", flush=True)
number = index.watermark
while True:
    index.add([document(number, body=f"mail n{number}"), document(number // 2, body=f"mail n{number // 2}")])
    number += 1
    if number % 7 == 0:
        index.commit(number)
"""


def test_a_killed_writer_loses_nothing_below_the_watermark(maker: IndexMaker, folder: Path) -> None:
    (name,) = (name for name, one in MAKERS.items() if one is maker)
    chance = random.Random(7)
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    reached = []
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, name, str(folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.05, 0.5))
        child.kill()
        child.wait()
        child.stdout.close()
        index = maker.open(folder, part=60)
        reached.append(index.watermark)
        ids = find(index)
        assert ids == list(range(len(ids)))
        assert len(ids) >= index.watermark
        if ids:
            assert find(index, f"n{ids[-1]}") == [ids[-1]]
        index.close()
    assert reached == sorted(reached)
    assert reached[-1] > 0


@pytest.mark.parametrize("commits", [1, 3, 12])
def test_nothing_of_a_removed_document_stays_once_its_span_is_added_again(
    maker: IndexMaker, folder: Path, commits: int
) -> None:
    index = maker.open(folder, part=40)
    documents = [document(n, body=f"plain{n} text" + (" quixotry" if n == 50 else "")) for n in range(120)]
    for start in range(0, 120, 120 // commits):
        index.add(documents[start : start + 120 // commits])
        index.commit(start + 1)
    index.close()
    reader = maker.open(folder, readonly=True)
    assert find(reader, "quixotry") == [50]
    index = maker.open(folder, part=40)
    (span,) = index.stored_with([50])
    assert span.first <= 50 < span.end
    index.remove([50])
    index.commit(121)
    assert not index.is_renewed(span)
    index.add(one for one in documents if one.id != 50 and span.first <= one.id < span.end)
    index.commit(121)
    assert index.is_renewed(span)
    assert find(reader, "quixotry") == find(index, "quixotry") == []
    assert sorted(find(index)) == [n for n in range(120) if n != 50]
    index.close()
    reader.close()


def test_an_empty_index_stores_nothing_together(maker: IndexMaker, folder: Path) -> None:
    index = maker.open(folder)
    assert index.stored_with([3]) == []
    index.close()
