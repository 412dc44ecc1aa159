"""The open index of a vault: it stays open between searches, and follows every change of the files."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.index.index import TantivyIndex, peek, put_aside
from muniment.archive.operations.indexing import IndexFeeder, behind
from muniment.archive.operations.search import find
from muniment.archive.vault.layout import INDEX
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from support.reports import plain, report
from support.vaults import TestVault


def letters(start: int, count: int) -> list[bytes]:
    return [
        report(plain(subject=f"Letter {n}", body=f"common word{n}\n")) for n in range(start, start + count)
    ]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[TestVault]:
    vault = TestVault(tmp_path / "vault")
    vault.archive(letters(0, 3))
    yield vault
    vault.client.close()


@pytest.fixture
def reader(kept: TestVault) -> Iterator[Vault]:
    """A vault opened for reading that has searched already, so that its index is open."""
    with closing(open_vault(kept.folder, write=False)) as vault:
        assert find(vault, "common").total == 3
        yield vault


def test_the_index_stays_open(reader: Vault) -> None:
    assert reader.index() is reader.index()


def test_messages_that_are_committed_later_are_found(kept: TestVault, reader: Vault) -> None:
    kept.archive(letters(3, 2))
    assert find(reader, "common").total == 5
    assert behind(reader) == 0


def test_a_rebuilt_index_is_searched_instead_of_the_old_one(kept: TestVault, reader: Vault) -> None:
    kept.rebuild(catalog=False)
    (kept.folder / INDEX / "state.json").touch()
    assert find(reader, "common").total == 3
    kept.archive(letters(3, 1))
    assert find(reader, "word3").total == 1


def test_a_new_empty_index_is_searched_instead_of_the_old_one(reader: Vault) -> None:
    put_aside(reader.folder / INDEX)
    TantivyIndex.open(reader.folder / INDEX).close()
    assert find(reader, "common").total == 0
    assert behind(reader) == 3


def test_a_removed_index_finds_nothing(reader: Vault) -> None:
    shutil.rmtree(reader.folder / INDEX)
    assert find(reader, "common").total == 0
    assert behind(reader) == 3


def test_a_damaged_index_is_an_error_until_it_is_repaired(kept: TestVault, reader: Vault) -> None:
    state = reader.folder / INDEX / "state.json"
    whole = state.read_bytes()
    state.write_bytes(b"{")
    for _ in range(2):
        with pytest.raises(VaultError, match="rebuild --index"):
            find(reader, "common")
    with pytest.raises(VaultError, match="rebuild --index"):
        behind(reader)
    state.write_bytes(whole)
    assert find(reader, "common").total == 3


def test_missing_shards_are_found_without_opening_the_index(kept: TestVault) -> None:
    (shard,) = (kept.folder / INDEX).glob("0*")
    shutil.rmtree(shard)
    with pytest.raises(VaultError, match="shards are missing"):
        peek(kept.folder / INDEX)


def test_long_mail_is_committed_while_it_is_added(kept: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the library would queue any number of long messages in memory."""
    commits = []
    commit = TantivyIndex.commit

    def recording_commit(self: TantivyIndex, watermark: int, binding: str = "") -> None:
        commit(self, watermark, binding)
        commits.append((self.docs, watermark))

    with (
        closing(open_vault(kept.folder, write=True)) as vault,
        closing(IndexFeeder(vault, commit_text=1)) as indexing,
    ):
        indexing.open()
        indexing._reached = 0
        monkeypatch.setattr(TantivyIndex, "commit", recording_commit)
        list(indexing.catch_up())
        assert len(commits) == 3 + 1, "one for each message, and one that moves the watermark"
        assert [watermark for _, watermark in commits[:-1]] == [0, 0, 0]
        assert commits[-1] == (3, vault.head.tree_size)


def test_many_threads_search_while_it_grows(kept: TestVault) -> None:
    with closing(open_vault(kept.folder, write=True)) as vault, closing(IndexFeeder(vault)) as indexing:
        stop = threading.Event()
        wrong: list[object] = []

        def ask() -> None:
            try:
                while not stop.is_set():
                    found = find(vault, "common").total
                    if found != 3:
                        wrong.append(found)
            except Exception as error:  # noqa: BLE001 - the test's verdict
                wrong.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        indexing.open()
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                indexing._reached = 0  # every message is indexed again
                assert list(indexing.catch_up())
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []
