"""Whole runs over mailboxes, folders and messages that a service refuses, for each kind of source.

They include profile, run, books, catalog and receipts. The refused part is named and makes the run fail,
everything else is archived, nothing that is still there counts as deleted, and the next run recovers. The
clock of the tests skips all waits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from muniment import api
from muniment.errors import SourceError
from muniment.sources.graph.deleting import MessageDeleter
from support.clocks import Clock, skip_waits
from support.entra import Entra
from support.ews_double import Exchange
from support.graph_double import GraphDouble
from support.reports import plain
from support.sickrooms import FOLDERS, ExchangeRoom, GraphRoom, Sickroom
from support.soak import in_soak
from support.vaults import TestVault

KINDS: dict[str, type[Sickroom]] = {"graph": GraphRoom, "ews": ExchangeRoom}
MINUTES = 6 * 60
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Callable[[], Sickroom]]]:
    """A room at each service."""
    entra = Entra(tmp_path_factory.mktemp("entra"))
    with entra, GraphDouble(entra) as graph, Exchange() as exchange:
        exchange.offers = ('Basic realm="double"',)
        yield {"graph": lambda: GraphRoom(graph), "ews": lambda: ExchangeRoom(exchange)}


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    """One vault for all tests, which must be sound at their end. Each test has its own mailboxes."""
    made = TestVault(tmp_path_factory.mktemp("sick") / "vault")
    yield made
    made.sound()


@pytest.fixture(params=KINDS)
def room(request: pytest.FixtureRequest, services: dict[str, Callable[[], Sickroom]]) -> Iterator[Sickroom]:
    made = services[request.param]()
    yield made
    made.heal()


@pytest.fixture
def graph(services: dict[str, Callable[[], Sickroom]]) -> Iterator[GraphRoom]:
    made = services["graph"]()
    assert isinstance(made, GraphRoom)
    yield made
    made.heal()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return skip_waits(monkeypatch)


def mails(count: int) -> list[bytes]:
    """Messages that no other test has."""
    return [
        plain(subject=f"m {n}", body=f"Text {next(_NUMBERS)}.", message_id=f"<{next(_NUMBERS)}@x.example>")
        for n in range(count)
    ]


def run(vault: TestVault, room: Sickroom, state: str = "ok") -> api.RunSummary:
    there = room.left()
    summary = vault.run(room.name)
    assert (summary.state, summary.balanced) == (state, True), summary.error
    assert summary.deleted == there - room.left(), "a record of each deletion, and of no other"
    return summary


def where(summary: api.RunSummary) -> set[str]:
    return {one.partition(":")[0] for one in summary.refused}


# --- mailboxes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sick", [2, *in_soak(0, 4)])
def test_one_sick_mailbox_of_five(vault: TestVault, room: Sickroom, sick: int, clock: Clock) -> None:
    people = room.hire(5)
    for one in people:
        room.put(one, mails(4))
    room.profile(vault, delete=True)
    room.sicken(people[sick], room.passing[0])
    listings: list[int] = []
    clock.on_wait = lambda: listings.append(room.listings())
    summary = run(vault, room, "failed")
    assert (summary.listed, summary.new, summary.deleted) == (16, 16, 16)
    assert where(summary) == {people[sick]}
    assert people[sick] in summary.error
    assert clock.waited < room.patience
    assert listings[0] == room.listings(), "the others are listed before the first wait"
    room.heal()
    summary = run(vault, room)
    assert (summary.new, summary.deleted, room.left()) == (4, 4, 0)


def test_a_mailbox_that_gets_busy_while_it_is_read_is_read_after_the_others(
    vault: TestVault, services: dict[str, Callable[[], Sickroom]], clock: Clock
) -> None:
    room = services["ews"]()
    people = room.hire(3)
    for one in people:
        room.put(one, mails(4))
    room.profile(vault, delete=True)
    assert isinstance(room, ExchangeRoom)
    room.on_fetch(1, lambda: room.sicken(people[1], "status 503 30"))
    asked = room.double.asked
    begun, fetched = asked["GetItem"], list[int]()
    clock.on_wait = lambda: fetched.append(asked["GetItem"] - begun)
    summary = run(vault, room, "failed")
    assert fetched[0] == 4, "the busy one is asked, then the last, and only then is there a wait"
    assert (summary.listed, summary.new, summary.failed) == (12, 8, 4)
    assert where(summary) == {people[1]}
    room.heal()
    assert run(vault, room).new == 4


def test_mailboxes_that_are_refused_in_every_way_at_once(
    vault: TestVault, room: Sickroom, clock: Clock
) -> None:
    """Between them are five good ones."""
    people = room.hire(len(room.refusals) + 5)
    healthy = set(people[1::4][:5])
    sick = dict(zip((one for one in people if one not in healthy), room.refusals, strict=True))
    for one in people:
        room.put(one, mails(3))
    room.profile(vault)
    for one, how in sick.items():
        room.sicken(one, how)
    summary = run(vault, room, "failed")
    well = len(people) - len(sick)
    assert (well, summary.listed, summary.new, summary.pending) == (5, 3 * well, 3 * well, 0)
    assert where(summary) == set(sick)
    room.heal()
    summary = run(vault, room)
    assert (summary.new, summary.already) == (3 * len(sick), 0), (
        "mailboxes that were read are not listed again"
    )


@pytest.mark.soak
def test_a_mailbox_that_is_refused_while_it_is_read(vault: TestVault, room: Sickroom) -> None:
    people = room.hire(3)
    for one in people:
        room.put(one, mails(150))
    room.profile(vault, delete=True)
    room.on_fetch(2, lambda: room.sicken(people[1], room.refusals[-2]))
    summary = run(vault, room, "failed")
    assert summary.listed == 450
    assert summary.new >= 300
    assert summary.new + summary.failed == 450
    assert (room.left(people[0]), room.left(people[2])) == (0, 0)
    assert all(one.startswith(people[1]) for one in where(summary))
    room.heal()
    run(vault, room)
    assert room.left() == 0


# --- folders and messages --------------------------------------------------------------------------


@pytest.mark.parametrize("sick", [FOLDERS[0], *in_soak(*FOLDERS[1:])])
def test_one_sick_folder(vault: TestVault, room: Sickroom, sick: str) -> None:
    (one,) = room.hire(1)
    for folder in FOLDERS:
        room.put(one, mails(4), folder)
    room.profile(vault, delete=True)
    how = room.folder_refusals[FOLDERS.index(sick) % len(room.folder_refusals)]
    room.sicken_folder(one, sick, how)
    summary = run(vault, room, "failed")
    assert (summary.listed, summary.new, summary.deleted) == (8, 8, 8)
    assert where(summary) == {f"{one}/{sick}"}
    room.heal()
    summary = run(vault, room)
    assert (summary.new, room.left()) == (4, 0)


@pytest.mark.parametrize("bad", [range(3, 9), *in_soak(range(1), range(15, 20))], ids=str)
def test_poisoned_messages(vault: TestVault, room: Sickroom, bad: range, clock: Clock) -> None:
    people = room.hire(2)
    sent = mails(20)
    room.put(people[0], sent)
    room.put(people[1], mails(5))
    room.profile(vault, delete=True)
    room.poison(people[0], [sent[n] for n in bad])
    summary = run(vault, room, "failed")
    assert (summary.listed, summary.new, summary.failed) == (25, 25 - len(bad), len(bad))
    assert clock.waited < MINUTES
    room.heal()
    summary = run(vault, room)
    assert (summary.new, room.left()) == (len(bad), 0)


def test_a_listing_that_breaks(vault: TestVault, room: Sickroom) -> None:
    """Items that were listed before are archived."""
    (one,) = room.hire(1)
    sent = mails(700)
    room.put(one, sent)
    room.profile(vault, delete=True, folders=[FOLDERS[0]])
    if isinstance(room, GraphRoom):
        room.double.page = 300
    room.on_listing(1, lambda: room.sicken_folder(one, FOLDERS[0], room.folder_refusals[0]))
    summary = run(vault, room, "failed")
    assert 0 < summary.new == summary.deleted < 700
    assert where(summary) == {f"{one}/{FOLDERS[0]}"}
    room.heal()
    run(vault, room)
    assert room.left() == 0


@pytest.mark.parametrize("several", [True, *in_soak(False)])
def test_a_filter_that_matches_nothing_fails_the_run_that_archives_the_rest(
    vault: TestVault, room: Sickroom, several: bool
) -> None:
    people = room.hire(2 if several else 1)
    room.put(people[0], mails(3), "Alpha")
    room.put(people[-1], mails(2), "Beta")
    room.profile(vault, delete=True, folders=["Alpha", "Beta", "@inbox", "Alhpa", "@archive"])
    who = "No mailbox at .* that could be read has a" if several else "has no"
    text = rf"{who} folder that matches Alhpa.*: correct `folders`; there are Alpha, .*Beta"
    with pytest.raises(SourceError, match=text):
        list(vault.client.stream(api.TestProfile(name=room.name)))
    summary = run(vault, room, "failed")
    assert (summary.listed, summary.new, summary.deleted, summary.refused) == (5, 5, 5, ())
    assert re.search(text, summary.error)


def test_a_filter_has_to_match_in_one_mailbox_only(vault: TestVault, room: Sickroom) -> None:
    people = room.hire(3)
    for one, folder in zip(people, FOLDERS, strict=True):
        room.put(one, mails(2), folder)
    room.profile(vault, folders=["Alpha", "Gam*"])
    assert "listed 4 messages" in steps(vault, room)
    assert run(vault, room).new == 4


def test_a_login_that_expires_during_a_run(vault: TestVault, room: Sickroom) -> None:
    people = room.hire(2)
    for one in people:
        room.put(one, mails(60))
    room.profile(vault, delete=True)
    room.on_fetch(1, room.expire)
    summary = run(vault, room)
    assert (summary.new, room.left()) == (120, 0)


# --- clouds that can't delete ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [405, *in_soak("404 item", 400, 404)])
def test_a_cloud_without_permanent_delete(vault: TestVault, graph: GraphRoom, kind: int | str) -> None:
    (one,) = graph.hire(1)
    graph.put(one, mails(45))
    graph.profile(vault, delete=True, mailboxes=[], mailbox=one)
    graph.double.deletes = kind
    found_out = kind != "404 item"  # which says so only when a message is asked for
    if found_out:
        with pytest.raises(SourceError, match=r"can't delete mail for good.*--keep"):
            list(vault.client.stream(api.TestProfile(name=graph.name)))
    summary = run(vault, graph, "failed")
    assert (summary.new, summary.deleted, graph.left()) == (45, 0, 45)
    assert "can't delete mail for good" in summary.error
    fetched = graph.double.asked["value"]
    summary = run(vault, graph, "failed")
    assert (summary.already, summary.deleted, graph.left()) == (45 if found_out else 0, 0, 45)
    assert graph.double.asked["value"] == fetched or not found_out, "not fetched again"
    graph.double.deletes = 204
    summary = run(vault, graph)
    assert (summary.deleted, graph.left()) == (45, 0)


def test_national_clouds_are_known_to_lack_permanent_deletion(
    vault: TestVault, graph: GraphRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known from Microsoft's page, since a trial gives no answer (503), or one that any cloud may give
    (404).
    """
    lacking = partial(MessageDeleter, without=frozenset({graph.double.host}))
    monkeypatch.setattr("muniment.sources.graph.source.MessageDeleter", lacking)
    (one,) = graph.hire(1)
    graph.put(one, mails(3))
    graph.profile(vault, delete=True, mailboxes=[], mailbox=one)
    graph.double.deletes = "404 item"
    summary = run(vault, graph, "failed")
    assert (summary.new, summary.deleted) == (3, 0)
    assert run(vault, graph, "failed").fetched == 0
    graph.double.deletes = 204
    assert run(vault, graph).deleted == 3, "a cloud that offers it now is used"


def test_the_limit_for_ten_minutes_is_respected(vault: TestVault, graph: GraphRoom, clock: Clock) -> None:
    (one,) = graph.hire(1)
    graph.put(one, mails(150))
    graph.double.clock, graph.double.limit = clock.now, 60
    graph.profile(vault, delete=True)
    summary = run(vault, graph)
    assert (summary.new, summary.deleted) == (150, 150)
    assert clock.waited > 6 * 600


def test_stray_answers_of_a_delta_query(vault: TestVault, graph: GraphRoom) -> None:
    """Items removed before, repeated items, and empty parts that are not the last."""
    (one,) = graph.hire(1)
    box = graph.double.mailboxes[one]
    gone = box.put(mails(20), box.folder(FOLDERS[0]))
    graph.put(one, mails(50))
    for id_ in gone:
        box.remove(id_)
    graph.double.strays = graph.double.replay = True
    graph.double.page = 7
    graph.profile(vault)
    summary = run(vault, graph)
    assert (summary.listed, summary.new) == (50, 50)
    assert run(vault, graph).listed == 0


def test_a_profile_of_many_mailboxes_is_tested(vault: TestVault, room: Sickroom, tmp_path: Path) -> None:
    people = room.hire(3)
    for one in people:
        room.put(one, mails(2))
    room.profile(vault)
    room.sicken(people[1], room.lasting)
    with pytest.raises(SourceError, match=f"Not read: {people[1]}"):
        list(vault.client.stream(api.TestProfile(name=room.name)))
    room.heal()
    words = list(vault.client.stream(api.TestProfile(name=room.name)))
    assert any(isinstance(word, api.Step) and word.text == "listed 6 messages" for word in words)


def steps(vault: TestVault, room: Sickroom) -> str:
    """The steps of a profile's test, as text."""
    words = list(vault.client.stream(api.TestProfile(name=room.name)))
    return "\n".join(word.text for word in words if isinstance(word, api.Step))


def test_people_without_a_mailbox_are_left_out_and_named(
    vault: TestVault, services: dict[str, Callable[[], Sickroom]]
) -> None:
    exchange, graph = services["ews"](), services["graph"]()
    assert isinstance(exchange, ExchangeRoom)
    assert isinstance(graph, GraphRoom)
    exchange.double.people.clear()
    exchange.double.searchers.add("svc")
    exchange.double.groups = ["allstaff@example.com"]
    for room in (exchange, graph):
        people = room.hire(2)
        for one in people:
            room.put(one, mails(2))
        room.profile(vault, mailboxes=["*"])
    assert "left out: 1 distribution groups, which have no mailbox (allstaff@" in steps(vault, exchange)
    assert run(vault, exchange).new == 4
    graph.double.mailboxes[graph.people[0]].absent = True
    text = steps(vault, graph)
    assert "left out: 1 people who have no mailbox, or whose mailbox the application may not read" in text
    assert graph.people[0] in text
    assert run(vault, graph).new == 2
    graph.double.mailboxes[graph.people[0]].absent = False
