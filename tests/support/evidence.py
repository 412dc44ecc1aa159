"""A vault with something in every table of its catalog, as far as maildirs can bring it."""

from __future__ import annotations

from pathlib import Path

from muniment.archive.ledger.model import RecordKind
from muniment.archive.senders.evidence_record import SenderEvidence
from muniment.archive.vault.open_vault import open_vault
from support.program import Program
from support.reports import line, plain, report
from support.vaults import TestVault, put


def rich_vault(folder: Path) -> None:
    """Make the vault: reports with Bcc and attachments, quarantine, deletions, one person's own mailbox,
    users who were added later, audit events.
    """
    vault = TestVault(folder)
    scan = ("a.pdf", b"%PDF" + b"x" * 3000)
    letters = [
        report(
            plain(subject=f"Letter {n}", body=f"word{n}\n" * 20, attachments=[scan]),
            recipients=["bob@example.com", line("Bcc", f"eve{n % 2}@example.com")],
        )
        for n in range(6)
    ]
    put(vault.maildir("kept", delete=False), [*letters, b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    put(vault.maildir("gone", delete=True), [report(plain(subject=f"Deleted {n}")) for n in range(2)])
    put(
        vault.maildir("own", delete=False, journal=False, owner="carl@example.com"),
        [plain(subject="Of an own mailbox"), plain(subject="Déjà vu — ünïcode")],
    )
    for name in ("kept", "gone", "own"):
        vault.run(name)
    program = Program(folder)
    program("users", "add", "Bob Ray", "bob@example.com", "b.ray@example.com")
    program("users", "add", "Carl", "carl@example.com")
    vault.client.close()
    writer = open_vault(folder, write=True)
    for n in range(4):
        writer.log([{"event": "read", "who": f"auditor{n}", "uid": 1000 + n, "word": "Show", "at": 1}])
    hold = {"op": "place", "name": "Case 7", "case": "", "reason": "a suit", "selection": {}}
    writer.decide(RecordKind.HOLD, lambda earlier: [hold | {"who": "ada", "uid": 1000}], 2)
    writer.record_senders(SenderEvidence(first=0, through=9), 3)
    writer.close()
