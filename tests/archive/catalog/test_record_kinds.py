"""Each kind of record that the ledger accepts has an entry in the registry."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from muniment.archive.catalog.record_kinds import RECORD_KINDS
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import MunimentError
from support.reports import plain, report
from support.vaults import TestVault

ROOT = Path(__file__).resolve().parents[3]


def test_every_kind_is_registered() -> None:
    assert set(RECORD_KINDS) == set(RecordKind)


def test_a_record_of_an_unknown_kind_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="before"))])
    vault.client.close()
    with closing(open_vault(vault.folder, write=True)) as opened:
        content = b"{}"
        sha = hashlib.sha256(content).digest()
        unknown = cast("RecordKind", max(RecordKind) + 1)
        opened.ledger.append(LedgerRecord(unknown, sha, len(content), PayloadCodec.RAW, content), 1)
        opened.ledger.commit()
    before = files(vault.folder / "ledger")
    with pytest.raises(MunimentError, match="newer program"):
        open_vault(vault.folder, write=True)
    with pytest.raises(MunimentError, match="newer program"):
        rebuild_catalog(vault.folder)
    assert files(vault.folder / "ledger") == before


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", [19, max(RecordKind) + 1])
def test_the_independent_verifier_refuses_kinds_that_have_no_meaning(tmp_path: Path, kind: int) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="before"))])
    vault.client.close()
    with closing(open_vault(vault.folder, write=True)) as opened:
        sha = hashlib.sha256(b"{}").digest()
        opened.ledger.append(LedgerRecord(cast("RecordKind", kind), sha, 2, PayloadCodec.RAW, b"{}"), 1)
        opened.ledger.commit()
    words = [sys.executable, str(ROOT / "tools" / "verify_ledger.py"), str(vault.folder)]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "newer than this program" in said.stdout + said.stderr
