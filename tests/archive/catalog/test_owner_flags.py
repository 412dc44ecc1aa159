"""The flags that a message had in its owner's mailbox: they follow from the ledger's receipts."""

from __future__ import annotations

from pathlib import Path

from muniment.archive.catalog import CopyOwner
from muniment.archive.vault.open_vault import open_vault
from support.reports import plain, report
from support.vaults import TestVault


def owners(vault: TestVault) -> dict[str, list[CopyOwner]]:
    """The owners of each message's copies, by subject."""
    opened = open_vault(vault.folder, write=False)
    try:
        rows = opened.catalog.rows(range(opened.head.tree_size))
        found = {}
        for row in rows:
            copies = [copy.sequence for copy in opened.catalog.envelopes_of(row.sequence)]
            of_copies = opened.catalog.owners_of(copies)
            found[row.subject] = [one for copy in copies for one in of_copies.get(copy, [])]
        return found
    finally:
        opened.close()


def test_flags_of_an_owners_copy_are_known_and_survive_a_rebuild(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    new = vault.maildir("ada", journal=False, owner="ada@example.com")
    for name, flags in (("one", "FS"), ("two", "")):
        (new.parent / "cur" / f"{name}.test:2,{flags}").write_bytes(plain(subject=name))
    assert vault.run("ada").new == 2
    vault.archive([report(plain(subject="three"))])
    expected = {
        "one": [CopyOwner("ada@example.com", "Inbox", ("F", "S"))],
        "two": [CopyOwner("ada@example.com", "Inbox", ())],
        "three": [],
    }
    assert owners(vault) == expected
    vault.sound()
    vault.rebuild()
    assert owners(vault) == expected
    vault.sound()
    vault.client.close()


def test_flags_of_a_journal_mailbox_are_no_ones(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    new = vault.maildir("journal", journal=True)
    (new.parent / "cur" / "one.test:2,S").write_bytes(report(plain(subject="one")))
    assert vault.run("journal").new == 1
    assert owners(vault) == {"one": []}
    vault.client.close()
