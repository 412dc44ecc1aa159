"""The audit trail is filtered by reader, person, kind, time and words, and paged in both directions."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog.audit_keys import decoded
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.operations import audit_search
from muniment.archive.operations.audit_search import SCANNED
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused, NotFound, UsageError, VaultError
from muniment.service.access import audit_trail
from muniment.service.access.roles import Caller
from muniment.service.dispatch.concerned import concerned
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.catalogs import fail_next_apply
from support.reports import line, plain, report
from support.vaults import TestVault

BOSS = Caller(0, 0, 1, "root")
ADA, EVE, BOB = (Caller(62_000 + n, 62_000, 1, name) for n, name in enumerate(("ada", "eve", "bob")))
ACCESS = """
[access]
auditors = ["ada", "eve"]
[access.users]
bob = "bob@example.com"
"""
DAY = 86_400


class House:
    """A vault that is open as in a service, with mail of dora, carol and bob."""

    def __init__(self, vault: Vault, folder: Path) -> None:
        self.vault, self.folder = vault, folder
        (hits,) = self.send(BOSS, api.Search(query="", limit=1000))
        assert isinstance(hits, api.Hits)
        self.ids = {hit.subject: hit.id for hit in hits.hits}
        self.flush()

    def send(self, caller: Caller, request: api.Request) -> list[api.WireWord]:
        """All replies to a request."""
        return answers(ClientSession(self.folder, self.vault, caller), request)

    def flush(self) -> None:
        """Commit all waiting events."""
        audit_trail.trail_of(self.vault)._flush()

    def page(self, **wanted: Any) -> api.Audit:
        """A page of the trail, as an auditor gets it."""
        self.flush()
        (audit,) = self.send(EVE, api.GetAudit(**wanted))
        assert isinstance(audit, api.Audit)
        assert audit.problems == ()
        return audit

    def words(self, **wanted: Any) -> list[str]:
        """The requests of all events that are found."""
        return [event.word for event in self.page(limit=10_000, **wanted).events]

    def log(self, *events: dict[str, Any]) -> None:
        """Commit events as an older version would have written them."""
        self.vault.log(
            [{"event": "read", "who": "ada", "uid": 1, "role": "auditor"} | event for event in events]
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vault = TestVault(tmp_path_factory.mktemp("audit") / "vault")
    vault.client.call(
        api.AddUser(name="Dora Boss", addresses=("dora@example.com", "director@example.com")), api.Done
    )
    vault.archive(
        [
            report(
                plain(sender="x@else.example", to=[f"{who}@example.com"], subject=f"for {who}"),
                sender="x@else.example",
                recipients=[line("To", f"{who}@example.com")],
            )
            for who in ("director", "carol", "bob")
        ]
    )
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(ACCESS)
    with ClientSession(vault.folder).writing():
        pass
    return vault.folder


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "vault"
    shutil.copytree(made, folder)
    vault = open_vault(folder, write=True)
    made_house = House(vault, folder)
    yield made_house
    made_house.vault.close()


def test_whose_mail_was_read_is_found_by_any_address(house: House) -> None:
    house.send(ADA, api.Show(id=house.ids["for director"]))
    house.send(ADA, api.Show(id=house.ids["for carol"]))
    house.send(ADA, api.ListMessages(user="director@example.com", folder="Inbox"))
    house.send(ADA, api.Search(query="secret", user="dora@example.com"))
    house.send(ADA, api.Search(query="secret", user="carol@example.com"))
    house.send(EVE, api.ReadRaw(id=house.ids["for director"]))
    with pytest.raises(NotFound):
        house.send(BOB, api.Show(id=house.ids["for director"]))
    for address in ("dora@example.com", "Director@Example.com"):
        assert house.words(person=address, reader="ada") == ["Search", "ListMessages", "Show"]
    assert house.words(person="dora@example.com", reader="eve") == ["ReadRaw"]
    assert house.words(person="carol@example.com", reader="ada") == ["Search", "Show"]
    event = house.page(person="dora@example.com", kinds=("read",), reader="ada").events[0]
    assert (event.kind, event.people, event.everybody) == ("read", ("dora@example.com",), False)


def test_acts_that_concern_everybody_are_listed_for_each_person(house: House, tmp_path: Path) -> None:
    house.send(ADA, api.Search(query="budget"))
    house.flush()
    house.send(ADA, api.Export(query="for", path="/nowhere/x.zip"))
    house.send(ADA, api.Export(query="", ids=(house.ids["for carol"],), path="/nowhere/y.zip"))
    found = house.page(person="dora@example.com", reader="ada").events
    assert [(one.word, one.everybody) for one in found] == [("Export", True), ("Search", True)]
    assert found[0].detail["total"] == 3
    exports = house.page(kinds=("export",)).events
    assert [(one.detail["total"], one.people) for one in exports] == [(1, ("carol@example.com",)), (3, ())]


def test_an_export_of_named_messages_takes_no_user(house: House) -> None:
    wanted = api.Export(
        query="", ids=(house.ids["for director"],), user="bob@example.com", path="/nowhere/z.zip"
    )
    with pytest.raises(UsageError, match="without a user"):
        house.send(ADA, wanted)
    assert house.words(kinds=("export",)) == []


@pytest.mark.parametrize("name", ["bob@example.com", "dora@example.com", "nobody@else.example"])
def test_messages_decide_whose_mail_a_request_reads(house: House, name: str) -> None:
    director = _number(house, "for director")
    dora = house.vault.directory.find("dora@example.com").id
    assert concerned(house.vault, api.Search(query="", user=name), [director]) == {"people": [dora]}


def test_events_of_older_versions_are_found_by_their_messages_and_typed_names(house: House) -> None:
    at = int(time.time())
    house.log(
        {"word": "Show", "messages": [house.ids["for director"]], "at": at},
        {"word": "Show", "messages": [house.ids["for carol"]], "at": at},
        {"word": "ListMessages", "user": "DIRECTOR@example.com", "folder": "Inbox", "at": at},
        {"word": "ReadRaw", "what": "quarantine", "messages": ["ab" * 32], "at": at},
    )
    assert house.words(person="dora@example.com", reader="ada") == ["ListMessages", "Show"]
    assert house.page(person="dora@example.com", kinds=("read",)).events[0].people == ("dora@example.com",)
    assert house.words(person="carol@example.com", reader="ada") == ["Show"]


def test_changes_are_in_the_trail_and_dry_runs_are_not(house: House) -> None:
    house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com",), check=True))
    house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com", "c@example.com")))
    house.send(BOSS, api.RemoveUser(user="carol@example.com", alias="c@example.com"))
    with pytest.raises(AccessRefused):
        house.send(ADA, api.RemoveUser(user="carol@example.com"))
    changes = house.page(kinds=("change",), reader="root").events
    assert [one.word for one in changes[:2]] == ["RemoveUser", "AddUser"]
    assert "vault.toml" in {one.word for one in changes}  # the login of bob
    assert changes[1].detail["addresses"] == ["carol@example.com", "c@example.com"]
    assert house.words(person="carol@example.com", kinds=("change",)) == ["RemoveUser", "AddUser"]
    assert house.words(person="carol@example.com", kinds=("refused",)) == ["RemoveUser"]


def test_reads_of_a_removed_person_are_found_by_their_addresses_and_their_label(house: House) -> None:
    house.send(BOSS, api.AddUser(name="Ina", addresses=("ina@else.example", "i@else.example")))
    house.log({"word": "Show", "people": ["ina@else.example"]})
    house.log({"word": "Show", "people": ["ina@else.example.org"]})
    house.send(BOSS, api.RemoveUser(user="ina@else.example"))
    label = "ina@else.example (former)"
    for name in ("Ina@else.example", "i@else.example", label):
        (event,) = house.page(person=name, kinds=("read",), reader="ada").events
        assert event.people == (label,)
    with pytest.raises(NotFound):
        house.page(person="ina@else.example#2 (former)")
    assert house.words(person=label, kinds=("change",)) == ["RemoveUser", "AddUser"]


def test_reads_of_a_removed_person_are_found_by_an_address_that_another_has_now(house: House) -> None:
    house.log({"word": "Show", "people": ["carol@example.com"]}, {"word": "Search", "people": ["zoe#1"]})
    house.log({"word": "ReadRaw", "people": ["carol@example.com#2"]})
    wanted = {"person": "carol@example.com", "kinds": ("read",), "reader": "ada"}
    assert house.words(**wanted) == ["ReadRaw", "Show"]  # the automatic user has the address
    house.send(BOSS, api.AddUser(name="Zoe", addresses=("zoe@example.com", "carol@example.com")))
    assert house.words(**wanted) == ["ReadRaw", "Show"]


def test_reads_of_another_living_person_whose_first_address_it_was_are_not_found(house: House) -> None:
    house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com", "c@example.com")))
    house.log({"word": "Show", "people": ["carol@example.com"]})
    house.send(BOSS, api.AddUser(name="Zoe", addresses=("zoe@example.com", "carol@example.com")))
    assert house.words(person="c@example.com", kinds=("read",), reader="ada") == ["Show"]
    assert house.words(person="carol@example.com", kinds=("read",), reader="ada") == []


def test_an_import_is_found_by_the_people_whom_it_changes(house: House) -> None:
    house.send(BOSS, api.ImportUsers(text="name,address\nCarol,carol@example.com\n", filename="p.csv"))
    house.send(BOSS, api.ImportUsers(text="name,address\nErik,erik@example.com\n", filename="q.csv"))
    (event,) = house.page(person="carol@example.com", kinds=("change",)).events
    assert (event.word, event.people, event.detail["filename"]) == (
        "ImportUsers", ("carol@example.com",), "p.csv",
    )  # fmt: skip


def test_an_import_of_too_many_people_to_name_concerns_everybody(house: House) -> None:
    rows = "".join(f"P{n},p{n}@example.com\n" for n in range(audit_trail.PEOPLE + 1))
    house.send(BOSS, api.ImportUsers(text=f"name,address\n{rows}", filename="all.csv"))
    for person in ("p7@example.com", "carol@example.com"):
        (event,) = house.page(person=person, kinds=("change",)).events
        assert (event.word, event.people, event.everybody) == ("ImportUsers", (), True)


def test_a_change_of_people_that_changes_nothing_is_not_recorded(house: House) -> None:
    carol = api.ImportUsers(text="name,address\nCarol,carol@example.com\n", filename="p.csv")
    house.send(BOSS, carol)
    house.flush()
    written = house.vault.head.tree_size
    house.send(BOSS, carol)
    house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com",)))
    assert house.vault.head.tree_size == written
    assert house.words(kinds=("change",), person="carol@example.com") == ["ImportUsers"]


def test_a_change_that_the_catalog_lacks_is_in_the_trail_as_well(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_next_apply(monkeypatch)
    with pytest.raises(VaultError, match="the change is kept"):
        house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com",)))
    house.vault.commit([])
    assert house.vault.directory.find("carol@example.com").name == "Carol"
    assert house.words(kinds=("change",), reader="root")[0] == "AddUser"


def test_a_change_whose_mail_is_not_filed_again_is_in_the_trail_as_well(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*given: Any) -> None:
        raise VaultError("the catalog is closed")

    monkeypatch.setattr(SqliteCatalog, "_refile", stopped)
    with pytest.raises(VaultError, match=r"the change is kept.*the catalog is closed.*do not repeat"):
        house.send(BOSS, api.RemoveUser(user="dora@example.com", alias="director@example.com"))
    house.flush()
    monkeypatch.undo()
    assert house.words(kinds=("change",), reader="root")[0] == "RemoveUser"
    house.vault.finish_refiling()
    user = house.vault.directory.find("director@example.com")
    assert house.vault.catalog.holders([_number(house, "for director")]) == {user.id}


def test_a_change_that_is_not_kept_is_not_in_the_trail(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    before = house.words(kinds=("change",))
    with monkeypatch.context() as patch:
        patch.setattr(type(house.vault.ledger), "commit", full)
        with pytest.raises((OSError, VaultError)):
            house.send(BOSS, api.AddUser(name="Carol", addresses=("carol@example.com",)))
    assert house.words(kinds=("change",)) == before
    assert house.vault.directory.find("carol@example.com").automatic


def _number(house: House, subject: str) -> int:
    return house.vault.catalog.message_by_prefix(house.ids[subject]).sequence


def test_days_are_those_of_the_time_zone(house: House) -> None:
    midnight = int(time.time()) // DAY * DAY
    house.log({"word": "Search", "at": midnight - 1800}, {"word": "Show", "at": midnight + 1800})
    today, before = (time.strftime("%Y-%m-%d", time.gmtime(midnight + n)) for n in (0, -DAY))

    def words(since: str, until: str, zone: str = "UTC") -> list[str]:
        return house.words(since=since, until=until, zone=zone, reader="ada")

    assert words(today, today) == ["Show"]
    assert words(before, before) == ["Search"]
    assert words(before, today) == ["Show", "Search"]
    assert words("", before) == ["Search"]
    assert words(today, "") == ["Show"]
    assert words(today, today, "Etc/GMT-2") == ["Show", "Search"]  # two hours east
    assert words(today, today, "Etc/GMT+2") == []
    assert words("2001", "2001") == []


def test_days_of_further_pages_are_counted_from_the_first_page(house: House) -> None:
    now = int(time.time())
    yesterday = now - now % DAY - 60
    house.log(*({"word": "Search", "query": f"q{n}", "at": yesterday - n} for n in range(4)))
    wanted = {"since": "today", "reader": "ada", "zone": "UTC", "limit": 2}
    first = house.page(now=yesterday, **wanted)  # as if midnight came after it
    second = house.page(now=first.now, after=first.after, **wanted)
    assert [one.detail["query"] for one in first.events + second.events] == ["q3", "q2", "q1", "q0"]
    assert (first.now, second.now, second.after) == (yesterday, yesterday, 0)
    assert house.page(**wanted).events == ()
    for odd in (0, -5, 2**62):
        assert now <= house.page(now=odd, **wanted).now <= now + 600


def test_words_are_found_in_any_field_in_any_case(house: House) -> None:
    house.send(ADA, api.Search(query="Übernahme Projekt", reason="Case 17"))
    house.send(ADA, api.Search(query="holiday"))
    assert house.words(word="ubernahme case") == ["Search"]
    assert house.words(word="projekt holiday") == []
    house.send(ADA, api.Show(id=house.ids["for director"]))
    assert house.words(word="dora@example", reader="ada") == ["Show"]


def test_pages_go_in_both_directions(house: House) -> None:
    house.log(
        *({"word": "Search", "query": f"q{n}", "people": ["auto:carol@example.com"]} for n in range(12))
    )
    house.log({"word": "Search", "query": "other", "people": ["auto:bob@example.com"]})

    def queries(audit: api.Audit) -> list[str]:
        return [one.detail["query"] for one in audit.events]

    for wanted in ({"person": "carol@example.com", "kinds": ("search",), "reader": "ada"},):
        first = house.page(limit=5, **wanted)
        second = house.page(limit=5, after=first.after, **wanted)
        third = house.page(limit=5, after=second.after, **wanted)
        assert queries(first) + queries(second) + queries(third) == [f"q{n}" for n in range(11, -1, -1)]
        assert (len(third.events), third.after) == (2, 0)
        back = house.page(limit=5, after=third.before, oldest_first=True, **wanted)
        assert queries(back) == list(reversed(queries(second)))
        assert house.page(limit=5, after=first.before, oldest_first=True, **wanted).events == ()
        oldest = house.page(limit=2, oldest_first=True, **wanted)
        assert queries(oldest) == ["q0", "q1"]
        assert queries(house.page(limit=2, oldest_first=True, after=oldest.after, **wanted)) == ["q2", "q3"]


def test_a_call_looks_at_a_bounded_number_of_events(house: House) -> None:
    house.log({"word": "Search", "query": "needle"})
    house.log(*({"word": "Show", "at": 5} for _ in range(SCANNED + audit_search.STEP)))
    first = house.page(word="needle")
    assert first.events == ()
    assert first.after
    assert [one.detail["query"] for one in house.page(word="needle", after=first.after).events] == ["needle"]


def test_unknown_names_days_and_kinds_are_errors(house: House) -> None:
    with pytest.raises(NotFound, match=r"did you mean dora@example\.com"):
        house.page(person="dorra@example.com")
    house.send(ADA, api.Search(query="x"))
    house.flush()
    with pytest.raises(NotFound, match=r"no reader 'adda' \(did you mean ada\?\)"):
        house.page(reader="adda")
    assert house.words(reader="bob") == []  # has a role, and read nothing yet
    with pytest.raises(UsageError, match="is no kind"):
        house.page(kinds=("reads",))
    with pytest.raises(UsageError, match="is no day"):
        house.page(since="last week")


def test_filters_survive_a_rebuild(house: House) -> None:
    house.send(ADA, api.Show(id=house.ids["for director"]))
    house.log({"word": "Show", "messages": [house.ids["for carol"]]})
    wanted = {"person": "dora@example.com", "reader": "ada"}
    before = house.words(**wanted)
    house.vault.close()
    TestVault(house.folder).rebuild(index=False)
    house.vault = open_vault(house.folder, write=True)
    assert house.words(**wanted) == before == ["Show"]
    assert house.words(person="carol@example.com", reader="ada") == ["Show"]


# --- events that name messages and not whose they are ---------------------------------------------------


def count_look_ups(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that are looked up from now on."""
    looked_up: list[str] = []
    real = SqliteCatalog.message_by_prefix

    def counted(catalog: SqliteCatalog, prefix: str) -> Any:
        looked_up.append(prefix)
        return real(catalog, prefix)

    monkeypatch.setattr(SqliteCatalog, "message_by_prefix", counted)
    return looked_up


def search(house: House, oldest_first: bool = False, enough: int = 1000) -> Iterator[list[str]]:
    """The words of the events about dora's mail, page by page."""
    dora = house.vault.directory.find("dora@example.com")
    wanted = audit_search.AuditConditions(reader="ada", person=dora)
    place = 0
    while True:
        page = audit_search.search_audit(house.vault, wanted, 100, place, oldest_first, enough=enough)
        yield [str(decoded(row.event)["word"]) for row in page.rows]
        if not page.last:
            return
        place = page.last


def test_a_message_is_looked_up_once_in_a_search(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(house.ids.values())
    house.log(*({"word": "Export", "messages": ids} for _ in range(50)))
    looked_up = count_look_ups(house, monkeypatch)
    assert [len(page) for page in search(house)] == [50]
    assert sorted(looked_up) == sorted({*looked_up}), "each once"


def test_a_page_has_no_more_people_to_look_up_than_a_search(house: House) -> None:
    house.log(*({"word": str(n), "messages": [f"{n:060x}{m:04x}" for m in range(4)]} for n in range(30)))
    wanted, place, found = audit_search.AuditConditions(reader="ada"), 0, []
    while True:
        page = audit_search.search_audit(house.vault, wanted, 100, place, enough=10)
        found += [decoded(row.event)["word"] for row in page.rows]
        if not page.last:
            break
        assert len(page.rows) == 3, "12 messages are to be looked up"
        place = page.last
    assert found == [str(n) for n in range(29, -1, -1)]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_search_that_looks_up_much_continues_on_the_next_page(
    house: House, monkeypatch: pytest.MonkeyPatch, oldest_first: bool
) -> None:
    others = [[f"{event:032x}{n:032x}" for n in range(4)] for event in range(30)]
    ours = [str(n) for n in range(0, 30, 7)]
    dora = house.ids["for director"]
    house.log(
        *(
            {"word": str(n), "messages": [*messages, dora] if str(n) in ours else messages}
            for n, messages in enumerate(others)
        )
    )
    looked_up = count_look_ups(house, monkeypatch)
    found: list[str] = []
    for page in search(house, oldest_first, enough=10):
        assert len(looked_up) < 10 + 5
        looked_up.clear()
        found += page
    assert found == (ours if oldest_first else ours[::-1])
