"""Mail on whose HTML the parser crashes, hangs, grows or raises: it is archived with its people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.mail.notes import UNREAD
from support.hostile_mail import CRASH, GROW, HANG, RAISE, hostile, hostile_parser, hostile_report
from support.regenerating import mailbox, regenerated
from support.reports import line, plain, report
from support.vaults import TestVault

WORDS = (CRASH, HANG, GROW, RAISE)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestVault]:
    """A vault whose workers have the hostile parser."""
    with hostile_parser(monkeypatch):
        yield TestVault(tmp_path / "vault")


def dump(vault: TestVault) -> dict[str, Any]:
    """The whole content of the catalog."""
    with closing(SqliteCatalog.open(vault.folder / "catalog.db", readonly=True)) as catalog:
        return catalog.dump()


def test_mail_that_kills_its_parser_is_listed_with_its_people_and_subject(vault: TestVault) -> None:
    mails = {word: hostile_report(word) for word in WORDS}
    others = [report(plain(subject=f"No {n}", body="ordinary")) for n in range(6)]
    summary = vault.archive([*others[:3], *mails.values(), *others[3:]])
    assert (summary.state, summary.new, summary.quarantined) == ("ok", 10, 0)
    for word in WORDS:
        (hit,) = vault.search(f"subject:{word.lower()}")
        assert (hit.subject, hit.sender) == (f"subject {word.lower()}", "Anna Berg <anna@example.com>")
        assert set(hit.folders) == {"anna@example.com/Sent", "bob@example.com/Inbox"}
        assert vault.report(hit.id) == mails[word]
        assert vault.raw(hit.id) == hostile(word)
    assert len(vault.search("ordinary")) == 6
    before = dump(vault)
    vault.rebuild()
    assert dump(vault) == before
    vault.sound()


def test_people_of_the_envelope_alone_have_it_too(vault: TestVault) -> None:
    people = ["bob@example.com", line("Bcc", "eve@example.com")]
    vault.archive([report(hostile(CRASH), recipients=people)])
    (hit,) = vault.messages()
    assert "eve@example.com/Inbox" in hit.folders


def test_mail_of_an_ordinary_mailbox_that_kills_its_parser_is_its_owners(vault: TestVault) -> None:
    vault.archive([hostile(CRASH)], journal=False, owner="bob@example.com")
    (hit,) = vault.messages()
    assert (hit.subject, hit.folders) == (f"subject {CRASH.lower()}", ("bob@example.com/Inbox",))


def test_large_mail_that_kills_its_parser_is_listed_too(vault: TestVault) -> None:
    killer = hostile(CRASH, attachments=[("plan.bin", bytes(range(256)) * 40_000)])
    vault.archive([report(killer)])
    (hit,) = vault.search("filename:plan.bin")
    assert (hit.subject, hit.attachments) == (f"subject {CRASH.lower()}", 1)
    assert vault.raw(hit.id) == killer


def test_mail_without_readable_text_is_found_by_what_is_shown_of_it(vault: TestVault) -> None:
    vault.archive([report(hostile(CRASH, attachments=[("plan.txt", b"an attachment")]))])
    (hit,) = vault.search("filename:plan.txt from:anna subject:crashparser")
    vault.rebuild()
    assert vault.search("filename:plan.txt from:anna subject:crashparser") == [hit]
    shown = vault.show(hit.id)
    assert dict(shown.headers)["Subject"] == f"subject {CRASH.lower()}"
    assert [one.filename for one in shown.attachments] == ["plan.txt"]
    assert shown.text == ""


def test_a_note_says_that_the_text_was_not_read(vault: TestVault) -> None:
    vault.archive([hostile_report(CRASH)])
    (hit,) = vault.messages()
    assert UNREAD in vault.show(hit.id).notes


def test_a_copy_is_linked_to_no_message_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = TestVault(tmp_path / "linked")
    original = hostile(CRASH, message_id="<one@example.com>")
    assert vault.archive([report(original)]).new == 1  # the parser had no fault at that time
    copies = [
        plain(subject=f"subject {CRASH.lower()}", body="another text\n", message_id="<one@example.com>"),
        hostile(CRASH, message_id="<one@example.com>").replace(b"before", b"after "),
    ]
    with hostile_parser(monkeypatch):
        for number, copy in enumerate(copies):
            books = mailbox(vault, f"mailbox {number}", copy)
            assert (books.new, books.merged) == (1, 0)
        assert len(vault.messages()) == 3
    vault.sound()


def test_a_copy_that_the_service_wrote_is_still_linked(vault: TestVault) -> None:
    original = plain(body="a text\n", message_id="<two@example.com>")
    vault.archive([report(original)])
    assert mailbox(vault, "mailbox", regenerated(original)).merged == 1
