"""The date of a message without a plausible Date field, from every kind of source."""

from __future__ import annotations

import imaplib
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import create_vault
from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy
from muniment.sources.base import FetchedItem, MailItem, MailPlace
from support.cases import cases_dir
from support.crashing import server_profile
from support.dovecot import Dovecot
from support.entra import Entra
from support.ews_double import Exchange
from support.exchanges import ANNA, PASSWORD, exchange_profile
from support.graph_boxes import graph_profile
from support.graph_double import GraphDouble
from support.reports import plain, report
from support.vaults import TestVault

DAY = 86_400
ARRIVED = int(datetime(2009, 2, 12, 15, 20, 11, tzinfo=UTC).timestamp())
"""The time in the newest Received field of the cases."""
AT_SOURCE = int(datetime(2009, 11, 3, 9, 15, tzinfo=UTC).timestamp())
CASES = {
    "date-none-received.eml": ARRIVED,
    "date-empty.eml": ARRIVED,
    "date-25h.eml": ARRIVED,
    "date-1970.eml": ARRIVED,
    "date-2099.eml": ARRIVED,
    "date-ampm-received.eml": int(datetime(2000, 12, 15, 23, 13, 27, tzinfo=UTC).timestamp()),
}
KEPT = {"delete": False, "journal": False, "owner": "bob@example.com"}
UNDATED = plain(subject="undated", date=None)


def dates(vault: TestVault) -> dict[str, int]:
    """The date of each message by its subject."""
    return {hit.subject: hit.date for hit in vault.messages()}


def again(vault: TestVault) -> TestVault:
    """The same vault after a rebuild of everything but the ledger. The dates must be the same."""
    vault.sound()
    before = dates(vault)
    vault.rebuild()
    assert dates(vault) == before
    vault.sound()
    return vault


def test_mail_has_the_first_plausible_date(vault: TestVault) -> None:
    mails = {name: (cases_dir() / name).read_bytes() for name in CASES}
    right = dict(zip((_subject(mail) for mail in mails.values()), CASES.values(), strict=True))
    assert vault.archive(mails.values()).new == len(CASES)
    assert dates(again(vault)) == right
    assert {hit.subject for hit in vault.search("on:2009-02-12")} == {
        subject for subject, date in right.items() if date == ARRIVED
    }
    assert [hit.subject for hit in vault.search("before:2001 after:2000-12-15")] == ["date ampm spam 2000"]
    assert vault.search("on:today") == []
    (hit,) = vault.search('subject:"date 1970"')
    assert vault.show(hit.id).date == ARRIVED
    export = vault.folder.parent / "export.mbox"
    list(vault.client.stream(api.Export(query='subject:"date 1970"', path=str(export))))
    assert export.read_bytes().startswith(b"From "), "an mbox"
    assert b" Thu Feb 12 15:20:11 2009\n" in export.read_bytes().partition(b"Subject")[0]
    listed = vault.client.call(api.ListMessages(user="catch-all", folder="Inbox"), api.Hits).hits
    assert {one.subject: one.date for one in listed} == right


@pytest.mark.parametrize("kind", ["ews", "graph"])
def test_a_service_says_when_undated_mail_arrived(kind: str, vault: TestVault, tmp_path: Path) -> None:
    with ExitStack() as stack:
        if kind == "ews":
            exchange = stack.enter_context(Exchange())
            exchange.offers = ('Basic realm="double"',)
            person = exchange.person(ANNA, PASSWORD)
            person.put([UNDATED])
            for item in person.inbox.items.values():
                item.received = AT_SOURCE
            exchange_profile(vault, exchange, delete=False)
        else:
            entra = stack.enter_context(Entra(tmp_path))
            graph = stack.enter_context(GraphDouble(entra))
            graph.mailbox(ANNA).put([UNDATED], received=AT_SOURCE)
            graph_profile(vault, graph, mailbox=ANNA, delete=False)
        summary = vault.run("box")
        assert (summary.state, summary.new) == ("ok", 1), summary.error
    assert dates(again(vault)) == {"undated": AT_SOURCE}


def _subject(mail: bytes) -> str:
    return mail.partition(b"Subject: ")[2].partition(b"\n")[0].strip().decode()


def test_the_same_bytes_have_the_same_date_in_each_vault(tmp_path: Path) -> None:
    mails = [(cases_dir() / name).read_bytes() for name in CASES]
    found = []
    for number, order in enumerate((mails, mails[::-1])):
        vault = TestVault(tmp_path / f"vault {number}")
        vault.archive(order)
        vault.archive(order)
        found.append(dates(vault))
    assert found[0] == found[1]


def test_mail_without_a_date_has_that_of_its_report(vault: TestVault) -> None:
    vault.archive([report(UNDATED, recipients=["bob@example.com"], date=AT_SOURCE)], journal=True)
    assert dates(again(vault)) == {"undated": AT_SOURCE}


def test_an_mbox_gives_the_date(vault: TestVault, tmp_path: Path) -> None:
    mbox = tmp_path / "mbox"
    mbox.write_bytes((cases_dir() / "files" / "mbox" / "no-date.mbox").read_bytes())
    vault.profile("old", source="mbox", path=str(mbox), **KEPT)
    assert vault.run("old").new == 1
    assert dates(again(vault)) == {"mb no date from line 2009": AT_SOURCE}


@pytest.mark.parametrize("kind", ["eml", "maildir"])
def test_a_file_gives_the_date(vault: TestVault, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "files" / ("new" if kind == "maildir" else "")
    folder.mkdir(parents=True)
    for subject, time in (("aged", AT_SOURCE), ("unpacked", 315_532_800)):
        path = folder / f"{subject}.eml"
        path.write_bytes(plain(subject=subject, date=None))
        os.utime(path, (time, time))
    vault.profile("old", source=kind, path=str(tmp_path / "files"), **KEPT)
    assert vault.run("old").new == 2
    found = dates(again(vault))
    assert found["aged"] == AT_SOURCE
    assert found["unpacked"] > AT_SOURCE + 1000 * DAY, "of 1980, as files without a time are unpacked"


def test_an_imap_server_gives_the_date(vault: TestVault, dovecot: Dovecot) -> None:
    mailbox = dovecot.mailbox()
    imap = imaplib.IMAP4(dovecot.host, dovecot.imap)
    imap.login(mailbox.name, mailbox.password)
    assert imap.append("INBOX", "", '" 3-Nov-2009 10:15:00 +0100"', UNDATED)[0] == "OK"
    imap.shutdown()
    server_profile(vault, dovecot, mailbox, "imap", **KEPT)
    assert vault.run("box").new == 1
    assert dates(again(vault)) == {"undated": AT_SOURCE}


PLACES = [MailPlace("host:1", "box", folder) for folder in ("one", "two")]


def taken(vault: Vault, raws: list[tuple[bytes, MailPlace, int | None]]) -> None:
    """Archive mail as one batch of a run, from several places."""
    plan = RunPlan(profile="p", journal=False, delete=False, owner="bob@example.com")
    copies = CopyPreparer({}).prepare([CopyJob(raw, "", False) for raw, _, _ in raws])
    archivist = Archivist(vault, plan)
    for number, ((raw, place, date), copy) in enumerate(zip(raws, copies, strict=True)):
        assert isinstance(copy, PreparedCopy)
        archivist.take(FetchedItem(MailItem(place, f"key {number}", len(raw), date=date), raw), copy)
    archivist.commit()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Vault]:
    folder = tmp_path / "bare"
    folder.mkdir(mode=0o700)
    with closing(create_vault(folder)) as vault:
        yield vault


def test_the_first_copy_of_a_batch_gives_the_date_in_a_rebuild_too(bare: Vault) -> None:
    one, two = PLACES
    other = plain(subject="other", date=formatdate(AT_SOURCE))
    taken(bare, [(other, one, 5), (UNDATED, two, AT_SOURCE), (UNDATED, one, AT_SOURCE + DAY)])
    before = _rows(bare)
    assert before["undated"] == AT_SOURCE
    assert not bare.renew_catalog()
    assert _rows(bare) == before


def _rows(vault: Vault) -> dict[str, int]:
    rows = vault.catalog.rows(range(100))
    return {row.subject: row.date for row in rows}
