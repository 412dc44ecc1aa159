from __future__ import annotations

import json
from pathlib import Path

from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.scan import scan
from support.vaults import TestVault


def configurations(vault: TestVault) -> list[str]:
    """All settings that the ledger records, in order."""
    ledger = vault.folder / "ledger"
    reader = LedgerReader(LocalSegments(ledger), lambda sha: None)
    try:
        return [
            reader.payload(frame).decode()
            for frame in scan(LocalSegments(ledger))
            if frame.kind is RecordKind.CONFIG
        ]
    finally:
        reader.close()


def test_each_configuration_is_recorded_once_and_without_secrets(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.profile(
        "gw",
        source="gateway",
        host="gw.example",
        mailbox="mbx-1",
        password={"command": ["/usr/bin/pass", "the-hidden-word"]},
    )
    vault.archive([])
    vault.run(next(iter((tmp_path).glob("maildir-*"))).name)
    found = configurations(vault)
    assert len(found) == 3  # the vault's first, and one for each profile
    assert len(set(found)) == 3
    assert json.loads(found[-1])["settings"]["domains"] == ["example.com"]
    assert "/usr/bin/pass" in found[-1]
    assert "the-hidden-word" not in "".join(found)
