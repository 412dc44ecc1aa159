"""Ordinary mailboxes of a real IMAP server: folders and ages."""

from __future__ import annotations

import imaplib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.errors import VaultError
from muniment.sources.base import UnfetchedItem
from muniment.sources.imap.connection import ImapWire
from muniment.sources.imap.source import ImapSource
from muniment.sources.imap.text import encode_folder, quoted
from support.crashing import server_profile
from support.dovecot import Dovecot, Mailbox
from support.reports import plain, report
from support.vaults import TestVault

DAY = 86400


class Account:
    """An account of Bob's, filled over IMAP."""

    def __init__(self, vault: TestVault, server: Dovecot) -> None:
        self.vault, self.server = vault, server
        self.mailbox: Mailbox = server.mailbox()
        self.imap = imaplib.IMAP4(server.host, server.imap)
        self.imap.login(self.mailbox.name, self.mailbox.password)

    def put(self, folder: str, mail: bytes, days_ago: float = 0) -> None:
        name: Any = quoted(encode_folder(folder))
        if folder != "INBOX":
            self.imap.create(name)
        date = imaplib.Time2Internaldate(time.time() - days_ago * DAY)
        assert self.imap.append(name, "", date, mail)[0] == "OK"

    def profile(self, **fields: Any) -> None:
        server_profile(
            self.vault, self.server, self.mailbox, "imap",
            **{"journal": False, "owner": "bob@example.com", "delete": False} | fields,
        )  # fmt: skip

    def run(self) -> api.RunSummary:
        summary = self.vault.run("box")
        assert (summary.state, summary.balanced) == ("ok", True), summary.error
        return summary

    def left(self, folder: str) -> int:
        return int(self.imap.select(quoted(folder), readonly=True)[1][0] or b"0")  # type: ignore[arg-type]


@pytest.fixture
def account(vault: TestVault, dovecot: Dovecot) -> Iterator[Account]:
    made = Account(vault, dovecot)
    yield made
    made.imap.shutdown()


def test_folders_appear_in_the_tree(account: Account) -> None:
    sent = plain(sender="bob@example.com", to=["carl@other.example"])
    account.vault.archive([report(sent, sender="bob@example.com", recipients=["carl@other.example"])])
    account.put("INBOX", plain(subject="one"))
    account.put("Gesendete Elemente", sent)
    account.put("Projekte.Übersicht", plain(subject="two"))
    account.put("Projekte.a\\b %2F 😀", plain(subject="three"))
    account.put("Papierkorb", plain(subject="away"))
    account.profile()
    assert account.run().new == 3
    assert account.vault.tree() == {
        "bob@example.com": {"Inbox": 1, "Sent": 1, "Projekte/Übersicht": 1, r"Projekte/a\\b %2F 😀": 1},
    }
    assert len(account.vault.messages()) == 4
    assert account.run().fetched == 0
    account.vault.rebuild()
    assert account.run().already == 4
    account.vault.sound()


def test_a_moved_message_is_stored_once_and_found_in_both_folders(account: Account) -> None:
    account.put("INBOX", plain())
    account.profile()
    account.run()
    account.imap.create("Old")
    account.imap.select("INBOX")
    account.imap.uid("MOVE", "1", "Old")
    summary = account.run()
    assert (summary.new, summary.merged) == (0, 1)
    assert account.vault.tree() == {"bob@example.com": {"Inbox": 1, "Old": 1}}
    assert len(account.vault.messages()) == 1


def test_only_items_of_the_right_age_are_archived(account: Account) -> None:
    for days in (1, 10, 100, 1000):
        account.put("INBOX", plain(subject=f"{days} days"), days)
    account.profile(older_than=5, newer_than=500)
    summary = account.run()
    assert (summary.listed, summary.new, summary.skipped) == (4, 2, 2)
    assert sorted(hit.subject for hit in account.vault.messages()) == ["10 days", "100 days"]


def test_only_old_enough_items_are_deleted(account: Account) -> None:
    for days in (1, 100, 101):
        account.put("INBOX", plain(subject=f"{days} days"), days)
    account.profile(delete=True, delete_after=90)
    summary = account.run()
    assert (summary.new, summary.deleted) == (3, 2)
    assert account.left("INBOX") == 1
    summary = account.run()
    assert (summary.already, summary.fetched, summary.deleted) == (1, 0, 0)
    account.vault.sound()


def test_the_profile_chooses_the_folders(account: Account) -> None:
    for folder in ("INBOX", "Kunden", "Kunden.Alt", "Spam"):
        account.put(folder, plain(subject=folder))
    account.profile(folders=["Kunden", "@junk"], exclude=["*/Alt"])
    account.run()
    assert account.vault.tree() == {"bob@example.com": {"Kunden": 1, "Spam": 1}}


def test_unchanged_folders_are_not_listed(account: Account) -> None:
    for folder in ("A", "B"):
        for n in range(3):
            account.put(folder, plain(subject=f"{folder}{n}"))
    account.profile()
    assert account.run().listed == 6
    assert account.run().listed == 0
    account.put("B", plain(subject="late"))
    summary = account.run()
    assert (summary.listed, summary.already, summary.new) == (4, 3, 1)
    account.imap.select("A")
    account.imap.store("1", "+FLAGS", r"(\Flagged)")
    assert account.run().listed == 3


def test_a_mark_that_can_not_be_stored_only_costs_a_listing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put("A", plain())
    account.profile()

    def full(catalog: SqliteCatalog, name: str, value: str) -> None:
        raise VaultError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(SqliteCatalog, "meta_set", full)
        assert account.run().new == 1
    assert account.run().already == 1
    assert account.run().listed == 0


def test_an_item_missing_from_a_listing_is_asked_for_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        account.put("A", plain(subject=f"{n}"))
    account.profile()
    rows = ImapWire.rows
    with monkeypatch.context() as patched:
        patched.setattr(
            ImapWire, "rows", lambda wire, first, last, **more: rows(wire, first, last, **more)[:2]
        )
        summary = account.vault.run("box")
        assert (summary.state, summary.balanced, summary.listed, summary.new) == ("failed", True, 2, 2)
        assert "lists only 2 of the 3 messages" in summary.error
    summary = account.run()
    assert (summary.listed, summary.new) == (3, 1)
    assert account.run().listed == 0


def test_marks_of_a_restored_catalog_hide_nothing(account: Account, tmp_path: Path) -> None:
    catalog = account.vault.folder / "catalog.db"
    account.put("A", plain(subject="first"))
    account.profile()
    account.run()
    account.vault.client.close()
    shutil.copy(catalog, tmp_path / "older")
    account.put("A", plain(subject="second"))
    assert account.run().new == 1
    account.vault.client.close()
    for path in account.vault.folder.glob("catalog.db*"):
        path.unlink()
    shutil.copy(tmp_path / "older", catalog)
    account.put("A", plain(subject="third"))
    summary = account.run()
    assert (summary.listed, summary.already, summary.new) == (3, 2, 1)
    assert sorted(hit.subject for hit in account.vault.messages()) == ["first", "second", "third"]
    account.vault.sound()


def test_an_item_that_could_not_be_fetched_is_listed_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        account.put("A", plain(subject=f"{n}"))
    account.profile()
    fetch = ImapSource.fetch

    def failing(source: ImapSource, items: Any) -> Iterator[Any]:
        for answer in fetch(source, items):
            yield UnfetchedItem(answer.item, "no") if answer.item.key.endswith(":2") else answer

    with monkeypatch.context() as patched:
        patched.setattr(ImapSource, "fetch", failing)
        assert account.vault.run("box").failed == 1
    summary = account.run()
    assert (summary.listed, summary.new) == (3, 1)
