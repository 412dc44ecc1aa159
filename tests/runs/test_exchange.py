"""Runs over mailboxes of an Exchange Server, a double that generates its MIME at each read."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.facts import REGENERATED
from muniment.mail.journal.report import read_report
from muniment.mail.text.likeness import likeness
from support.clocks import skip_waits
from support.crashing import command, kept, run_killed, sample_reports
from support.ews_double import Exchange
from support.ews_mailboxes import GERMAN, Person
from support.exchanges import ANNA, BOB, PASSWORD, exchange_profile
from support.reports import line, plain, report
from support.vaults import TestVault

DAY = 86400


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as server:
        server.offers = ('Basic realm="double"',)
        server.regenerate = True
        yield server
        assert server.unknown == [], "a request that no public page describes"


@pytest.fixture
def anna(exchange: Exchange) -> Person:
    return exchange.person(ANNA, PASSWORD, GERMAN)


def run(vault: TestVault, state: str = "ok") -> api.RunSummary:
    summary = vault.run("box")
    assert (summary.state, summary.balanced) == (state, True), summary.error
    return summary


def subjects(vault: TestVault) -> list[str]:
    return sorted(hit.subject for hit in vault.messages())


def test_folders_are_linked_to_the_journaled_originals(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    sent = plain(subject="sent", attachments=[("a.bin", bytes(range(256)) * 40)])
    received = plain(sender="Carl <carl@other.example>", to=[ANNA], subject="received")
    vault.archive([report(sent), report(received, sender="carl@other.example", recipients=[ANNA])])
    anna.put([sent], anna.known("sentitems"))
    anna.put([received], anna.folder("Projekte", "a/b"))
    anna.put([plain(subject="old")], anna.folder("Projekte"))
    anna.put([plain(subject="away")], anna.known("deleteditems"))
    exchange_profile(vault, exchange)
    summary = run(vault)
    assert (summary.listed, summary.new, summary.merged) == (3, 1, 2)
    assert vault.tree()[ANNA] == {"Inbox": 1, "Sent": 1, "Projekte": 1, r"Projekte/a\/b": 1}
    assert subjects(vault) == ["old", "received", "sent"]
    (hit,) = vault.search("subject:received")
    assert vault.raw(hit.id) == received
    assert REGENERATED in vault.show(hit.id).envelopes[1].flags
    assert run(vault).listed == 0, "nothing came since the mark"
    vault.rebuild()
    assert (run(vault).already, len(vault.messages())) == (3, 3)
    vault.sound()


def test_originals_that_come_later_displace_copies_from_folders(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    received = plain(sender="Carl <carl@other.example>", to=[ANNA], subject="received")
    anna.put([received], anna.folder("Projekte"), days_ago=89)
    exchange_profile(vault, exchange, delete=True, delete_after=90)
    assert run(vault).new == 1
    for _ in range(2):
        vault.archive([report(received, sender="carl@other.example", recipients=[ANNA])])
        (hit,) = vault.messages()
        assert vault.raw(hit.id) == received
        assert vault.tree()[ANNA] == {"Inbox": 1, "Projekte": 1}
        vault.rebuild()
    before = kept(vault)
    (mail,) = anna.folder("Projekte").items.values()
    mail.received -= 2 * DAY
    summary = run(vault)
    assert (summary.fetched, summary.merged, summary.deleted) == (1, 1, 1)
    assert kept(vault) == before, "nothing was kept twice"
    vault.sound()


def test_reports_without_their_marker_are_recognised(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    anna.put([report(plain(subject=f"{n}"), recipients=[BOB, f"user{n}@example.com"]) for n in range(5)])
    anna.put([plain(subject="no report")])
    exchange_profile(vault, exchange, journal=True, delete=True)
    summary = run(vault)
    assert (summary.fetched, summary.new, summary.deleted) == (6, 6, 6)
    assert vault.tree()[BOB] == {"Inbox": 6}
    assert vault.tree()["user3@example.com"] == {"Inbox": 1}
    assert anna.inbox.items == {}
    vault.sound()


def test_a_report_as_it_was_sent_displaces_one_that_ews_rewrote(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    original = plain(attachments=[("a.bin", bytes(range(256)) * 40)])
    anna.put([report(original, recipients=[BOB, line("Bcc", "eve@example.com")])])
    exchange_profile(vault, exchange, journal=True)
    assert run(vault).new == 1
    vault.archive([report(original)])
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == original
    assert vault.tree() == {ANNA: {"Sent": 1}, BOB: {"Inbox": 1}, "eve@example.com": {"Inbox": 1}}
    vault.rebuild()
    assert vault.raw(hit.id) == original
    vault.sound()


def test_old_enough_items_are_read_again_and_deleted(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    anna.put([plain(subject="young")], days_ago=1)
    anna.put([plain(subject="old"), plain(subject="no id", message_id="")], days_ago=89)
    exchange_profile(vault, exchange, delete=True, delete_after=90)
    assert (run(vault).new, len(anna.inbox.items)) == (3, 3)
    before = kept(vault)
    assert run(vault).fetched == 0
    for mail in anna.inbox.items.values():
        mail.received -= 2 * DAY
    summary = run(vault)
    assert (summary.fetched, summary.merged, summary.deleted) == (2, 2, 2)
    assert kept(vault) == before, "nothing was kept twice"
    assert len(anna.inbox.items) == 1
    vault.sound()


def test_a_changed_item_is_kept_as_it_is_now_before_it_is_deleted(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    anna.put([plain(body="before", message_id="<one@example.com>")], days_ago=89)
    exchange_profile(vault, exchange, delete=True, delete_after=90)
    run(vault)
    for mail in anna.inbox.items.values():
        mail.received -= 2 * DAY
        mail.content = plain(body="after", message_id="<one@example.com>")
    summary = run(vault)
    assert (summary.new, summary.deleted) == (1, 1)
    assert len(vault.messages()) == 2
    vault.sound()


def test_only_items_of_the_right_age_are_archived(vault: TestVault, exchange: Exchange, anna: Person) -> None:
    for days in (1, 10, 100, 1000):
        anna.put([plain(subject=f"{days} days")], days_ago=days)
    exchange_profile(vault, exchange, older_than=5, newer_than=500)
    summary = run(vault)
    assert (summary.listed, summary.new, summary.skipped) == (4, 2, 2)


def test_several_mailboxes_belong_to_their_owners(vault: TestVault, exchange: Exchange) -> None:
    exchange.logins["svc"] = PASSWORD
    exchange.impersonators.add("svc")
    for address in (ANNA, BOB):
        person = exchange.person(address)
        person.put([plain(subject=address, sender=address)], person.folder("Kunden"))
        person.put([plain(subject="to both", sender="carl@other.example", to=[ANNA, BOB])])
    exchange_profile(vault, exchange, mailbox="svc", mailboxes=[ANNA, BOB], access="impersonation")
    assert (run(vault).new, run(vault).listed) == (4, 0), (
        "a message from one mailbox is no original for another"
    )
    assert vault.tree() == {ANNA: {"Inbox": 1, "Kunden": 1}, BOB: {"Inbox": 1, "Kunden": 1}}
    vault.sound()


def test_a_moved_mailbox_brings_the_same_mail_under_other_ids(
    vault: TestVault, exchange: Exchange, anna: Person
) -> None:
    mails = [plain(subject=f"{n}") for n in range(5)]
    anna.put(mails, anna.folder("Kunden"))
    exchange_profile(vault, exchange)
    assert run(vault).new == 5
    moved = exchange.person(ANNA, PASSWORD, GERMAN)
    moved.put(mails, moved.folder("Kunden"))
    assert (run(vault).merged, len(vault.messages())) == (5, 5)
    assert vault.tree() == {ANNA: {"Kunden": 5}}
    vault.sound()


def test_a_profile_is_tried_step_by_step(vault: TestVault, tmp_path: Path) -> None:
    with Exchange(tmp_path / "tls") as server:
        server.person(ANNA, PASSWORD).put([plain()] * 3)
        exchange_profile(vault, server, auth="password")
        words = list(vault.client.stream(api.TestProfile(name="box")))
        steps = [word.text for word in words if isinstance(word, api.Step)]
        assert steps[-2:] == [f"logged in as {ANNA}", "listed 3 messages"]
        (shown,) = [word for word in words if isinstance(word, api.Certificate)]
        assert shown.trusted


def test_runs_in_trouble_end_balanced_and_store_nothing_twice(
    vault: TestVault, exchange: Exchange, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_waits(monkeypatch)
    folders = [anna.folder("F", f"{n}") for n in range(10)]
    for n, folder in enumerate(folders):
        anna.put([plain(subject=f"{n} {m}") for m in range(30)], folder)
    list(folders[3].items.values())[5].error = "ErrorMimeContentConversionFailed"

    def meanwhile(operation: str) -> None:
        asked = exchange.asked
        if operation == "GetItem" and asked["GetItem"] == 2:
            folders[5].name = "renamed"
            anna.remove_folder(folders[9])
            exchange.busy = [30, 0, 20]
            exchange.fail = [(401, {}), (503, {"Retry-After": "0"})]

    exchange.after, exchange.cut_every = meanwhile, 5
    exchange_profile(vault, exchange)
    summary = run(vault, "failed")
    assert (summary.listed, summary.fetched, summary.failed) == (300, 269, 1)
    exchange.cut_every = 0
    summary = run(vault, "failed")
    assert (summary.fetched, summary.failed) == (0, 1)
    list(folders[3].items.values())[5].error = ""
    assert run(vault).new == 1
    assert len(subjects(vault)) == len(set(subjects(vault))) == 270
    vault.sound()


# --- kill -9 ---------------------------------------------------------------------------------------


def original(mail: bytes) -> bytes:
    found = read_report(mail)
    assert found
    (span,) = found.originals
    return mail[span.start : span.end]


def crash_loop(vault: TestVault, exchange: Exchange, anna: Person, kills: int, count: int, seed: int) -> None:
    """Empty a journaling mailbox by runs that are killed. Nothing may be lost or stored twice."""
    mails = [mail for mail in sample_reports(count) if b"broken" not in mail]
    rng = random.Random(seed)
    exchange_profile(vault, exchange, journal=True, delete=True)
    began = time.monotonic()
    anna.put(mails[:3])
    subprocess.run(command(vault.folder, "run", "box"), check=True, capture_output=True)
    whole = time.monotonic() - began + 0.5
    remaining, killed, each = mails[3:], 0, max(5, count // (2 * kills))
    while killed < kills and remaining:
        anna.put(remaining[:each])
        remaining = remaining[each:]
        killed += run_killed(vault.folder, "box", rng.uniform(0.3, 1.0) * whole)
    assert killed
    anna.put(remaining)
    run(vault)
    assert anna.inbox.items == {}
    copies, messages = kept(vault)
    assert (copies.total(), len(copies)) == (len(mails), len(mails))
    assert messages.total() == len(messages) == len({likeness(original(mail)).message for mail in mails})
    vault.sound()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_killed_runs_lose_nothing(vault: TestVault, exchange: Exchange, anna: Person) -> None:
    crash_loop(vault, exchange, anna, kills=2, count=200, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_killed_runs_lose_nothing(vault: TestVault, exchange: Exchange, anna: Person) -> None:
    crash_loop(vault, exchange, anna, kills=40, count=5_000, seed=2)


# --- size ------------------------------------------------------------------------------------------

READ = """
import itertools, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import psutil
from muniment.sources.endpoint import EwsEndpoint
from muniment.sources.factory import open_source
source = open_source(EwsEndpoint(kind="ews", host="localhost", port={port}, security="none", scheme="basic",
    mailbox={mailbox!r}, password={password!r}, work=Path({work!r}), timeout=60))
source.connect()
memory, count, longest = [], 0, 0.0
listing = source.listing()
last = time.monotonic()
while chunk := list(itertools.islice(listing, source.session)):
    for answer in source.fetch(chunk):
        count += bool(answer.content)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    memory.append(psutil.Process().memory_info().rss)
print(count, longest, *memory)
"""


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_items_in_one_folder(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    exchange.regenerate = False
    anna.put(plain(subject=f"{n}", body="text\n" * 200) for n in range(100_000))
    script = READ.format(
        path=sys.path, port=exchange.port, mailbox=ANNA, password=PASSWORD, work=str(tmp_path / "work")
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    count, longest, *memory = printed.stdout.split()
    assert int(count) == 100_000
    assert float(longest) < 30.0
    assert int(memory[-1]) < 1.1 * int(memory[1]), "memory grows with the folder"
