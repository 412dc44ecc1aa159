"""Damage of an index: verification names it before a search is wrong, and a failed search is a sentence."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from muniment.archive.index.index import peek
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.operations.search import find
from muniment.archive.operations.verify import index_problems, verify_vault
from muniment.archive.proof.index import damaged_files, intact
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import MunimentError
from support.evidence import rich_vault

ASKED = ("", "word1", "letter", "filename:a.pdf", "from:anna@example.com", "has:attachment", "in:inbox")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flips") / "vault"
    rich_vault(folder)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def found(folder: Path) -> list[tuple[int, list[int]]] | str:
    """Return the results of searches, or the sentence of the first that fails."""
    vault = open_vault(folder, write=False)
    try:
        pages = [find(vault, query) for query in ASKED]
        return [(page.total, sorted(page.ids)) for page in pages]
    except MunimentError as error:
        return str(error)
    finally:
        vault.close()


def problems(folder: Path, deep: bool = False) -> list[str]:
    """Return the problems that verification finds in the index."""
    vault = open_vault(folder, write=False)
    try:
        return list(index_problems(vault, deep))
    finally:
        vault.close()


def files(folder: Path) -> list[Path]:
    paths = [path for path in (folder / "index").rglob("*") if path.is_file()]
    return sorted(path for path in paths if path.suffix != ".lock" and path.name != ".managed.json")


def flip(path: Path, at: int, bit: int) -> bytes:
    """Flip a bit; returns the file's old content."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
    return whole


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 40), *(pytest.param(n, 400, marks=pytest.mark.soak) for n in range(2, 6))]
)
def test_verification_finds_every_flip_that_makes_a_search_wrong(copy: Path, seed: int, count: int) -> None:
    right, chance = found(copy), random.Random(seed)
    assert isinstance(right, list)
    assert right[0][0] == 10
    assert problems(copy, deep=True) == []
    named = 0
    for _ in range(count):
        path = chance.choice(files(copy))
        at = chance.randrange(path.stat().st_size)
        whole = flip(path, at, 1 << chance.randrange(8))
        problem = problems(copy, deep=True)
        # If it is named, no search is made: the library may end its process on a damaged file.
        what = right if problem else found(copy)
        path.write_bytes(whole)
        named += bool(problem)
        assert all("muniment rebuild --index" in one for one in problem), (path.name, at)
        if what != right and not _behind(whole, path):
            assert problem, (path.name, at, what)
    assert named > count // 2
    assert found(copy) == right


def _behind(whole: bytes, path: Path) -> bool:
    """Return whether the flip was in the state: the index is then only behind, and every answer says so."""
    return path.name == "state.json"


def test_every_byte_of_a_segments_files_has_a_checksum(copy: Path) -> None:
    """The footer with the checksum is not covered; its damage is found when it is read."""
    for path in files(copy):
        if path.suffix == ".json":
            continue
        assert intact(path)
        length = int.from_bytes(path.read_bytes()[-8:-4], "little")
        for at in range(0, path.stat().st_size - 8 - length, 41):
            whole = flip(path, at, 0x10)
            assert not intact(path)
            (problem,) = damaged_files(copy / "index")
            assert path.name in problem
            path.write_bytes(whole)


@pytest.mark.parametrize("how", ["removed", "emptied", "cut"])
def test_a_missing_or_cut_file_is_named(copy: Path, how: str) -> None:
    for path in files(copy):
        if path.suffix == ".json":
            continue
        whole = path.read_bytes()
        path.unlink() if how == "removed" else path.write_bytes(whole[:-9] if how == "cut" else b"")
        (problem,) = problems(copy)
        assert path.name in problem
        assert "muniment rebuild --index" in problem
        path.write_bytes(whole)


def test_documents_that_differ_from_the_catalog_are_counted(copy: Path) -> None:
    """The index is intact, but the catalog has another message and another date."""
    with closing(sqlite3.connect(copy / "catalog.db")) as catalog:
        ids = [number for (number,) in catalog.execute("SELECT id FROM message ORDER BY id")]
        catalog.execute("UPDATE message SET date = date + 86400 WHERE id = ?", (ids[0],))
        catalog.execute("UPDATE message SET id = ? WHERE id = ?", (ids[1] + 1, ids[1]))
        catalog.commit()
    sentence = "lacks 1 messages, has 1 that are not in the catalog, and 1 with another date"
    assert any(sentence in problem for problem in problems(copy, deep=True))


def test_an_index_that_is_behind_raises_no_false_alarm(copy: Path) -> None:
    """Messages that it lacks are no problem."""
    state = peek(copy / "index")
    path = copy / "index" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"watermark": state.watermark // 2}))
    assert problems(copy, deep=True) == []


def test_shallow_verification_reports_a_damaged_index(copy: Path) -> None:
    path = next(path for path in files(copy) if path.suffix == ".term")
    flip(path, 5, 1)
    vault = open_vault(copy, write=False)
    try:
        *_, report = verify_vault(vault, False)
    finally:
        vault.close()
    assert isinstance(report, LedgerCheck)
    (problem,) = report.problems
    assert "the index is damaged" in problem


def test_an_index_is_listed_while_it_can_not_be_replaced(tmp_path: Path) -> None:
    """Between the two renames of a replacement there is no folder to list."""
    held = 0

    @contextmanager
    def hold() -> Iterator[None]:
        nonlocal held
        held += 1
        (tmp_path / "index").mkdir(exist_ok=True)
        yield

    assert list(damaged_files(tmp_path / "index", hold)) == []
    assert held == 1


def test_an_index_that_another_process_replaces_is_not_damaged(copy: Path) -> None:
    """Another process does not know of this one's gate, and puts another index in place by two renames."""
    index, aside, new = (copy / name for name in ("index", "index.old", "index.new"))
    shutil.copytree(index, new)
    ended = threading.Event()

    def replace() -> None:
        while not ended.is_set():
            index.rename(aside)
            time.sleep(0.0005)
            new.rename(index)
            aside.rename(new)
            time.sleep(0.02)

    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(replace)
        try:
            for _ in range(400):
                assert list(damaged_files(index)) == []
        finally:
            ended.set()
        done.result()
