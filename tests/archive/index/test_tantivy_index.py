"""The index in Tantivy: its shards, its files, crashes, and opening a damaged one."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tantivy

from muniment.archive.index.index import TantivyIndex
from muniment.archive.index.shards import guarded
from muniment.archive.query import parse
from muniment.errors import VaultError, VaultLocked
from support.indexed import JANUARY, document
from support.indexes import HEAP, find


def shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "index"


def filled(folder: Path, count: int = 6, docs_per_shard: int = 2) -> None:
    """Make an index of `count` messages, and close it."""
    index = TantivyIndex.open(folder, heap=HEAP, docs_per_shard=docs_per_shard)
    index.add([document(n, body=f"mail n{n}") for n in range(count)])
    index.commit(count)
    index.close()


def test_a_new_index_is_a_private_folder_that_only_a_writer_makes(folder: Path) -> None:
    TantivyIndex.open(folder, read_only=True).close()
    assert not folder.exists()
    index = TantivyIndex.open(folder, heap=HEAP)
    index.remove([3])
    assert (index.set_aside, shards(folder)) == (None, [])
    assert folder.stat().st_mode & 0o777 == 0o700
    index.close()


def test_a_document_is_replaced_in_its_own_shard(folder: Path) -> None:
    filled(folder, 10, 2)
    assert [path.name for path in shards(folder)] == [f"{n:016d}" for n in (0, 2, 4, 6, 8)]
    index = TantivyIndex.open(folder, heap=HEAP, docs_per_shard=2)
    index.add([document(n, date=JANUARY + 60 + n, body="again") for n in (7, 0, 3, 5, 1, 9)])
    index.commit(11)
    assert (len(shards(folder)), index.docs) == (5, 10)
    assert index.search(parse("")).ids == (9, 7, 5, 3, 1, 0, 8, 6, 4, 2)
    assert find(index, "mail") == [2, 4, 6, 8]
    index.add([document(10, body="mail"), document(11), document(12)])
    index.commit(13)
    assert [path.name for path in shards(folder)][5:] == [f"{n:016d}" for n in (10, 12)]
    index.close()


def test_a_shard_is_full_at_a_number_of_bytes(folder: Path) -> None:
    """This bounds the memory that a merge maps if messages are long."""
    index = TantivyIndex.open(folder, heap=HEAP, shard_bytes=40_000)
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
    index = TantivyIndex.open(folder, heap=HEAP)
    index.add([document(0, body="x" * 1_000), document(1, body="y" * 500)])
    assert 1_500 <= index.uncommitted_text < 2_500
    index.add([document(2, body="\u4e2d" * 1_000)])
    assert 5_500 <= index.uncommitted_text < 6_500, "each character is a word of its own"
    index.commit(3)
    assert index.uncommitted_text == 0
    index.close()


def test_the_watermark_waits_for_every_shard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(folder, 4, 2)
    index = TantivyIndex.open(folder, heap=HEAP, docs_per_shard=2)
    index.add([document(0, body="again"), document(3, body="again")])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(index._shards[1]), "commit", fail)
    with pytest.raises(VaultError, match="No space left"):
        index.commit(9)
    assert index.watermark == 4
    index.close()
    assert TantivyIndex.open(folder, read_only=True).watermark == 4


def test_the_watermark_stays_if_the_state_can_not_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(folder)
    index = TantivyIndex.open(folder, heap=HEAP)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(VaultError, match="Input/output error"):
        index.commit(9)
    monkeypatch.undo()
    assert index.watermark == 6
    index.close()
    assert TantivyIndex.open(folder, read_only=True).watermark == 6


@pytest.mark.slow
def test_after_a_full_disk_the_index_can_be_completed(folder: Path) -> None:
    filled(folder, 4)
    chance = random.Random(3)
    docs = [document(n, body=f"mail n{n} {chance.randbytes(2000).hex(' ', 4)}") for n in range(4, 1000)]
    index = TantivyIndex.open(folder, heap=HEAP)
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
    again = TantivyIndex.open(folder, heap=HEAP)
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


def test_two_writers_are_refused_and_nothing_is_set_aside(folder: Path) -> None:
    one, other = TantivyIndex.open(folder, heap=HEAP), TantivyIndex.open(folder, heap=HEAP)
    one.add([document(1)])
    one.commit(2)
    other.close()
    other = TantivyIndex.open(folder, heap=HEAP)
    with pytest.raises(VaultLocked, match="Another process"):
        other.add([document(2)])
    (shards(folder)[0] / ("0" * 32 + ".idx")).write_bytes(b"left behind")
    with pytest.raises(VaultLocked, match="Another process"):
        TantivyIndex.open(folder, heap=HEAP)
    one.close()
    other.close()
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


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
        TantivyIndex.open(folder, read_only=True)
    index = TantivyIndex.open(folder, heap=HEAP)
    assert (index.watermark, index.docs) == (0, 0)
    assert index.why_set_aside
    assert index.set_aside is not None
    assert index.set_aside.name.startswith("index.broken-")
    assert list(index.set_aside.iterdir())
    index.add([document(1)])
    index.commit(2)
    index.close()
    assert find(TantivyIndex.open(folder, heap=HEAP)) == [1]


def test_each_index_that_is_set_aside_has_its_own_name(folder: Path) -> None:
    aside = set()
    for _ in range(3):
        filled(folder)
        _meta("garbage")(folder)
        index = TantivyIndex.open(folder, heap=HEAP)
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
        TantivyIndex.open(folder, heap=HEAP)
    assert [path.name for path in folder.parent.iterdir()] == ["index"]


def test_files_that_a_crash_left_are_removed(folder: Path) -> None:
    filled(folder)
    (folder / "0000000000000099.new").mkdir()
    shard = shards(folder)[0]
    managed = shard / ".managed.json"
    orphan = shard / ("0" * 32 + ".idx")
    orphan.write_bytes(b"left behind")
    managed.write_text(json.dumps([*json.loads(managed.read_text()), orphan.name]))
    index = TantivyIndex.open(folder, heap=HEAP)
    assert not orphan.exists()
    assert not list(folder.glob("*.new"))
    assert find(index) == list(range(6))
    index.close()


# --- crashes --------------------------------------------------------------------------------------

UNMERGED = """
import os, signal, sys
from pathlib import Path
from support.indexed import document
from muniment.archive.index.index import TantivyIndex

index = TantivyIndex.open(Path(sys.argv[1]), heap=16_000_000)
for batch in (range(20), *(range(n, n + 3) for n in range(20, 38, 3)), (38, 22)):
    index.add([document(n, body=f"mail n{n}") for n in batch])
    index.commit(39)
os.kill(os.getpid(), signal.SIGKILL)
"""


def segments(folder: Path) -> list[object]:
    return list(json.loads((shards(folder)[0] / "meta.json").read_bytes())["segments"])


def test_a_replacement_is_not_lost_to_a_merge_after_a_kill(folder: Path) -> None:
    """It is the first deletion after the kill, in a segment where the last commit deleted something."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-c", UNMERGED, str(folder)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False)
        if len(segments(folder)) == 8:
            break
    assert len(segments(folder)) == 8
    index = TantivyIndex.open(folder, heap=HEAP)
    index.add([document(21, body="mail n21")])
    index.commit(40)
    index.close()
    assert len(segments(folder)) < 8  # the merge was done
    index = TantivyIndex.open(folder, heap=HEAP)
    assert find(index) == list(range(39))
    index.close()


def documents_with(folder: Path, word: str) -> int:
    """In how many documents a word of a body is, by the vocabulary, which also counts removed ones."""
    index = TantivyIndex.open(folder, read_only=True)
    count = sum(view.searcher.doc_freq("body", word) for view in index.views())
    index.close()
    return count


def test_the_vocabulary_forgets_a_removed_document_once_its_shard_is_written_again(folder: Path) -> None:
    documents = [document(n, body=f"plain{n}" + " quixotry" * (n == 50)) for n in range(120)]
    index = TantivyIndex.open(folder, heap=HEAP, docs_per_shard=40)
    for start in range(0, 120, 12):
        index.add(documents[start : start + 12])
        index.commit(start + 12)
    (span,) = index.stored_with([50])
    index.remove([50])
    index.commit(121)
    assert documents_with(folder, "quixotry") == 1
    rest = [one for one in documents if one.id != 50 and span.first <= one.id < span.end]
    for start in range(0, len(rest), 7):  # a crash between two of these commits loses no document
        index.add(rest[start : start + 7])
        index.commit(121)
        assert index.docs == 119
    assert index.is_renewed(span)
    assert documents_with(folder, "quixotry") == 0
    assert documents_with(folder, "plain51") == 1
    index.close()
