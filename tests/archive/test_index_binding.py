"""The binding of the index to its ledger: an index of another ledger, or of a lost state, is not used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.index.index import TantivyIndex
from muniment.archive.operations.indexing import IndexFeeder
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import LedgerDamaged
from support.reports import plain, report
from support.vaults import TestVault


def letters(start: int, count: int) -> list[bytes]:
    return [report(plain(subject=f"Letter {n}", body=f"word{n}\n")) for n in range(start, start + count)]


def with_older_ledger(folder: Path) -> TestVault:
    """A vault whose ledger was replaced by an older copy: 3 of 8 letters stay."""
    vault = TestVault(folder / "vault")
    vault.archive(letters(0, 3))
    shutil.copytree(vault.folder / "ledger", folder / "old")
    vault.archive(letters(3, 5))
    shutil.rmtree(vault.folder / "ledger")
    shutil.copytree(folder / "old", vault.folder / "ledger")
    return vault


@pytest.fixture
def set_back(tmp_path: Path) -> Iterator[TestVault]:
    """A vault with a restored and accepted older ledger and a newer index; 3 of 8 letters stay."""
    vault = with_older_ledger(tmp_path)
    shutil.copytree(vault.folder / "index", tmp_path / "index")
    rebuild_catalog(vault.folder, accept_damage=True)
    assert not (vault.folder / "index").exists()
    shutil.copytree(tmp_path / "index", vault.folder / "index")
    yield vault
    vault.client.close()


def test_an_index_that_is_ahead_of_the_ledger_is_not_used(set_back: TestVault) -> None:
    assert set_back.status().behind == 3
    assert set_back.search("word1") == []
    seen, other = set_back.verify().problems
    assert "the index knows" in seen
    assert "the index belongs to another ledger" in other


def test_an_index_that_is_ahead_stops_runs_until_the_loss_is_accepted(set_back: TestVault) -> None:
    with pytest.raises(LedgerDamaged, match=r"the index knows .* --accept-damage"):
        set_back.archive(letters(8, 4))
    rebuild_catalog(set_back.folder, accept_damage=True)
    set_back.archive(letters(8, 4))
    assert set_back.status().behind == 0
    assert {hit.subject for hit in set_back.messages()} == {f"Letter {n}" for n in (0, 1, 2, 8, 9, 10, 11)}
    assert [hit.subject for hit in set_back.search("word9")] == ["Letter 9"]
    assert set_back.search("word4") == []
    assert len(list(set_back.folder.glob("index.broken-*"))) == 2
    set_back.sound()


def test_a_ledger_that_has_grown_past_the_index_is_another(set_back: TestVault) -> None:
    # The catalog's head passes the index's watermark before anything reads the index.
    aside = set_back.folder.parent / "later"
    (set_back.folder / "index").rename(aside)
    set_back.archive(letters(20, 9))
    shutil.rmtree(set_back.folder / "index")
    aside.rename(set_back.folder / "index")
    assert set_back.status().behind == 12
    assert set_back.search("word4") == []
    with pytest.raises(LedgerDamaged, match="the index knows another ledger"):
        set_back.archive(letters(40, 1))
    rebuild_catalog(set_back.folder, accept_damage=True)
    set_back.archive(letters(41, 1))
    assert len(set_back.messages()) == 13


def test_accepting_an_older_ledger_rebuilds_the_index(tmp_path: Path) -> None:
    vault = with_older_ledger(tmp_path)
    with pytest.raises(LedgerDamaged, match="--accept-damage"):
        vault.rebuild(index=False)
    for _ in vault.client.stream(api.Rebuild(catalog=True, index=False, accept_damage=True)):
        pass
    assert vault.status().behind == 0
    assert len(vault.messages()) == 3
    vault.sound()


def test_an_index_of_another_vault_is_not_used(tmp_path: Path) -> None:
    one, other = TestVault(tmp_path / "one"), TestVault(tmp_path / "other")
    one.archive(letters(0, 3))
    other.archive(letters(10, 3))
    shutil.rmtree(one.folder / "index")
    shutil.copytree(other.folder / "index", one.folder / "index")
    assert one.status().behind == 3
    assert one.search("word11") == []
    one.archive([])
    assert {hit.subject for hit in one.messages()} == {"Letter 0", "Letter 1", "Letter 2"}


@pytest.mark.parametrize("mark", ["", "no JSON", "[]", "{}", '{"tree_size": 5}'])
def test_an_index_without_a_valid_binding_is_rebuilt(tmp_path: Path, mark: str) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive(letters(0, 3))
    path = vault.folder / "index" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"mark": mark}))
    assert vault.status().behind == 3
    vault.archive([])
    assert (vault.status().behind, len(vault.messages())) == (0, 3)


def test_an_index_that_is_behind_its_own_ledger_is_used(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive(letters(0, 3))
    shutil.copytree(vault.folder / "index", tmp_path / "old")
    vault.archive(letters(3, 2))
    shutil.rmtree(vault.folder / "index")
    shutil.copytree(tmp_path / "old", vault.folder / "index")
    assert vault.status().behind == 2
    assert len(vault.messages()) == 3
    owner = open_vault(vault.folder, write=True)
    indexing = IndexFeeder(owner)
    try:
        assert list(indexing.catch_up()) == [2]
    finally:
        indexing.close()
        owner.close()
    assert len(vault.messages()) == 5
    assert not list(vault.folder.glob("index.broken-*"))


def test_the_binding_is_stored_with_the_watermark(tmp_path: Path) -> None:
    index = TantivyIndex.open(tmp_path / "index", heap=16_000_000)
    assert index.binding == ""
    index.commit(3, "from here")
    index.close()
    again = TantivyIndex.open(tmp_path / "index", read_only=True)
    assert (again.watermark, again.binding) == (3, "from here")
