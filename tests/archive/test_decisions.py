"""Decisions: recorded with their audit events, kept through a rebuild, and refused as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import DECISIONS, RecordKind
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError
from support.vaults import TestVault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vault = TestVault(tmp_path / "vault")
    vault.client.close()
    return vault.folder


@pytest.fixture
def vault(folder: Path) -> Iterator[Vault]:
    with closing(open_vault(folder, write=True)) as opened:
        yield opened


def contents(rows: list[DecisionRow]) -> list[dict[str, object]]:
    return [json.loads(row.content) for row in rows]


@pytest.mark.parametrize("kind", DECISIONS)
def test_a_decision_survives_a_rebuild(folder: Path, kind: RecordKind) -> None:
    with closing(open_vault(folder, write=True)) as vault:
        made = vault.decide(kind, lambda earlier: [{"name": "Fall 7/2026 – Ä"}], 1_700_000_000)
        assert contents(made) == [{"v": 1, "name": "Fall 7/2026 – Ä"}]
        assert vault.catalog.decisions(kind) == made
    rebuild_catalog(folder)
    with closing(open_vault(folder, write=False)) as vault:
        assert vault.catalog.decisions(kind) == made


def test_a_decision_is_made_from_all_earlier_ones(vault: Vault) -> None:
    for _ in range(3):
        vault.decide(RecordKind.HOLD, lambda earlier: [{"number": len(earlier)}], 1)
    assert [one["number"] for one in contents(vault.catalog.decisions(RecordKind.HOLD))] == [0, 1, 2]
    assert vault.catalog.decisions(RecordKind.RULE) == []


def test_a_decision_and_its_event_are_one_batch(vault: Vault) -> None:
    before = vault.head.tree_size
    vault.decide(
        RecordKind.GRANT,
        lambda earlier: [{"to": "auditor"}],
        1,
        lambda made: [{"event": "changed", "word": "GrantAccess", "what": one["to"]} for one in made],
    )
    assert vault.head.tree_size == before + 3  # the decision, its event, and one commit
    (event,) = vault.catalog.audited(1)
    assert json.loads(event.event)["what"] == "auditor"


def test_a_decision_can_be_made_from_later_ones_alone(vault: Vault) -> None:
    rows = [vault.decide(RecordKind.HOLD, lambda earlier: [{"n": 1}], 1)[0] for _ in range(3)]
    seen: list[DecisionRow] = []

    def look(later: list[DecisionRow]) -> list[dict[str, object]]:
        seen.extend(later)
        return []

    vault.decide(RecordKind.HOLD, look, 1, after=rows[0].sequence)
    assert seen == rows[1:]


def test_a_refused_decision_leaves_nothing(vault: Vault) -> None:
    def refuse(earlier: list[DecisionRow]) -> list[dict[str, object]]:
        raise UsageError("no")

    before = vault.head
    with pytest.raises(UsageError):
        vault.decide(RecordKind.HOLD, refuse, 1)
    assert vault.decide(RecordKind.HOLD, lambda earlier: [], 1) == []
    with pytest.raises(ValueError, match="no kind of decision"):
        vault.decide(RecordKind.AUDIT, lambda earlier: [{}], 1)
    assert vault.head == before


def test_a_batch_that_is_kept_although_its_segment_can_not_be_sealed_reaches_the_catalog(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalSegments, "seal", fail)
        patch.setattr(vault.ledger, "_limit", 1)
        with pytest.raises(OSError, match="No space"):
            vault.decide(RecordKind.HOLD, lambda earlier: [{"number": 1}], 1)
    vault.decide(RecordKind.RULE, lambda earlier: [{"number": 2}], 1)
    assert [one["number"] for one in contents(vault.catalog.decisions(RecordKind.HOLD))] == [1]
    assert [one["number"] for one in contents(vault.catalog.decisions(RecordKind.RULE))] == [2]
