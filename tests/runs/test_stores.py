"""Copies of one mail from many stores are one message, in a new vault and in one of an older version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from support.cases import cases_dir
from support.reports import plain
from support.vaults import TestVault


def copies() -> list[bytes]:
    """One mail as 15 stores and ways of transport keep it."""
    return [path.read_bytes() for path in sorted((cases_dir() / "dedup").glob("dd-*.eml"))]


def test_one_mail_from_many_stores_is_one_message(vault: TestVault) -> None:
    mails = copies()
    summary = vault.archive(mails)
    assert (summary.state, summary.new, summary.merged, summary.balanced) == ("ok", 1, 14, True)
    (hit,) = vault.search("armadillo")
    shown = vault.show(hit.id)
    assert len(shown.envelopes) == 15
    assert {vault.report(hit.id, number) for number in range(1, 16)} == set(mails)
    vault.sound()


def test_a_copy_that_shows_something_else_is_another_message(vault: TestVault) -> None:
    mail = plain(message_id="<1@x>", body="x\n")
    others = [plain(message_id="<1@x>", body=text) for text in ("x\n\ny\n", "x\n y\n", "X\n")]
    others += [
        b"Keywords: a\r\n" + mail,
        mail.replace(b"\r\n\r\n", b"\r\nno field\r\nStatus: paid\r\n\r\n", 1),
    ]
    assert vault.archive([mail, *others]).new == 6


def test_a_vault_of_an_older_version_recognises_its_mail(vault: TestVault, tmp_path: Path) -> None:
    first, *rest = copies()
    vault.archive([first])
    vault.client.close()
    with sqlite3.connect(vault.folder / "catalog.db") as catalog:
        # Version 10 had another content hash.
        catalog.execute("UPDATE message SET content_key = content_key - 1, content_rest = zeroblob(24)")
        catalog.execute("UPDATE state SET schema = 10")
    catalog.close()
    again = TestVault(tmp_path / "vault")
    summary = again.archive(rest)
    assert (summary.state, summary.new, summary.merged) == ("ok", 0, 14)
    assert len(again.messages()) == 1
    again.sound()
