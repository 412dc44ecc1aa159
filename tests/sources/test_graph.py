"""Microsoft Graph: folders, changes, messages and deletions, with all errors of the double."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.net import retry
from muniment.net.events import ServerPause
from muniment.net.oauth import sign_in, tokens
from muniment.net.retry import TransientError
from muniment.sources.base import FetchedItem, MailItem, UnfetchedItem
from muniment.sources.endpoint import Event
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice, title
from muniment.sources.graph.source import GraphSource
from support.graph_boxes import GraphBox, grant
from support.graph_double import LANGUAGES, GraphDouble
from support.proxy import Proxy


@pytest.fixture
def box(graph: GraphDouble, tmp_path: Path) -> Iterator[GraphBox]:
    made = GraphBox(graph, tmp_path / "work")
    yield made
    made.close()


def mail(n: int | str) -> bytes:
    return f"From: ann@example.org\r\nSubject: {n}\r\n\r\nText {n}.\r\n".encode()


def mails(count: int) -> list[bytes]:
    return [mail(n) for n in range(count)]


def opened(box: GraphBox, **changes: Any) -> GraphSource:
    source = box.connected(**changes)
    assert isinstance(source, GraphSource)
    return source


def bodies(source: GraphSource, items: list[MailItem]) -> list[bytes]:
    answers = list(source.fetch(items))
    assert {answer.item for answer in answers} == set(items)
    assert len(answers) == len(items)
    found = [answer.content for answer in answers if isinstance(answer, FetchedItem)]
    return sorted(one for one in found if isinstance(one, bytes))


def titled(source: GraphSource) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in source.listing():
        found[item.place.title] = found.get(item.place.title, 0) + 1
    return found


# --- folders --------------------------------------------------------------------------------------

NASTY = (
    "a/b",
    "a\\b",
    "per%2Fcent",
    "😀 fun",
    "bell\x07 and\ttab\x1b[31m",
    "Übersicht",
    "顧客",
    "\"' &#?+",
)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_folders_are_recognised_in_any_language(graph: GraphDouble, tmp_path: Path, language: str) -> None:
    box = GraphBox(graph, tmp_path, language)
    for folder in box.mailbox.known:
        box.mailbox.put([mail(folder)], folder)
    source = opened(box)
    archive = LANGUAGES[language][5]
    assert titled(source) == {"Inbox": 1, "Sent": 1, archive: 1}
    source.close()
    chosen = opened(box, folders=FolderChoice(("@junk", "@drafts", "@deleted", "@outbox", "@archive")))
    assert titled(chosen) == dict.fromkeys(LANGUAGES[language][2:], 1)
    box.close()


def test_two_hundred_folders_deep_and_wide(box: GraphBox, graph: GraphDouble) -> None:
    graph.page = 30
    paths = [tuple(NASTY[: depth + 1]) for depth in range(len(NASTY))]
    paths += [(f"wide {n}", name) for n in range(10) for name in NASTY]
    paths += [tuple(f"d{n}" for n in range(depth)) for depth in range(1, 51)]
    paths += [(*paths[-1], f"leaf {n}") for n in range(52)]
    for path in paths:
        box.mailbox.put([mail("x")], box.mailbox.folder(*path))
    assert len(box.mailbox.folders) > 200, "with those that every mailbox has"
    source = opened(box)
    assert titled(source) == {title(path): 1 for path in paths}
    assert graph.asked["batch"] < 70, "the folders of a level are asked for together"


def test_hidden_folders_and_views_are_left_out(box: GraphBox) -> None:
    box.mailbox.put([mail(1)], box.mailbox.folder("Secret", hidden=True))
    box.mailbox.put([mail(2)], box.mailbox.folder("Search Folders", "Unread", search=True))
    box.mailbox.put([mail(3)], box.mailbox.folder("Kunden", "Alt"))
    source = opened(box)
    assert titled(source) == {"Kunden/Alt": 1}


def test_folders_that_are_not_chosen_are_not_read(box: GraphBox) -> None:
    for path in (("Kunden",), ("Kunden", "Alt"), ("Spam",)):
        box.mailbox.put([mail(path[-1])], box.mailbox.folder(*path))
    source = opened(box, folders=FolderChoice(("kunden",), ("*/Alt",)))
    assert titled(source) == {"Kunden": 1}


# --- listing --------------------------------------------------------------------------------------


def test_each_message_is_listed_once_even_if_it_is_repeated(box: GraphBox, graph: GraphDouble) -> None:
    graph.page, graph.replay = 7, True
    ids = box.mailbox.put(mails(40), received=1_700_000_000)
    source = opened(box)
    items = list(source.listing())
    assert [item.key for item in items] == ids
    assert {item.date for item in items} == {1_700_000_000}
    assert source.expected == 40


def resumed(box: GraphBox, before: GraphSource) -> GraphSource:
    marks = before.marks()
    before.close()
    source = opened(box)
    source.resume(lambda place: marks.get(place, ""))
    return source


def test_with_a_mark_only_what_changed_is_listed(box: GraphBox) -> None:
    first = box.mailbox.put(mails(5))
    source = opened(box)
    assert len(list(source.listing())) == 5
    source = resumed(box, source)
    assert list(source.listing()) == []
    new = box.mailbox.put([mail("new")])
    box.mailbox.remove(first[0])
    source = resumed(box, source)
    assert [item.key for item in source.listing()] == new
    assert source.expected is None
    assert list(resumed(box, source).listing()) == []


def test_a_stale_mark_lists_the_whole_folder(box: GraphBox, graph: GraphDouble) -> None:
    ids = box.mailbox.put(mails(5))
    source = opened(box)
    list(source.listing())
    graph.generation += 1
    source = resumed(box, source)
    assert [item.key for item in source.listing()] == ids
    assert list(resumed(box, source).listing()) == []


def test_a_listing_that_becomes_stale_restarts_without_duplicates(box: GraphBox, graph: GraphDouble) -> None:
    graph.page = 10
    ids = box.mailbox.put(mails(45))
    source = opened(box)
    listing = source.listing()
    found = [next(listing) for _ in range(25)]
    graph.generation += 1
    found += listing
    assert [item.key for item in found] == ids
    assert source.marks()[found[0].place]


def test_an_endless_listing_is_an_error(box: GraphBox, graph: GraphDouble) -> None:
    graph.page = 2
    box.mailbox.put(mails(9))

    def forget() -> None:
        graph.generation += 1

    graph.on_page = forget
    source = opened(box)
    list(source.listing())
    (refusal,) = [one for one in source.refusals() if one.where.endswith("/Inbox")]
    assert "can't be listed to its end" in refusal.reason


def test_a_folder_that_disappears_ends_early(box: GraphBox, graph: GraphDouble) -> None:
    graph.page = 10
    folder = box.mailbox.folder("Kunden")
    box.mailbox.put(mails(30), folder)
    box.put([mail("other")])
    source = opened(box)
    found = []
    for item in source.listing():
        found.append(item)
        if item.place.title == "Kunden":
            box.mailbox.folders.pop(folder, None)
    assert [item.place.title for item in found] == ["Inbox", *["Kunden"] * 10]
    assert [place.title for place in source.marks() if place.title == "Kunden"] == []
    assert sum(isinstance(answer, UnfetchedItem) and answer.gone for answer in source.fetch(found)) == 10


def test_a_renamed_folder_keeps_its_place(box: GraphBox) -> None:
    folder = box.mailbox.folder("Kunden")
    box.mailbox.put(mails(3), folder)
    source = opened(box)
    items = list(source.listing())
    box.mailbox.folders[folder].name = "Customers"
    assert bodies(source, items) == mails(3)
    renamed = list(resumed(box, source).listing())
    assert renamed == [], "its mark still counts"
    again = list(opened(box).listing())
    assert [item.place for item in again] == [item.place for item in items]
    assert {item.place.title for item in again} == {"Customers"}


def test_a_moved_message_is_fetched_but_not_deleted(box: GraphBox) -> None:
    (id_,) = box.mailbox.put([mail(1)])
    source = opened(box)
    items = list(source.listing())
    box.mailbox.move(id_, "archive")
    assert bodies(source, items) == [mail(1)]
    assert source.delete(items) == []
    assert [message.id for message in box.mailbox.messages()] == [id_]
    source = resumed(box, source)
    assert [(item.key, item.place.title) for item in source.listing()] == [(id_, "Archive")]


# --- fetching in spite of errors ------------------------------------------------------------------


def test_at_most_four_requests_for_a_mailbox_at_a_time(box: GraphBox, graph: GraphDouble) -> None:
    box.put(mails(60))
    graph.slow = 0.01
    source = opened(box)
    assert bodies(source, list(source.listing())) == sorted(mails(60))
    address = box.mailbox.address
    assert (graph.peak[address], graph.over[address]) == (4, 0)


def test_mailboxes_are_read_at_the_same_time(box: GraphBox, graph: GraphDouble) -> None:
    other = GraphBox(graph, box.endpoint.work)
    for one in (box, other):
        one.put(mails(30))
    graph.slow = 0.1  # long enough for all requests to meet on a busy machine
    source = opened(box, mailbox="", mailboxes=(box.mailbox.address, other.mailbox.address))
    items = list(source.listing())
    assert {item.place.owner for item in items} == {box.mailbox.address, other.mailbox.address}
    assert bodies(source, items) == sorted(mails(30) * 2)
    assert {graph.peak[one.mailbox.address] for one in (box, other)} == {4}
    assert not graph.over


def test_a_token_that_expires_is_renewed(box: GraphBox, graph: GraphDouble) -> None:
    box.put(mails(60))
    source = opened(box)
    items = list(source.listing())
    before = graph.entra.asked["client_credentials"]
    fetching = source.fetch(items)
    answers = [next(fetching) for _ in range(20)]
    graph.expire()
    answers += fetching
    assert sum(isinstance(answer, FetchedItem) for answer in answers) == 60
    assert graph.entra.asked["client_credentials"] - before == 1, "not once a thread"
    graph.expire()
    assert len(source.delete(items)) == 60


def test_a_token_that_is_never_accepted_is_explained(
    box: GraphBox, graph: GraphDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph.entra, "good", lambda token: False)
    with pytest.raises(LoginRefused, match="to the same cloud"):
        box.connected()


@pytest.mark.parametrize("asked_for", ["3", "no number"])
def test_throttles_are_waited_for(box: GraphBox, graph: GraphDouble, asked_for: str) -> None:
    box.put(mails(50))
    source = opened(box)
    graph.storm, graph.retry_after = 3, asked_for
    items = list(source.listing())
    graph.storm = 12
    assert bodies(source, items) == sorted(mails(50))
    graph.storm = 30
    assert len(source.delete(items)) == 50
    assert max(box.waits) == pytest.approx(3, abs=0.2) if asked_for == "3" else max(box.waits) > 2
    assert graph.storm == 0


@pytest.mark.parametrize("asked_for", ["0", "", "10", "600"])
def test_a_service_that_is_always_busy_is_given_up(box: GraphBox, graph: GraphDouble, asked_for: str) -> None:
    box.put(mails(3))
    events: list[Event] = []
    source = opened(box, on_event=events.append)
    graph.storm, graph.retry_after = 10**9, asked_for
    with pytest.raises(TransientError, match="run again later, or less often"):
        list(source.listing())
    assert sum(box.waits) <= (300 if not asked_for else 1800)
    assert [event.seconds for event in events if isinstance(event, ServerPause)] == box.waits
    assert 10**9 - graph.storm < 400


def test_a_service_that_is_busy_for_too_long_is_not_waited_for(box: GraphBox, graph: GraphDouble) -> None:
    box.put(mails(3))
    source = opened(box)
    graph.storm, graph.retry_after = 1, "3600"
    with pytest.raises(TransientError, match="run again later, or less often"):
        list(source.listing())


def test_broken_connections_lose_nothing(box: GraphBox, graph: GraphDouble) -> None:
    box.put(mails(300))
    with Proxy((graph.host, graph.port)) as proxy:
        source = opened(box, port=proxy.port)
        graph.port, own = proxy.port, graph.port
        try:
            proxy.cut_every(20_000)
            items = list(source.listing())
            assert bodies(source, items) == sorted(mails(300))
            assert sorted(i.key for i in source.delete(items)) == sorted(i.key for i in items)
        finally:
            graph.port = own
            source.close()
    assert box.mailbox.messages() == []


def test_an_interrupted_large_message_is_fetched_again(box: GraphBox, graph: GraphDouble) -> None:
    large = mail("large") + b"x" * 10_000_000
    box.put([large])
    with Proxy((graph.host, graph.port)) as proxy:
        source = opened(box)
        items = list(source.listing())
        source.close()
        source = opened(box, port=proxy.port)
        proxy.cut_after(9_000_000)
        (answer,) = source.fetch(items)
        source.close()
    assert isinstance(answer, FetchedItem)
    assert isinstance(answer.content, Path)
    assert answer.content.read_bytes() == large
    assert [path.name for path in box.endpoint.work.iterdir()] == [answer.content.name]


def test_a_message_without_mime_does_not_stop_the_others(box: GraphBox, graph: GraphDouble) -> None:
    ids = box.mailbox.put(mails(20))
    for n, code in enumerate(("ErrorMimeContentConversionFailed", "ErrorInternalServerError")):
        box.mailbox.message(ids[n * 7]).broken = code
    source = opened(box)
    answers = list(source.fetch(list(source.listing())))
    failed = {answer.item.key: answer.reason for answer in answers if isinstance(answer, UnfetchedItem)}
    assert set(failed) == {ids[0], ids[7]}
    assert "ErrorMimeContentConversionFailed" in failed[ids[0]]
    assert "at every attempt" in failed[ids[7]]
    assert len(answers) == 20


@pytest.mark.parametrize("good", [False, True])
def test_bad_messages_in_a_row_are_given_up_one_by_one(box: GraphBox, good: bool) -> None:
    ids = box.mailbox.put(mails(30))
    for id_ in ids[: -1 if good else None]:
        box.mailbox.message(id_).broken = "ErrorInternalServerError"
    source = opened(box)
    answers = list(source.fetch(list(source.listing())))
    assert sum(isinstance(answer, FetchedItem) for answer in answers) == good
    assert len(answers) == 30


def test_a_service_that_fails_at_everything_for_minutes_is_given_up(
    box: GraphBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = retry.now()
    monkeypatch.setattr(retry, "now", lambda: began + sum(box.waits))
    for id_ in box.mailbox.put(mails(700)):
        box.mailbox.message(id_).broken = "ErrorInternalServerError"
    source = opened(box)
    with pytest.raises(TransientError, match="a problem of its own"):
        list(source.fetch(list(source.listing())))
    assert 300 < sum(box.waits) < 400


def test_a_mailbox_that_is_being_moved_is_waited_for(box: GraphBox, graph: GraphDouble) -> None:
    box.put(mails(20))
    source = opened(box)
    items = list(source.listing())
    graph.trouble = [("/$value", 503, "ErrorMailboxMoveInProgress")] * 6
    graph.generation += 1
    assert bodies(source, items) == sorted(mails(20))
    assert [item.key for item in resumed(box, source).listing()] == [item.key for item in items]


def test_an_abandoned_fetch_leaves_no_files(box: GraphBox, graph: GraphDouble) -> None:
    box.put([mail(n) + b"y" * 9_000_000 for n in range(6)])
    source = opened(box)
    fetching = source.fetch(list(source.listing()))
    first = next(fetching)
    assert isinstance(first, FetchedItem)
    assert isinstance(first.content, Path)
    fetching.close()  # type: ignore[attr-defined]
    assert list(box.endpoint.work.iterdir()) == [first.content]


# --- deleting -------------------------------------------------------------------------------------


def test_deletions_are_batched_and_confirmed_one_by_one(box: GraphBox, graph: GraphDouble) -> None:
    ids = box.mailbox.put(mails(45))
    source = opened(box)
    items = list(source.listing())
    box.mailbox.remove(ids[3])
    graph.trouble = [(f"{ids[5]}/permanentDelete", 500, "ErrorInternalServerError")] * 9
    before = graph.asked["batch"]
    gone = {item.key for item in source.delete(items)}
    assert gone == set(ids) - {ids[3], ids[5]}, "what others removed was not deleted by us"
    assert [message.id for message in box.mailbox.messages()] == [ids[5]]
    assert graph.asked["batch"] - before == 2 * 3 + 4 + 1, "one batch was asked for again, and looked at"
    (refusal,) = source.refusals()
    assert refusal.deleting
    assert "500 ErrorInternalServerError" in refusal.reason


@pytest.mark.parametrize("status", [200, 202, 302])
def test_only_status_204_confirms_a_deletion(box: GraphBox, graph: GraphDouble, status: int) -> None:
    ids = box.mailbox.put(mails(3))
    source = opened(box)
    items = list(source.listing())
    graph.trouble = [(f"{ids[1]}/permanentDelete", status, "")]
    assert {item.key for item in source.delete(items)} == {ids[0], ids[2]}
    assert [message.id for message in box.mailbox.messages()] == [ids[1]]
    (refusal,) = source.refusals()
    assert refusal.deleting


# --- logging in -----------------------------------------------------------------------------------


def test_a_star_means_all_mailboxes_of_the_tenant(box: GraphBox, graph: GraphDouble, tmp_path: Path) -> None:
    others = [GraphBox(graph, tmp_path / "work") for _ in range(3)]
    for n, one in enumerate((box, *others)):
        one.put([mail(n)])
    others[0].mailbox.absent = others[1].mailbox.denied = True
    source = opened(box, mailbox="", mailboxes=("*",))
    assert {item.place.owner for item in source.listing()} == {box.mailbox.address, others[2].mailbox.address}
    graph.roles = {"Mail.Read"}
    with pytest.raises(SourceError, match=r"User\.Read\.All with admin consent"):
        opened(box, mailbox="", mailboxes=("*",))


def test_a_missing_mailbox_does_not_stop_the_others(box: GraphBox, graph: GraphDouble) -> None:
    box.put([mail(1)])
    source = opened(box, mailbox="", mailboxes=("nobody@example.com", box.mailbox.address))
    assert [item.place.mailbox for item in source.listing()] == [box.mailbox.address]
    (refusal,) = source.refusals()
    assert refusal.where == "nobody@example.com"
    assert "no mailbox nobody@" in refusal.reason


def test_a_missing_permission_is_named(box: GraphBox, graph: GraphDouble) -> None:
    box.put([mail(1)])
    graph.roles = {"Mail.Read"}
    source = opened(box)
    items = list(source.listing())
    assert "permission Mail.ReadWrite with admin consent" in source.undeletable()
    source = opened(box)
    assert source.delete(items) == []
    (refusal,) = source.refusals()
    assert "permission Mail.ReadWrite with admin consent" in refusal.reason
    graph.roles = set()
    with pytest.raises(SourceError, match=r"permission Mail\.Read with admin consent"):
        list(source.fetch(items))
    with pytest.raises(SourceError, match=r"permission Mail\.Read with admin consent"):
        opened(box)


def test_a_missing_mailbox_is_named(box: GraphBox) -> None:
    box.mailbox.absent = True
    with pytest.raises(SourceError, match=f"There is no mailbox {box.mailbox.address}"):
        box.connected()


def test_a_person_signs_in_with_a_code(box: GraphBox, graph: GraphDouble, tmp_path: Path) -> None:
    box.put([mail(1)])
    device = grant(graph.entra, way="device", secret=None, cache=tmp_path / "sign-in")
    lines: list[str] = []

    def approve(text: str) -> None:
        lines.append(text)
        graph.entra.approve(text.rpartition(" ")[2].strip("."))

    sign_in(device, approve)
    assert lines
    source = opened(box, tokens=tokens(device))
    assert bodies(source, list(source.listing())) == [mail(1)]


def test_an_application_can_have_a_certificate(box: GraphBox, graph: GraphDouble, tmp_path: Path) -> None:
    pem = tmp_path / "app.pem"
    rsa = trustme.KeyType.RSA
    trustme.CA(key_type=rsa).issue_cert(
        "app.example", key_type=rsa
    ).private_key_and_cert_chain_pem.write_to_path(str(pem))
    box.put([mail(1)])
    source = opened(box, tokens=tokens(grant(graph.entra, secret=None, certificate=pem)))
    assert bodies(source, list(source.listing())) == [mail(1)]


def test_no_token_goes_to_an_untrusted_server(box: GraphBox, graph: GraphDouble, tmp_path: Path) -> None:
    before = len(graph.seen)
    with pytest.raises(CertificateRefused, match="not trusted here"):
        box.connected(ca_file="")
    with pytest.raises(SourceError, match="refuses connections"):
        box.connected(port=1)
    with pytest.raises(SourceError, match="set `auth` to app or device"):
        open_source(replace(box.endpoint, tokens=None, password="x"))
    assert len(graph.seen) == before


def test_a_link_to_another_server_is_not_followed(box: GraphBox, graph: GraphDouble) -> None:
    graph.page = 1
    box.put(mails(3))
    source = opened(box)
    graph.host = "elsewhere.example"
    try:
        with pytest.raises(SourceError, match="redirected to another server"):
            list(source.listing())
    finally:
        graph.host = "localhost"
