"""The audit trail in the ledger: events are kept during a batch, listed, rebuilt and verified."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import json_record
from muniment.archive.operations.verify import verify_vault
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    folder = tmp_path / "vault"
    folder.mkdir(mode=0o700)
    made = create_vault(folder)
    yield made
    made.close()


def trail(vault: Vault) -> list[str]:
    """Return the text of each event of the trail, newest first."""
    return [json.loads(row.event)["what"] for row in vault.catalog.audited()]


def test_an_event_is_on_the_disk_when_log_returns(vault: Vault) -> None:
    before = vault.head.tree_size
    vault.log([{"what": "one"}, {"what": "two"}])
    assert vault.ledger.head.tree_size > before
    assert trail(vault) == ["two", "one"]


def test_an_event_is_committed_with_the_current_batch(vault: Vault) -> None:
    vault.append(json_record(vault.encoder, RecordKind.RUN, {"v": 1, "profile": "x"}), 1)
    thread = threading.Thread(target=vault.log, args=([{"what": "beside"}],))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    assert trail(vault) == []
    vault.commit([])
    thread.join(5)
    assert not thread.is_alive()
    assert trail(vault) == ["beside"]


def test_an_event_is_kept_when_the_batch_is_rolled_back(vault: Vault) -> None:
    vault.append(json_record(vault.encoder, RecordKind.RUN, {"v": 1, "profile": "x"}), 1)
    thread = threading.Thread(target=vault.log, args=([{"what": "beside"}],))
    thread.start()
    thread.join(0.2)
    vault.rollback()
    thread.join(5)
    assert not thread.is_alive()
    assert trail(vault) == ["beside"]


def test_an_event_that_can_not_be_written_is_not_kept(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match="No space"):
        vault.log([{"what": "lost"}])
    monkeypatch.undo()
    vault.log([{"what": "kept"}])
    assert trail(vault) == ["kept"]


def test_a_vault_open_for_reading_can_not_log(vault: Vault) -> None:
    reader = open_vault(vault.folder, write=False)
    try:
        with pytest.raises(VaultError):
            reader.log([{"what": "x"}])
    finally:
        reader.close()


def test_the_trail_survives_a_rebuild_and_is_verified(vault: Vault) -> None:
    vault.log([{"what": "read", "query": "größe"}])
    before = vault.catalog.audited()
    vault.close()
    assert rebuild_catalog(vault.folder) == []
    again = open_vault(vault.folder, write=True)
    try:
        assert again.catalog.audited() == before
        *_, report = verify_vault(again, deep=True)
        assert isinstance(report, LedgerCheck)
        assert report.problems == []
    finally:
        again.close()
    segment = vault.folder / "ledger" / "000000000001.seg"
    damaged = segment.read_bytes().replace("größe".encode(), "grösse".encode()[:7])
    if damaged == segment.read_bytes():  # it was compressed
        changed = bytearray(damaged)
        changed[len(changed) // 2] ^= 1
        damaged = bytes(changed)
    segment.write_bytes(damaged)
    reader = open_vault(vault.folder, write=False)
    try:
        *_, report = verify_vault(reader, deep=True)
        assert isinstance(report, LedgerCheck)
        assert report.problems
    finally:
        reader.close()


def test_pages_of_the_trail_continue_each_other(vault: Vault) -> None:
    for number in range(5):
        vault.log([{"what": str(number)}])
    first = vault.catalog.audited(2)
    rest = vault.catalog.audited(10, before=first[-1].sequence)
    assert [json.loads(row.event)["what"] for row in (*first, *rest)] == ["4", "3", "2", "1", "0"]


def test_an_event_that_waited_too_long_is_not_committed_later(vault: Vault) -> None:
    """The request was refused, so the event would record what never happened; the caller tries again."""
    vault.append(json_record(vault.encoder, RecordKind.RUN, {"v": 1, "profile": "x"}), 1)
    refused: list[VaultError] = []

    def late() -> None:
        with pytest.raises(VaultError, match="try again") as caught:
            vault._commits.log([{"what": "late"}], patience=0.05)
        refused.append(caught.value)

    thread = threading.Thread(target=late)
    thread.start()
    thread.join(10)
    assert len(refused) == 1
    vault.commit([])
    vault.log([{"what": "later"}])
    assert trail(vault) == ["later"]
