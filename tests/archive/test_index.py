"""The index: replacing documents, committing, crashing, and opening a damaged one."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tantivy

from muniment.archive.index import Index, search
from muniment.archive.index.shards import guarded
from muniment.archive.query import parse
from muniment.errors import VaultError, VaultLocked
from support.indexed import JANUARY, document

HEAP = 16_000_000


def find(index: Index, query: str = "") -> list[int]:
    return sorted(search(index, parse(query), limit=10_000).ids)


def shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "index"


def filled(folder: Path, count: int = 6, docs_per_shard: int = 2) -> None:
    """Make an index of `count` messages, and close it."""
    index = Index.open(folder, heap=HEAP, docs_per_shard=docs_per_shard)
    index.add([document(n, body=f"mail n{n}") for n in range(count)])
    index.commit(count)
    index.close()


def test_a_new_index_is_empty(folder: Path) -> None:
    index = Index.open(folder, heap=HEAP)
    assert (index.watermark, index.uncommitted, index.docs) == (0, 0, 0)
    assert find(index) == []
    assert index.set_aside is None
    assert folder.stat().st_mode & 0o777 == 0o700
    index.commit(7)
    assert index.watermark == 7
    index.close()


def test_documents_can_be_found_only_after_a_commit(folder: Path) -> None:
    index = Index.open(folder, heap=HEAP)
    index.add([document(3, body="first")])
    assert (index.uncommitted, index.watermark, find(index)) == (1, 0, [])
    index.commit(4)
    assert (index.uncommitted, index.watermark, find(index)) == (0, 4, [3])
    index.add([document(5, body="second")])
    index.close()
    index.close()
    again = Index.open(folder, heap=HEAP)
    assert (again.watermark, find(again)) == (4, [3])
    again.close()


@pytest.mark.parametrize("replace", [True, False])
def test_a_document_with_the_same_id_replaces_the_old_one(folder: Path, replace: bool) -> None:
    index = Index.open(folder, heap=HEAP)
    index.add([document(1, body="old"), document(2, body="other"), document(1, body="older")])
    index.commit(3)
    assert find(index, "old") == []
    assert find(index, "older") == [1]
    index.add([document(1, date=JANUARY + 5, body="new")], replace=replace)
    index.commit(4)
    assert (find(index), find(index, "older"), find(index, "new")) == ([1, 2], [], [1])
    index.close()


def test_a_document_is_replaced_in_its_own_shard(folder: Path) -> None:
    filled(folder, 10, 2)
    assert [path.name for path in shards(folder)] == [f"{n:016d}" for n in (0, 2, 4, 6, 8)]
    index = Index.open(folder, heap=HEAP, docs_per_shard=2)
    index.add([document(n, date=JANUARY + 60 + n, body="again") for n in (7, 0, 3, 5, 1, 9)])
    index.commit(11)
    assert (len(shards(folder)), index.docs) == (5, 10)
    assert search(index, parse("")).ids == (9, 7, 5, 3, 1, 0, 8, 6, 4, 2)
    assert find(index, "mail") == [2, 4, 6, 8]
    index.add([document(10, body="mail"), document(11), document(12)])
    index.commit(13)
    assert [path.name for path in shards(folder)][5:] == [f"{n:016d}" for n in (10, 12)]
    index.close()


def test_a_shard_is_full_at_a_number_of_bytes(folder: Path) -> None:
    """This bounds the memory that a merge maps if messages are long."""
    index = Index.open(folder, heap=HEAP, shard_bytes=40_000)
    rare = random.Random(1)
    for number in range(6):
        words = " ".join(f"{rare.getrandbits(40):x}" for _ in range(1_000))
        index.add([document(number, body=words)])
        index.commit(number + 1)
    sizes = [sum(path.stat().st_size for path in shard.iterdir()) for shard in shards(folder)]
    assert 1 < len(sizes) < 6
    assert all(size >= 40_000 for size in sizes[:-1])
    assert find(index) == list(range(6))
    index.close()


def test_the_index_estimates_its_uncommitted_text(folder: Path) -> None:
    index = Index.open(folder, heap=HEAP)
    index.add([document(0, body="x" * 1_000), document(1, body="y" * 500)])
    assert 1_500 <= index.uncommitted_text < 2_500
    index.add([document(2, body="\u4e2d" * 1_000)])
    assert 5_500 <= index.uncommitted_text < 6_500, "each character is a word of its own"
    index.commit(3)
    assert index.uncommitted_text == 0
    index.close()


def test_removed_documents_are_found_until_the_commit(folder: Path) -> None:
    filled(folder)
    index = Index.open(folder, heap=HEAP, docs_per_shard=2)
    index.remove([1, 5, 5, 99])
    assert find(index) == [0, 1, 2, 3, 4, 5]
    index.commit(7)
    assert (find(index), index.docs, len(shards(folder))) == ([0, 2, 3, 4], 4, 3)
    index.add([document(1), document(6)])
    index.remove([6])
    index.commit(8)
    assert find(index) == [0, 1, 2, 3, 4]
    index.close()


def test_removing_from_an_empty_index_does_nothing(folder: Path) -> None:
    index = Index.open(folder, heap=HEAP)
    index.remove([3])
    assert (index.uncommitted, shards(folder)) == (0, [])
    index.close()


def test_the_watermark_waits_for_every_shard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(folder, 4, 2)
    index = Index.open(folder, heap=HEAP, docs_per_shard=2)
    index.add([document(0, body="again"), document(3, body="again")])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(index._shards[1]), "commit", fail)
    with pytest.raises(VaultError, match="No space left"):
        index.commit(9)
    assert index.watermark == 4
    index.close()
    assert Index.open(folder, read_only=True).watermark == 4


def test_the_watermark_stays_if_the_state_can_not_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(folder)
    index = Index.open(folder, heap=HEAP)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(VaultError, match="Input/output error"):
        index.commit(9)
    monkeypatch.undo()
    assert index.watermark == 6
    index.close()
    assert Index.open(folder, read_only=True).watermark == 6


@pytest.mark.slow
def test_after_a_full_disk_the_index_can_be_completed(folder: Path) -> None:
    filled(folder, 4)
    chance = random.Random(3)
    docs = [document(n, body=f"mail n{n} {chance.randbytes(2000).hex(' ', 4)}") for n in range(4, 1000)]
    index = Index.open(folder, heap=HEAP)
    index.add(docs)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(VaultError, match="check the disk"):
            index.commit(1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert index.watermark == 4
    index.close()
    again = Index.open(folder, heap=HEAP)
    assert (again.set_aside, again.watermark, find(again)) == (None, 4, [0, 1, 2, 3])
    again.add(docs)
    again.commit(1000)
    assert find(again) == list(range(1000))
    again.close()


def test_a_panic_of_the_library_is_an_error_for_users() -> None:
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(VaultError, match="rebuild --index"), guarded("Searching the index"):
        raise panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), guarded("Searching the index"):
        raise KeyboardInterrupt


# --- other processes ------------------------------------------------------------------------------


def test_a_reader_sees_what_a_writer_commits(folder: Path) -> None:
    reader = Index.open(folder, read_only=True)
    assert (find(reader), reader.watermark) == ([], 0)
    assert not folder.exists()
    writer = Index.open(folder, heap=HEAP, docs_per_shard=2)
    for number in range(5):
        writer.add([document(number)])
        assert find(reader) == list(range(number))
        writer.commit(number + 1)
        assert find(reader) == list(range(number + 1))
        assert reader.watermark == number + 1
    writer.close()
    reader.close()


def test_two_writers_are_refused_and_nothing_is_set_aside(folder: Path) -> None:
    one, other = Index.open(folder, heap=HEAP), Index.open(folder, heap=HEAP)
    one.add([document(1)])
    one.commit(2)
    other.close()
    other = Index.open(folder, heap=HEAP)
    with pytest.raises(VaultLocked, match="Another process"):
        other.add([document(2)])
    (shards(folder)[0] / ("0" * 32 + ".idx")).write_bytes(b"left behind")
    with pytest.raises(VaultLocked, match="Another process"):
        Index.open(folder, heap=HEAP)
    one.close()
    other.close()
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_a_thread_can_search_while_another_writes(folder: Path) -> None:
    index = Index.open(folder, heap=HEAP, docs_per_shard=40)
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


# --- damage ---------------------------------------------------------------------------------------


def _meta(text: str) -> Callable[[Path], object]:
    return lambda folder: (shards(folder)[1] / "meta.json").write_text(text)


def _state(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "state.json").write_text(text)


def _other_schema(folder: Path) -> None:
    shard = shards(folder)[0]
    shutil.rmtree(shard)
    shard.mkdir()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("other")
    tantivy.Index(builder.build(), str(shard))


def _segment(change: Callable[[Path], object], ending: str) -> Callable[[Path], object]:
    return lambda folder: change(next(shards(folder)[0].glob(f"*{ending}")))


DAMAGE = {
    "meta.json garbage": _meta("garbage"),
    "meta.json empty": _meta(""),
    "meta.json strange": _meta('{"segments": [1]}'),
    "meta.json gone": lambda folder: (shards(folder)[0] / "meta.json").unlink(),
    "state.json garbage": _state("{"),
    "state.json strange": _state("[]"),
    "state.json gone": lambda folder: (folder / "state.json").unlink(),
    "other format": _state(json.dumps({"format": 999, "watermark": 6, "shards": []})),
    "other schema": _other_schema,
    "shard gone": lambda folder: shutil.rmtree(shards(folder)[1]),
    "segment gone": _segment(Path.unlink, ".idx"),
    "segment cut": _segment(lambda path: path.write_bytes(b""), ".fast"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_unusable_index_is_set_aside(folder: Path, damage: str) -> None:
    filled(folder)
    DAMAGE[damage](folder)
    with pytest.raises(VaultError, match="muniment rebuild --index"):
        Index.open(folder, read_only=True)
    index = Index.open(folder, heap=HEAP)
    assert (index.watermark, index.docs) == (0, 0)
    assert index.why_set_aside
    assert index.set_aside is not None
    assert index.set_aside.name.startswith("index.broken-")
    assert list(index.set_aside.iterdir())
    index.add([document(1)])
    index.commit(2)
    index.close()
    assert find(Index.open(folder, heap=HEAP)) == [1]


def test_each_index_that_is_set_aside_has_its_own_name(folder: Path) -> None:
    aside = set()
    for _ in range(3):
        filled(folder)
        _meta("garbage")(folder)
        index = Index.open(folder, heap=HEAP)
        index.close()
        aside.add(index.set_aside)
    assert len(aside) == 3


def test_an_unreadable_file_is_not_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(folder)
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == "meta.json":
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(VaultError, match="Input/output error"):
        Index.open(folder, heap=HEAP)
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_files_that_a_crash_left_are_removed(folder: Path) -> None:
    filled(folder)
    (folder / "0000000000000099.new").mkdir()
    shard = shards(folder)[0]
    managed = shard / ".managed.json"
    orphan = shard / ("0" * 32 + ".idx")
    orphan.write_bytes(b"left behind")
    managed.write_text(json.dumps([*json.loads(managed.read_text()), orphan.name]))
    index = Index.open(folder, heap=HEAP)
    assert not orphan.exists()
    assert not list(folder.glob("*.new"))
    assert find(index) == list(range(6))
    index.close()


# --- crashes --------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from support.indexed import document
from muniment.archive.index import Index

index = Index.open(Path(sys.argv[1]), heap=16_000_000, docs_per_shard=60)
print("ready", flush=True)
number = index.watermark
while True:
    index.add([document(number, body=f"mail n{number}"), document(number // 2, body=f"mail n{number // 2}")])
    number += 1
    if number % 7 == 0:
        index.commit(number)
"""


def test_a_killed_writer_loses_nothing_below_the_watermark(folder: Path) -> None:
    chance = random.Random(7)
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    reached = []
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.05, 0.5))
        child.kill()
        child.wait()
        child.stdout.close()
        index = Index.open(folder, heap=HEAP, docs_per_shard=60)
        assert index.set_aside is None
        reached.append(index.watermark)
        ids = find(index)
        assert ids == list(range(len(ids)))
        assert len(ids) >= index.watermark
        if ids:
            assert find(index, f"n{ids[-1]}") == [ids[-1]]
        index.close()
    assert reached == sorted(reached)
    assert reached[-1] > 0


UNMERGED = """
import os, signal, sys
from pathlib import Path
from support.indexed import document
from muniment.archive.index import Index

index = Index.open(Path(sys.argv[1]), heap=16_000_000)
for batch in (range(20), *(range(n, n + 3) for n in range(20, 38, 3)), (38, 22)):
    index.add([document(n, body=f"mail n{n}") for n in batch])
    index.commit(39)
os.kill(os.getpid(), signal.SIGKILL)
"""


def segments(folder: Path) -> list[object]:
    return list(json.loads((shards(folder)[0] / "meta.json").read_bytes())["segments"])


def test_a_replacement_is_not_lost_to_a_merge_after_a_kill(folder: Path) -> None:
    """It is the first deletion after the kill, in a segment where the last commit deleted something."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-c", UNMERGED, str(folder)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False)
        if len(segments(folder)) == 8:
            break
    assert len(segments(folder)) == 8
    index = Index.open(folder, heap=HEAP)
    index.add([document(21, body="mail n21")])
    index.commit(40)
    index.close()
    assert len(segments(folder)) < 8  # the merge was done
    index = Index.open(folder, heap=HEAP)
    assert find(index) == list(range(39))
    index.close()
