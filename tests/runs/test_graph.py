"""Mailboxes of Microsoft 365, from a double of Graph into a vault."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.facts import REGENERATED
from muniment.archive.files.temp_files import own_work
from muniment.sources.folders import title
from muniment.sources.graph.connection import BATCH
from support.crashing import graph_crash_loop
from support.entra import Entra
from support.graph_boxes import graph_profile
from support.graph_double import LANGUAGES, GraphDouble, Mailbox
from support.proxy import Proxy
from support.reports import plain, report
from support.vaults import TestVault

DAY = 86400
BOB = "bob@example.com"
NASTY = ("a/b", "a\\b", "per%2Fcent", "😀 fun", "bell\x07 and\ttab\x1b[31m", "\"' &#?+")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphDouble]:
    with Entra(tmp_path_factory.mktemp("entra")) as entra, GraphDouble(entra, regenerate=True) as double:
        yield double


@pytest.fixture
def graph(service: GraphDouble) -> Iterator[GraphDouble]:
    service.calm()
    service.retry_after = "0"
    yield service
    assert service.unknown == [], "a request that no public page describes"


@pytest.fixture
def bob(graph: GraphDouble) -> Mailbox:
    return graph.mailbox(BOB, "de")


def mails(count: int, about: str = "") -> list[bytes]:
    return [plain(subject=f"{about}{n}", body=f"Text {about}{n}.\n" * 9) for n in range(count)]


def run(vault: TestVault) -> api.RunSummary:
    summary = vault.run("box")
    assert (summary.state, summary.balanced, summary.error) == ("ok", True, "")
    return summary


def cancelled(vault: TestVault, when: Callable[[], bool]) -> api.RunSummary:
    """A run that is cancelled as soon as `when` returns true."""
    words: list[Any] = []
    for word in vault.client.stream(api.Run(profile="box")):
        words.append(word)
        if when():
            vault.client.call(api.CancelRun(profile="box"), api.Done)
    summary = words[-1]
    assert isinstance(summary, api.RunSummary)
    assert (summary.state, summary.balanced, summary.error) == ("cancelled", True, "")
    return summary


def subjects(vault: TestVault) -> list[str]:
    return sorted(hit.subject for hit in vault.messages())


def test_folders_appear_unchanged_in_the_tree(vault: TestVault, graph: GraphDouble) -> None:
    expected = {}
    for language, names in LANGUAGES.items():
        mailbox = graph.mailbox(f"{language}@example.com", language)
        paths = [
            names,
            NASTY,
            *((name,) for name in NASTY[1:]),
            *((f"{names[0]} {n}", names[1]) for n in range(8)),
        ]
        for number, path in enumerate(paths):
            mailbox.put([plain(subject="m", body=f"{language} {number}")], mailbox.folder(*path))
        for known in mailbox.known:
            mailbox.put([plain(subject="m", body=f"{language} {known}")], known)
        archive = {names[5]: 1, "Inbox": 1, "Sent": 1}
        expected[mailbox.address] = {title(path): 1 for path in paths} | archive
    assert sum(len(box.folders) for box in graph.mailboxes.values()) // 2 >= 200
    graph_profile(vault, graph, mailboxes=["*"])
    run(vault)
    assert vault.tree() == expected
    assert run(vault).listed == 0
    vault.sound()


def test_regenerated_copies_are_stored_once_with_the_journaled_original(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    received = plain(subject="in", attachments=[("a.bin", bytes(range(256)) * 99)])
    sent = plain(subject="out", sender=BOB, to=["carl@other.example"])
    vault.archive([report(received), report(sent, sender=BOB, recipients=["carl@other.example"])])
    bob.put([received], bob.folder("Posteingang", "Kunden"))
    bob.put([sent], "sentitems")
    graph_profile(vault, graph, mailbox=BOB)
    summary = run(vault)
    assert (summary.new, summary.merged) == (0, 2)
    assert vault.tree()[BOB] == {"Inbox": 1, "Posteingang/Kunden": 1, "Sent": 1}
    originals = {vault.raw(hit.id) for hit in vault.messages()}
    assert originals == {received, sent}
    for hit in vault.messages():
        assert any(REGENERATED in envelope.flags for envelope in vault.show(hit.id).envelopes)
    vault.rebuild()
    assert {vault.raw(hit.id) for hit in vault.messages()} == originals
    vault.sound()


def test_originals_that_come_later_displace_regenerated_copies(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    received = plain(subject="in", attachments=[("a.bin", bytes(range(256)) * 99)])
    sent = plain(subject="out", sender=BOB, to=["carl@other.example"])
    edited = plain(subject="edited", body="as it is in the mailbox", message_id="<1@other.example>")
    bob.put([received], bob.folder("Posteingang", "Kunden"))
    bob.put([sent], "sentitems")
    bob.put([edited])
    graph_profile(vault, graph, mailbox=BOB)
    assert run(vault).new == 3
    journaled = plain(subject="edited", body="as it was sent", message_id="<1@other.example>")
    vault.archive([report(received), report(sent, sender=BOB, recipients=[]), report(journaled)])
    assert vault.tree()[BOB] == {"Inbox": 3, "Posteingang/Kunden": 1, "Sent": 1}
    originals = {vault.raw(hit.id) for hit in vault.messages()}
    assert len(originals) == 4
    assert originals > {received, sent, journaled}
    vault.rebuild()
    assert {vault.raw(hit.id) for hit in vault.messages()} == originals
    copies = vault.status().envelopes
    vault.client.call(api.PutProfile(name="box", fields={"delete": True}), api.Done)
    summary = run(vault)
    assert (summary.fetched, summary.merged, summary.deleted, bob.messages()) == (3, 3, 3, [])
    assert vault.status().envelopes == copies, (
        "they say the same as the originals, so nothing was stored again"
    )
    vault.sound()


def test_a_run_with_many_faults_brings_everything_once(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    """Throttles, expired tokens, cut connections, a moved mailbox, a renamed folder and a deleted one."""
    renamed, doomed = bob.folder("Kunden"), bob.folder("Weg")
    folders = {"inbox": "inbox", "sent": "sentitems", "kunden": renamed, "alt": bob.folder("Kunden", "Alt")}
    for name, folder in folders.items():
        bob.put(mails(40, name), folder)
    bob.put(mails(20, "doomed"), doomed)

    def weather(count: int) -> None:
        if count == 1:
            bob.folders[renamed].name = "Customers"
            bob.folders.pop(doomed)
        elif count == 50:
            graph.generation += 1
            graph.trouble = [("/$value", 503, "ErrorMailboxMoveInProgress")] * 2
        elif count % 20 == 0:
            graph.storm = 6
        elif count % 30 == 0:
            graph.expire()

    graph.page, graph.on_message = 15, weather
    own = graph.port
    with Proxy((graph.host, own)) as proxy:
        proxy.cut_every(40_000)
        graph.port = proxy.port
        graph_profile(vault, graph, mailbox=BOB)
        try:
            first = run(vault)
            run(vault)
        finally:
            graph.port = own
    assert (first.listed, first.new + first.skipped) == (180, 180)
    found = Counter(hit.subject for hit in vault.messages())
    assert {f"{name}{n}" for name in folders for n in range(40)} <= set(found)
    assert set(found.values()) == {1}
    assert found.total() == first.new
    vault.sound()


def test_only_items_of_the_right_age_are_archived_and_deleted(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    now = time.time()
    for days in (1, 10, 100, 1000):
        bob.put([plain(subject=f"{days} days")], received=now - days * DAY)
    graph_profile(vault, graph, mailbox=BOB, older_than=5, newer_than=500, delete=True, delete_after=90)
    summary = run(vault)
    assert (summary.listed, summary.new, summary.skipped, summary.deleted) == (4, 2, 2, 1)
    assert subjects(vault) == ["10 days", "100 days"]
    assert len(bob.messages()) == 3
    assert run(vault).fetched == 0
    vault.sound()


def test_items_of_an_earlier_run_are_fetched_and_compared_before_deletion(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    ids = bob.put(mails(5))
    graph_profile(vault, graph, mailbox=BOB)
    assert run(vault).new == 5
    edited = bob.message(ids[0])
    edited.raw = edited.raw.replace(b"Text 0.", b"Edited.")
    vault.client.call(api.PutProfile(name="box", fields={"delete": True}), api.Done)
    summary = run(vault)
    assert (summary.new, summary.merged, summary.deleted) == (1, 4, 5)
    assert bob.messages() == []
    assert len(vault.messages()) == 6, "the edited message is another one, and is kept as well"
    vault.sound()


def test_an_item_that_graph_can_not_write_fails_with_its_id_and_is_tried_again(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    ids = bob.put(mails(12))
    bob.message(ids[3]).broken = "ErrorMimeContentConversionFailed"
    graph_profile(vault, graph, mailbox=BOB)
    summary = vault.run("box")
    assert (summary.state, summary.failed, summary.new, summary.balanced) == ("failed", 1, 11, True)
    assert ids[3] in summary.error
    assert "ErrorMimeContentConversionFailed" in summary.error
    bob.message(ids[3]).broken = ""
    summary = run(vault)
    assert (summary.already, summary.new) == (11, 1)


def test_a_moved_message_is_stored_once_and_found_in_both_folders(
    vault: TestVault, graph: GraphDouble, bob: Mailbox
) -> None:
    (id_,) = bob.put(mails(1))
    graph_profile(vault, graph, mailbox=BOB)
    run(vault)
    bob.move(id_, "archive")
    summary = run(vault)
    assert (summary.new, summary.merged) == (0, 1)
    assert vault.tree() == {BOB: {"Inbox": 1, "Archiv": 1}}


def test_a_profile_is_tried_step_by_step(vault: TestVault, graph: GraphDouble, bob: Mailbox) -> None:
    bob.put(mails(3))
    graph_profile(vault, graph, mailbox=BOB)
    words: list[Any] = list(vault.client.stream(api.TestProfile(name="box")))
    steps = [word.text for word in words if isinstance(word, api.Step)]
    assert any(f"logged in as {BOB}" in step for step in steps)
    assert steps[-1] == "listed 3 messages"
    graph.roles = set()
    with pytest.raises(Exception, match=r"permission Mail\.Read with admin consent"):
        list(vault.client.stream(api.TestProfile(name="box")))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("asked", [0, 30])
def test_a_run_that_the_service_keeps_waiting_can_be_cancelled(
    vault: TestVault, graph: GraphDouble, bob: Mailbox, asked: int
) -> None:
    """While it waits for the list, or for the messages."""
    storm = 1_000_000
    bob.put(mails(200))
    graph_profile(vault, graph, mailbox=BOB)
    graph.retry_after = "600"
    begun = graph.asked["value"]

    def throttle(count: int) -> None:
        if count - begun == asked:
            graph.storm = storm

    graph.storm, graph.on_message = (0 if asked else storm), throttle
    summary = cancelled(vault, lambda: 0 < graph.storm < storm)
    assert (summary.listed, summary.pending > 0) == ((200, True) if asked else (0, False))
    assert list(own_work(vault.folder).rglob("*.*")) == [], "unused fetched files are removed"
    graph.storm, graph.on_message = 0, lambda count: None
    run(vault)
    assert len(vault.messages()) == 200


@pytest.mark.timeout(180)
def test_throttled_deletions_are_recorded_although_the_run_is_cancelled(
    vault: TestVault, graph: GraphDouble, bob: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current portion is deleted and recorded, and no other is begun. The next run continues."""
    bob.put(mails(2 * BATCH))
    graph_profile(vault, graph, mailbox=BOB, delete=True)
    graph.retry_after = "1"
    remove = bob.remove
    removed: list[str] = []

    def then_throttle(id_: str) -> bool:
        if not removed:
            graph.storm = 30
        removed.append(id_)
        return remove(id_)

    monkeypatch.setattr(bob, "remove", then_throttle)
    summary = cancelled(vault, lambda: bool(removed and graph.storm))
    assert (summary.deleted, len(removed)) == (BATCH, BATCH)
    assert run(vault).deleted == BATCH
    assert bob.messages() == []


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_killed_runs_lose_nothing(vault: TestVault, graph: GraphDouble, bob: Mailbox, tmp_path: Path) -> None:
    graph_crash_loop(vault, graph, bob, kills=3, mails=mails(180), seed=3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_killed_runs_lose_nothing(vault: TestVault, graph: GraphDouble, bob: Mailbox) -> None:
    graph_crash_loop(vault, graph, bob, kills=40, mails=mails(8_000), seed=4)
