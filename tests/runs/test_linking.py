"""Copies that a service rewrote are stored once, with their journaled original."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.archive.facts import REGENERATED
from support.regenerating import mailbox, regenerated
from support.reports import plain, report
from support.vaults import TestVault

ORIGINAL = plain(body="Anbei.\n", attachments=[("a.bin", bytes(range(256)) * 400)])
COPY = regenerated(ORIGINAL)


def test_a_copy_is_linked_to_its_journaled_original(vault: TestVault) -> None:
    vault.archive([report(ORIGINAL)])
    before = vault.status()
    books = mailbox(vault, "box", COPY)
    assert (books.new, books.merged) == (0, 1)
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == ORIGINAL
    assert [vault.report(hit.id, n) for n in (1, 2)] == [report(ORIGINAL), COPY]
    assert vault.tree() == {"anna@example.com": {"Sent": 1}, "bob@example.com": {"Inbox": 1, "Kunden": 1}}
    assert REGENERATED in vault.show(hit.id).envelopes[1].flags
    after = vault.status()
    assert after.messages == before.messages == 1
    assert after.bytes_ledger - before.bytes_ledger < len(COPY) / 4, "its attachment is kept once"
    vault.rebuild()
    assert [vault.report(hit.id, n) for n in (1, 2)] == [report(ORIGINAL), COPY]
    vault.sound()


def test_an_item_that_is_rewritten_at_each_read_is_one_message(vault: TestVault) -> None:
    books = mailbox(vault, "box", COPY, regenerated(ORIGINAL, "8bit"))
    assert (books.new, books.merged) == (1, 1)
    assert mailbox(vault, "box", regenerated(ORIGINAL, "quoted-printable")).merged == 1
    (hit,) = vault.messages()
    assert vault.raw(hit.id) in (COPY, regenerated(ORIGINAL, "8bit"))
    vault.rebuild()
    assert len(vault.messages()) == 1
    vault.sound()


def test_another_body_under_the_same_id_is_another_message(vault: TestVault) -> None:
    vault.archive([report(ORIGINAL)])
    other = regenerated(ORIGINAL.replace(b"Anbei.", b"Storno."))
    assert mailbox(vault, "box", other, COPY).new == 1
    assert len(vault.messages()) == 2
    vault.sound()


def test_large_copies_are_linked_as_well(vault: TestVault, tmp_path: Path) -> None:
    large = plain(attachments=[("a.bin", b"0123456789abcdef" * 600_000)])
    vault.archive([report(large)])
    copy = regenerated(large)
    assert mailbox(vault, "box", copy).merged == 1
    (hit,) = vault.messages()
    assert vault.report(hit.id, 2) == copy
    vault.sound()


@pytest.mark.parametrize("journal", [False, True])
def test_exact_copies_come_back_exactly(vault: TestVault, journal: bool) -> None:
    mails = [ORIGINAL] if not journal else [report(ORIGINAL)]
    vault.archive([report(ORIGINAL)])
    assert mailbox(vault, "box", *mails).fetched == 1
    vault.sound()
