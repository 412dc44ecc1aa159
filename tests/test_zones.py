"""Time zones: the days in a query and the days on the screen are the same."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.api import AddUser, Done, Search
from muniment.client.client import Client
from muniment.errors import ConfigError, UsageError
from muniment.service.operations.users import _since
from muniment.system import formatting
from muniment.system.periods import period
from muniment.system.time_zones import local_zone, zone_of
from muniment_tui.messages.dates import period as typed_period
from support.cases import cases_dir
from support.program import Program
from support.vaults import TestVault
from support.zoned import in_zone

RULE = "CET-1CEST,M3.5.0,M10.5.0/3"
ODD = [
    "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns", "Antarctica/Troll", "Africa/Casablanca",
    "Asia/Gaza",
    "Pacific/Kwajalein", "Europe/Dublin", RULE, "+05:30", "-09:30", "",
]  # fmt: skip
"""Zones that change at midnight, by half an hour or by a day, or that go back in summer; rules, offsets."""


@pytest.mark.parametrize(
    ("name", "winter", "summer"),
    [
        ("Europe/Berlin", 60, 120),
        (RULE, 60, 120),
        ("<+0330>-3:30", 210, 210),
        ("+05:30", 330, 330),
        ("-0930", -570, -570),
        ("", 0, 0),
        ("UTC", 0, 0),
        ("Etc/UTC", 0, 0),
        ("EST5EDT", -300, -240),
    ],
)
def test_names_rules_and_offsets_are_zones(name: str, winter: int, summer: int) -> None:
    zone = zone_of(name)
    for month, minutes in ((1, winter), (7, summer)):
        assert datetime(2026, month, 1, tzinfo=zone).utcoffset() == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "Europe",
        "tzdata.zi",
        "Foo/Bar",
        "x" * 5000,
        "\0",
        "ü",
        "+99:00",
        "CET-1CEST,x",
        "AAA24",
        "AAA-24",
        "AAA-23",
        "AAA5BBB99,M3.2.0,M11.1.0",
    ],
)
def test_a_text_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone_of(name)


@given(st.text(max_size=40) | st.text("CETS-0123456789,M./<>+:", max_size=40))
def test_any_name_is_a_zone_or_refused(name: str) -> None:
    try:
        zone = zone_of(name)
    except ValueError:
        return
    datetime(2026, 1, 1, tzinfo=zone).utcoffset()


@given(st.from_regex(r"A{3}[+-]?[0-9]{1,3}(:[0-9]{2}){0,2}(B{3}[+-]?[0-9]{0,2},[MJ]?[0-9]{1,3},J9)?\Z"))
def test_every_accepted_rule_can_be_used(name: str) -> None:
    """`datetime` refuses a zone a day away from UTC, and only when it is used."""
    try:
        zone = zone_of(name)
    except ValueError:
        return
    for day in range(1, 366, 3):
        (datetime(2026, 1, 1, tzinfo=zone) + timedelta(days=day)).utcoffset()
    period("today", 1_700_000_000, zone)


def test_a_device_is_not_read_as_a_zone() -> None:
    with in_zone("/dev/zero"):
        assert local_zone() == ""


@given(st.sampled_from(ODD), st.integers(-2_000_000_000, 7_000_000_000))
def test_a_day_contains_the_moments_shown_with_its_date(name: str, moment: int) -> None:
    zone = zone_of(name)
    shown = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        start, end = period(shown.strftime(form).zfill(4), 0, zone)
        assert start <= moment < end
    tomorrow = shown.date() + timedelta(days=1)
    assert period(str(shown.date()), 0, zone)[1] == period(str(tomorrow), 0, zone)[0]
    assert period("today", moment, zone) == period(str(shown.date()), 0, zone)
    assert period("yesterday", moment, zone)[1] == period("today", moment, zone)[0]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_has_the_hours_of_its_zone(zone: str, day: str, hours: float) -> None:
    start, end = period(day, 0, zone_of(zone))
    assert end - start == hours * 3600


def test_the_configured_zone_is_used(tmp_path: Path) -> None:
    berlin = Path("/usr/share/zoneinfo/Europe/Berlin")
    for setting, named in [("Europe/Berlin", "Europe/Berlin"), (":Europe/Berlin", "Europe/Berlin"), ("", ""),
                           ("UTC", ""), (RULE, RULE), ("Foo/Bar", "")]:  # fmt: skip
        with in_zone(setting):
            assert local_zone() == named, setting
    if not berlin.exists():
        pytest.skip("this machine has no time zones")
    with in_zone(str(berlin)):
        assert local_zone() == "Europe/Berlin"
    machine, written = tmp_path / "localtime", tmp_path / "timezone"
    machine.symlink_to(berlin)
    with in_zone(None):
        assert local_zone(machine, written) == "Europe/Berlin"
    machine.unlink()
    shutil.copy(berlin, machine)
    with in_zone(None):
        assert local_zone(machine, written) == RULE, "a copy without a name has its rule"
    written.write_text("Europe/Berlin\n")
    with in_zone(None):
        assert local_zone(machine, written) == "Europe/Berlin"
    written.write_text("Asia/Tokyo\n")
    with in_zone(None):
        assert local_zone(machine, written) == RULE, "the name in the file does not count"


def test_an_unknown_zone_has_the_offset_that_the_system_shows() -> None:
    with in_zone("XYZ-3ABC"):
        assert local_zone() in ("+03:00", "+04:00")
        assert formatting.local(0) == "1970-01-01 03:00" or local_zone() == "+04:00"


def test_the_client_adds_its_zone_to_requests_and_nothing_else() -> None:
    class Line:
        def __init__(self) -> None:
            self.asked: list[object] = []

        def call(self, request: object) -> Done:
            self.asked.append(request)
            return Done(message="")

        def stream(self, request: object) -> object:
            self.asked.append(request)
            return iter(())

        def close(self) -> None:
            pass

    line = Line()
    client = Client(line)  # type: ignore[arg-type]
    with in_zone("Europe/Berlin"):
        client.call(Search(query="x"), Done)
        client.call(Search(query="x", zone="Asia/Tokyo"), Done)
    with in_zone("UTC"):
        client.call(Search(query="x"), Done)
    assert line.asked == [
        Search(query="x", zone="Europe/Berlin"), Search(query="x", zone="Asia/Tokyo"), Search(query="x"),
    ]  # fmt: skip


# --- the whole way --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    made = TestVault(tmp_path_factory.mktemp("zones") / "vault", domains=("contoso.com",))
    made.archive([(cases_dir("mail/misc") / "tz-midnight.eml").read_bytes()])
    return made


@pytest.mark.parametrize(
    ("zone", "day", "other", "shown"),
    [
        ("Europe/Berlin", "2026-11-03", "2026-11-02", "2026-11-03 00:30"),
        (RULE, "2026-11-03", "2026-11-02", "2026-11-03 00:30"),
        ("UTC", "2026-11-02", "2026-11-03", "2026-11-02 23:30"),
        ("America/New_York", "2026-11-02", "2026-11-03", "2026-11-02 18:30"),
        ("Asia/Tokyo", "2026-11-03", "2026-11-02", "2026-11-03 08:30"),
    ],
)
def test_the_days_of_a_query_are_the_days_on_the_screen(
    vault: TestVault, tmp_path: Path, zone: str, day: str, other: str, shown: str
) -> None:
    program = Program(vault.folder)
    with in_zone(zone):
        said = program("search", f"on:{day} subject:midnight")
        assert shown in said.out
        for query in (
            f"on:{day}",
            f"after:{day}",
            f"NOT before:{day}",
            f"before:{day}T23:59 after:{day}T00:00",
        ):
            assert len(program.ask("search", query)["hits"]) == 1, query
        for query in (f"on:{other}", f"before:{day}", f"NOT on:{day}"):
            assert program.ask("search", query)["hits"] == [], query
        assert program.ask("search", f"on:{day}")["hits"][0]["date"] == "2026-11-02T23:30:00Z"
        program("export", f"on:{day}", "--to", str(tmp_path / "out"))
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert len(manifest) == 2
    assert (f'"zone":"{zone}"' in manifest[0].replace(" ", "")) == (zone != "UTC")


READERS = {
    "list": ("catch-all/Inbox",), "search": ("subject:midnight",), "show": (), "history": ("--every",),
    "audit": (), "status": (), "quarantine list": (),
}  # fmt: skip
"""Commands that show times, and their arguments."""


@pytest.mark.parametrize("command", READERS)
def test_text_has_the_callers_zone_and_json_is_the_same_everywhere(
    command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = TestVault(tmp_path_factory.mktemp("shown") / "vault", domains=("contoso.com",))
    made.archive(
        [(cases_dir("mail/misc") / "tz-midnight.eml").read_bytes(), b"X-MS-Journal-Report:\r\n\r\nx"]
    )
    made.client.close()
    with (made.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\n')  # reads are recorded
    program = Program(made.folder)
    with in_zone("UTC"):
        (found,) = program.ask("search", "subject:midnight")["hits"]
        program("show", found["id"])  # for the audit trail
        (who,) = found["folders"][:1]
    words = {"list": (who,), "show": (found["id"],)}.get(command, READERS[command])
    texts, documents = {}, {}
    for zone in ("UTC", "Asia/Kathmandu"):
        with in_zone(zone):
            texts[zone] = program(*command.split(), *words).out
            documents[zone] = program.ask(*command.split(), *words)
            if command == "status":
                documents[zone]["health"].pop("disk")
    moments = {zone: times_in(text) for zone, text in texts.items()}
    assert moments["UTC"], "the command shows a time"
    shift = timedelta(hours=5, minutes=45)
    assert {moment + shift for moment in moments["UTC"]} <= moments["Asia/Kathmandu"]
    if command != "audit":  # which has the reads of this test
        assert documents["UTC"] == documents["Asia/Kathmandu"]
    for text in re.findall(r"\d{4}-\d\d-\d\dT[^\"]*", json.dumps(documents)):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), text


def times_in(text: str) -> set[datetime]:
    """The times in the form in which the command line shows them."""
    found = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d(?![:\d])", text)
    return {datetime.strptime(one, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for one in found}


def test_an_unknown_zone_is_refused_with_a_sentence(vault: TestVault) -> None:
    for request in (
        Search(query="x", zone="Foo/Bar"),
        AddUser(name="A", addresses=("a@x.org",), zone="Foo/Bar"),
    ):
        with pytest.raises(UsageError, match="Europe/Berlin"):
            vault.client.call(request, Done)


def test_since_is_a_day_of_the_administrators_zone(vault: TestVault) -> None:
    assert _since("2026-11-03", zone_of("Europe/Berlin")) == datetime(2026, 11, 2, 23, tzinfo=UTC).timestamp()
    assert _since("2026-11-03", UTC) == datetime(2026, 11, 3, tzinfo=UTC).timestamp()
    with pytest.raises(ConfigError, match="2026-01-31"):
        vault.client.call(AddUser(name="New", addresses=("n@contoso.com",), since="soon"), Done)


def test_a_date_to_go_to_is_the_same_day() -> None:
    with in_zone("Europe/Berlin"):
        first, last = typed_period("2026-11-03")
    assert (first, last + 1) == period("2026-11-03", 0, zone_of("Europe/Berlin"))


def test_the_zones_of_the_test_are_known_here() -> None:
    assert all(zone_of(name) for name in ODD)
    assert ZoneInfo("Europe/Berlin").key == "Europe/Berlin"
    assert os.environ.get("PYTHONTZPATH") is None
