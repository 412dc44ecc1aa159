"""One bad mailbox, folder or message stops only itself: the pipeline, with a server that fails."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from muniment import api
from muniment.archive.files.temp_files import own_work
from muniment.runs.pipeline.fetch import ListedPortion, chunked
from muniment.runs.pipeline.refusals import NAMED, RefusalCollector
from muniment.sources.base import MailItem, MailPlace, SourceRefusal
from support.reports import plain
from support.scripted import Server
from support.soak import in_soak
from support.vaults import TestVault

_NUMBERS = itertools.count()
PEOPLE = [f"{name}@example.com" for name in "abcde"]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    """One vault for all tests, which must be sound at their end. Each test has its own server."""
    made = TestVault(tmp_path_factory.mktemp("refusals") / "vault")
    yield made
    made.sound()


@pytest.fixture
def server() -> Server:
    return Server()


def mails(count: int, about: str = "") -> list[bytes]:
    """Messages that no other test has."""
    return [plain(subject=f"{about} {n}", body=f"Text {next(_NUMBERS)}.") for n in range(count)]


def profile(vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """A profile whose source is the scripted one."""
    vault.maildir(server.host, **{"journal": False, "owner": "a@example.com", "delete": False} | fields)
    monkeypatch.setattr(
        "muniment.service.host.run_profile.source_of",
        lambda profile, folder, pause: server.open(own_work(folder) / "scripted"),
    )


def run(vault: TestVault, server: Server, state: str = "ok") -> api.RunSummary:
    summary = vault.run(server.host)
    assert (summary.state, summary.balanced) == (state, True), summary.error
    assert (summary.exit_code == 0) == (state == "ok")
    return summary


@pytest.mark.parametrize(("sick", "delete"), [(2, True), *in_soak((0, False), (4, True))])
def test_a_refused_mailbox_stops_only_itself(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, sick: int, delete: bool
) -> None:
    for one in PEOPLE:
        server.put(one, "Inbox", mails(4, one))
    server.shut = {PEOPLE[sick]}
    profile(vault, server, monkeypatch, delete=delete)
    summary = run(vault, server, "failed")
    assert (summary.listed, summary.new, summary.pending) == (16, 16, 0)
    assert summary.error.startswith(f"Not read: {PEOPLE[sick]}. There is no mailbox")
    assert summary.refused == (f"{PEOPLE[sick]}: There is no mailbox {PEOPLE[sick]}: check its name.",)
    assert summary.deleted == (16 if delete else 0)
    server.shut.clear()
    assert run(vault, server).new == 4


@pytest.mark.parametrize(("sick", "delete"), [(1, True), *in_soak((0, False), (2, True))])
def test_a_folder_that_is_refused_while_it_is_read_stops_only_itself(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, sick: int, delete: bool
) -> None:
    for folder in ("A", "B", "C"):
        server.put("a@example.com", folder, mails(5, folder))
    server.shut_later = {list(server.mails)[sick]}
    profile(vault, server, monkeypatch, delete=delete)
    summary = run(vault, server, "failed")
    assert (summary.listed, summary.new, summary.failed) == (15, 10, 5)
    assert summary.error.startswith(f"Not read: a@example.com/{'ABC'[sick]}.")
    assert server.left() == (5 if delete else 15)
    server.shut_later = set()
    assert run(vault, server).new == 5


@pytest.mark.parametrize(("after", "expected"), [(73, 500), *in_soak((3, None), (50, None))])
def test_listed_items_are_archived_although_the_listing_broke(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, after: int, expected: int | None
) -> None:
    server.put("a@example.com", "Inbox", mails(90))
    server.listing_ends_after, server.expected = after, expected
    profile(vault, server, monkeypatch, delete=True)
    summary = run(vault, server, "failed")
    assert (summary.new, summary.deleted, server.left()) == (after, after, 90 - after)
    assert summary.listed - summary.pending == after
    assert summary.error == "The listing broke: run again."
    server.listing_ends_after = server.expected = None
    assert run(vault, server).new == 90 - after


@pytest.mark.parametrize("after", [70, *in_soak(1, 64)])
def test_the_current_batch_is_kept_when_the_server_dies(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    server.put("a@example.com", "Inbox", mails(90))
    server.dies_after = after
    profile(vault, server, monkeypatch)
    summary = run(vault, server, "failed")
    assert (summary.new, summary.pending > 0) == (after, True)
    server.dies_after = None
    summary = run(vault, server)
    assert (summary.already, summary.new) == (after, 90 - after)


@pytest.mark.parametrize(
    ("at", "count"),
    [("middle", 30), *in_soak(("first", 4), ("last", 30), ("all but one", 44), ("every third", 15))],
)
def test_bad_messages_in_a_row_do_not_block_a_mailbox(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, at: str, count: int
) -> None:
    sent = mails(45)
    bad = {
        "first": sent[:count], "middle": sent[9 : 9 + count], "last": sent[-count:],
        "all but one": sent[:-1], "every third": sent[::3],
    }[at]  # fmt: skip
    server.put("a@example.com", "Inbox", sent)
    server.put("b@example.com", "Inbox", mails(5, "other"))
    server.poison = set(bad)
    profile(vault, server, monkeypatch, delete=True)
    summary = run(vault, server, "failed")
    assert (summary.listed, summary.new, summary.failed) == (50, 50 - len(bad), len(bad))
    assert server.left() == len(bad)
    assert sum(server.waits) < 120, "minutes of that mailbox"
    server.poison = set()
    assert (run(vault, server).new, server.left()) == (len(bad), 0)


@pytest.mark.soak
@pytest.mark.parametrize("good", ["other mailbox", "last message"])
def test_a_folder_of_bad_messages_costs_minutes_and_nothing_else(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch, good: str
) -> None:
    sent = mails(650)
    server.put("a@example.com", "Inbox", sent)
    server.put("b@example.com", "Inbox", mails(5, "other"))
    server.poison = set(sent if good == "other mailbox" else sent[:-1])
    profile(vault, server, monkeypatch)
    summary = run(vault, server, "failed")
    assert (summary.listed, summary.fetched + summary.failed, summary.pending) == (655, 655, 0)
    assert summary.new >= 5
    assert summary.error.startswith("Not read: a@example.com/Inbox. The connection was lost")
    assert 300 < sum(server.waits) < 450
    server.poison = set()
    assert summary.new + run(vault, server).new == 655


@pytest.mark.soak
def test_a_server_that_fails_at_every_request_ends_the_run(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = mails(650)
    server.put("a@example.com", "Inbox", sent)
    server.poison = set(sent)
    profile(vault, server, monkeypatch)
    summary = run(vault, server, "failed")
    assert (summary.new, summary.fetched) == (0, 0)
    assert summary.error.startswith("The connection was lost")
    server.poison = set()
    assert run(vault, server).new == 650


def test_a_server_that_can_not_delete_is_archived_and_reported(
    vault: TestVault, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("a@example.com", "Inbox", mails(70))
    server.undeletable = "scripted.example can't delete for good: keep the mail with `--keep`."
    profile(vault, server, monkeypatch, delete=True)
    summary = run(vault, server, "failed")
    assert (summary.new, summary.deleted, server.left()) == (70, 0, 70)
    assert summary.error == server.undeletable
    fetched = server.fetched
    summary = run(vault, server, "failed")
    assert (summary.already, summary.fetched, server.fetched) == (70, 0, fetched), "not fetched again"
    server.undeletable = ""
    assert (run(vault, server).deleted, server.left()) == (70, 0)


# --- the pieces ------------------------------------------------------------------------------------


def test_listed_items_come_before_the_error_that_ends_the_listing() -> None:
    def broken() -> Any:
        yield from items[:7]
        raise ValueError("broken")

    items = [MailItem(MailPlace("h", "m"), f"{n}") for n in range(9)]
    portions = chunked(broken(), 5)
    assert next(portions) == ListedPortion(items[:5], last=False)
    assert next(portions) == ListedPortion(items[5:7], last=False)
    with pytest.raises(ValueError, match="broken"):
        next(portions)
    assert [(len(one.items), one.last) for one in chunked(iter(items[:5]), 5)] == [(5, False)]
    assert [(len(one.items), one.last) for one in chunked(iter(items), 5)] == [(5, False), (4, True)]


def test_many_refusals_are_summarised_in_few_words() -> None:
    refusals = RefusalCollector()
    refusals.add(SourceRefusal(f"{n}@example.com", f"{n} is shut.") for n in range(5000))
    refusals.add([SourceRefusal("x\x1b[31m/Inbox", "No one may delete there.", deleting=True)])
    assert refusals.sentences() == [
        "Not read: 0@example.com, 1@example.com, 2@example.com and 4,997 more. 0 is shut.",
        "Not deleted from: x\ufffd/Inbox. No one may delete there.",
    ]
    assert len(refusals.named) == NAMED + 1
