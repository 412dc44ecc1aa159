"""The receipt of a report says who delivered it to the embedded gateway."""

from __future__ import annotations

import smtplib
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.records import Receipt, read_receipts
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.gateway.smtp import GatewaySettings, SmtpGateway
from support.reports import plain, report
from support.vaults import TestVault

JOURNAL = "journal@archive.example"


def receipts(vault: TestVault) -> list[Receipt]:
    with closing(LedgerReader(segments_of(vault.folder), lambda sha: None)) as reader:
        frames = [frame for frame in scan(segments_of(vault.folder)) if frame.kind is RecordKind.RECEIPT]
        return [one for frame in frames for one in read_receipts(reader.payload(frame)).receipts]


def take_in(spool: Path, mails: list[bytes]) -> None:
    with (
        SmtpGateway(GatewaySettings(spool, (JOURNAL,), port=0)) as gateway,
        smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="relay.example", timeout=20) as smtp,
    ):
        for mail in mails:
            smtp.sendmail("", [JOURNAL], mail)


def test_the_receipt_says_who_delivered_a_report(vault: TestVault) -> None:
    spool = vault.folder / "spool"
    take_in(spool, [report(plain(subject=str(n), message_id=f"<{n}@example.com>")) for n in range(3)])
    vault.profile("spool", source="spool", path=str(spool))
    summary = vault.run("spool")
    assert (summary.new, summary.deleted, summary.balanced) == (3, 3, True)
    found = receipts(vault)
    assert [one.delivered["peer"] for one in found] == ["127.0.0.1"] * 3
    assert {one.delivered["helo"] for one in found} == {"relay.example"}
    assert all(one.delivered["user"] for one in found)
    assert list((spool / "delivered").iterdir()) == []
    vault.sound()


@pytest.mark.parametrize(
    "note",
    [
        '{"envelope": 1}',
        '{"envelope": {}}',
        '{"envelope": {"to": "bob@example.com", "people": {"a": 1}, "original": [1], "headers": 7}}',
        '{"peer": 1, "envelope": {"people": [1, null, ["x"], "\\ud800", "", "no address", "a@b@c"]}}',
        '{"envelope": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "null",
        '"x"',
    ],
)
def test_a_note_of_any_shape_costs_no_mail(vault: TestVault, note: str) -> None:
    spool = vault.folder / "spool"
    take_in(spool, [plain(subject="x")])
    (path,) = (spool / "delivered").iterdir()
    path.write_text(note)
    vault.profile("spool", source="spool", path=str(spool))
    summary = vault.run("spool")
    assert (summary.new, summary.deleted, summary.balanced) == (1, 1, True)
    vault.rebuild(index=False)
    vault.sound()


def test_a_note_that_is_gone_or_damaged_costs_no_mail(vault: TestVault) -> None:
    spool = vault.folder / "spool"
    take_in(spool, [report(plain(subject=str(n), message_id=f"<{n}@example.com>")) for n in range(4)])
    gone, broken, strange, linked = sorted((spool / "delivered").iterdir())
    gone.unlink()
    broken.write_bytes(b"\xff{")
    strange.write_text("[1, 2]")
    linked.unlink()
    linked.symlink_to("/etc/passwd")
    vault.profile("spool", source="spool", path=str(spool))
    assert vault.run("spool").new == 4
    assert [one.delivered for one in receipts(vault)] == [{}] * 4
    assert list((spool / "delivered").iterdir()) == []
