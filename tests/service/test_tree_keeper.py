"""The keeper of tree tiles: it follows the ledger of a service, and mends a file that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import leaf_hash
from muniment.archive.ledger.tree_tiles import SIZE, TILE
from muniment.archive.vault.layout import TREE
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.evidence.tree_proofs import verify_inclusion
from muniment.service.host.tree_keeper import TreeKeeper
from support.waiting import eventually


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    with closing(create_vault(folder)) as made:
        yield made


def fill(vault: Vault, records: int) -> None:
    vault.log([{"event": "read", "number": number} for number in range(records)])


def complete(vault: Vault) -> bool:
    path = vault.folder / TREE
    tiles = vault.head.tree_size // TILE
    return path.exists() and path.stat().st_size == (tiles + 1) * SIZE


def keeper(vault: Vault) -> TreeKeeper:
    return TreeKeeper(vault, look=0.02, pause=0)


def test_it_follows_what_is_committed(vault: Vault) -> None:
    with keeper(vault):
        for records in (300, 10, 900):
            fill(vault, records)
            eventually(lambda: complete(vault))
    fill(vault, 600)
    assert not complete(vault), "no one follows any more"


def test_a_proof_needs_no_growth_after_it(vault: Vault) -> None:
    fill(vault, 700)
    with keeper(vault):
        eventually(lambda: complete(vault))
    head = Checkpoint(vault.head.tree_size, vault.head.root)
    with closing(open_vault(vault.folder, write=False)) as reader:
        assert list(reader.tree.grow(head.tree_size)) == []
        proof = reader.tree.inclusion(5, head)
    leaf = leaf_hash(proof.header.kind, proof.header.time, proof.header.size, proof.header.sha)
    assert verify_inclusion(leaf, 5, head.tree_size, proof.path, head.root)


def test_a_file_of_another_vault_is_replaced(vault: Vault, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    with closing(create_vault(other)) as stranger:
        fill(stranger, 700)
        list(stranger.tree.grow(stranger.head.tree_size))
    fill(vault, 700)
    path = vault.folder / TREE
    path.write_bytes((other / TREE).read_bytes())
    before = path.read_bytes()
    with keeper(vault):
        eventually(lambda: complete(vault) and path.read_bytes() != before)
    whole = path.read_bytes()
    path.unlink()
    vault.tree.close()
    list(vault.tree.grow(vault.head.tree_size))
    assert path.read_bytes() == whole


def test_a_ledger_that_can_not_be_read_is_logged_once(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    fill(vault, 700)
    segment = vault.folder / "ledger" / "000000000001.seg"
    data = bytearray(segment.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 4000] = bytes(4000)
    segment.write_bytes(data)
    with keeper(vault):
        eventually(lambda: "proofs can't be prepared" in caplog.text)
    assert caplog.text.count("proofs can't be prepared") == 1
