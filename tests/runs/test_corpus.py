"""Mail from outside: every byte of it comes back, and the books balance."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import pytest

from muniment.archive.vault.open_vault import open_vault
from support.corpus import journal_files, malformed, real
from support.reports import report
from support.vaults import TestVault

SAMPLE = 400
"""How many of the real messages a test run takes. `make soak` takes all."""


def test_the_genuine_reports_come_back_as_message_and_as_report(vault: TestVault) -> None:
    reports = dict(journal_files())
    summary = vault.archive(reports.values())
    assert (summary.state, summary.new, summary.quarantined) == ("ok", len(reports), 0)
    returned = {vault.report(hit.id) for hit in vault.messages()}
    assert returned == set(reports.values())
    for hit in vault.messages():
        assert vault.raw(hit.id) in vault.report(hit.id)
        assert vault.show(hit.id).envelopes[0].parties
    vault.sound()


def keeps_every_byte(vault: TestVault, mails: Iterable[bytes]) -> None:
    """Archive mails plainly and wrapped as reports. All bytes of both must come back."""
    hashes, wrapped = set(), set()

    def both() -> Iterable[bytes]:
        for mail in mails:
            hashes.add(hashlib.sha256(mail).hexdigest())
            outer = report(mail, subject="", message_id="<outer@example.com>")
            wrapped.add(hashlib.sha256(outer).digest())
            yield mail
            yield outer

    summary = vault.archive(both())
    assert (summary.state, summary.balanced, summary.error) == ("ok", True, "")
    assert summary.fetched == summary.listed
    copies = hashes | {one.hex() for one in wrapped}
    assert copies <= returned(vault)
    vault.sound()


def returned(vault: TestVault) -> set[str]:
    """SHA-256 of every copy and message that the vault returns, quarantined ones included."""
    from muniment import api

    found = {item.id for item in vault.client.call(api.ListQuarantine(), api.Quarantine).items}
    opened = open_vault(vault.folder, write=False)
    try:
        after = ""
        while True:
            hits = vault.client.call(api.Search(query="", limit=1000, after=after), api.Hits)
            for hit in hits.hits:
                row = opened.catalog.message_by_prefix(hit.id)
                found.add(digest(opened.reader.content(row.sha)))
                for envelope in opened.catalog.envelopes_of(row.sequence):
                    found.add(digest(opened.reader.content_at(envelope.position)))
            after = hits.after
            if not after:
                return found
    finally:
        opened.close()


def digest(chunks: Iterable[bytes]) -> str:
    """SHA-256 of content in chunks, in hex."""
    total = hashlib.sha256()
    for chunk in chunks:
        total.update(chunk)
    return total.hexdigest()


def test_all_malformed_mail_is_kept_to_the_byte(vault: TestVault) -> None:
    keeps_every_byte(vault, [mail for _, mail in malformed()])


def test_a_sample_of_real_mail_is_kept_to_the_byte(vault: TestVault) -> None:
    keeps_every_byte(vault, (mail for _, mail in itertools.islice(real(), SAMPLE)))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_all_real_mail_is_kept_to_the_byte(vault: TestVault) -> None:
    keeps_every_byte(vault, (mail for _, mail in real()))
