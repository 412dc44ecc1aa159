"""What is found wrong, and when it is told: pure values in, pure values out."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.config.model import Notify
from muniment.notify import daily
from muniment.notify.findings import findings
from muniment.notify.memory import Memory, news
from muniment.notify.model import (
    NEARLY,
    Event,
    Facts,
    Finding,
    GatewayFacts,
    ProfileFacts,
    RefusedClient,
    harmless,
)

NOW = 1_770_000_000.0
GIB = 1024**3
LIMITS = Notify(disk_percent=10, disk_bytes=GIB)


def profile(**fields: Any) -> ProfileFacts:
    told = {"name": "gw", "journal": True, "report": NOW} | fields
    return ProfileFacts(**told)


def run(state: str = "ok", balanced: bool = True, error: str = "") -> dict[str, Any]:
    return {"profile": "gw", "state": state, "balanced": balanced, "error": error}


def facts(**fields: Any) -> Facts:
    return Facts(**({"now": NOW, "profiles": (profile(),), "disk": (100 * GIB, 50 * GIB)} | fields))


def wrong(of: Facts, limits: Notify = LIMITS, told: tuple[str, ...] = ()) -> dict[str, bool | None]:
    """What is wrong (True) or can't be told (None)."""
    return {f.key: f.trouble for f in findings(of, limits, told) if f.trouble is not False}


def test_all_is_well() -> None:
    well = facts(profiles=(profile(last=run()),), certificates={"gw:110": NOW + 90 * 86400})
    assert wrong(well) == {}


@pytest.mark.parametrize(
    ("last", "trouble"),
    [
        (run("failed"), {"run-failed:gw": True}),
        (run("ok", balanced=False), {"run-failed:gw": True}),
        (run("cancelled"), {"run-failed:gw": None}),
        (run("cancelled", balanced=False), {"run-failed:gw": True}),
        (None, {}),
    ],
)
def test_runs(last: dict[str, Any] | None, trouble: dict[str, bool | None]) -> None:
    assert wrong(facts(profiles=(profile(last=last),))) == trouble


def test_a_gateway_that_puts_mail_off() -> None:
    def short(free: int | None, told: tuple[str, ...] = (), reserve: int = GIB) -> bool:
        return "gateway-short" in wrong(facts(gateway=GatewayFacts(free=free, reserve=reserve)), told=told)

    assert short(0)
    assert short(GIB + NEARLY - 1)
    assert not short(GIB + NEARLY)
    assert short(GIB + NEARLY, told=("gateway-short",))  # until there is some more room
    assert not short(None)
    assert not short(0, reserve=0)


def test_clients_that_keep_coming_back_are_told_of_one_by_one() -> None:
    clients = [RefusedClient(network=f"192.0.{n}.0/24", address=f"192.0.{n}.9", tries=5) for n in range(2)]
    found = facts(gateway=GatewayFacts(refused=tuple(clients)))
    assert wrong(found) == {f"client-refused:{client.network}": True for client in clients}
    memory = Memory()
    told = news(memory, findings(found, LIMITS), NOW)
    assert [event.kind for event in told] == ["client-refused"] * 2
    assert "192.0.0.9" in told[0].title
    assert '"192.0.0.0/24" to networks in [gateway]' in told[0].text
    assert news(memory, findings(found, LIMITS), NOW + 60) == []  # not once a connection
    assert news(memory, findings(facts(gateway=GatewayFacts()), LIMITS), NOW + 120) == []


def test_silence_of_the_vault_is_that_of_all_and_of_profiles_where_asked() -> None:
    quiet, lively = profile(name="a", report=NOW - 30 * 3600), profile(name="b")
    assert wrong(facts(profiles=(quiet, lively))) == {}
    assert wrong(facts(profiles=(quiet, lively)), Notify(silent={"a": 30, "b": 1})) == {"no-reports:a": True}
    assert wrong(facts(profiles=(quiet,))) == {"no-reports": True}
    assert wrong(facts(profiles=(quiet,)), Notify(silent_hours=0)) == {}
    assert wrong(facts(profiles=(quiet,), settled=False)) == {"no-reports": None}
    assert wrong(facts(profiles=(profile(journal=False, report=0),))) == {}


@pytest.mark.parametrize(
    ("left", "trouble"),
    [
        (15 * 86400, {}),
        (13 * 86400, {"certificate-expires:gw:110": True}),
        (-1, {"certificate-expires:gw:110": True}),
    ],
)
def test_certificates(left: float, trouble: dict[str, bool]) -> None:
    assert wrong(facts(certificates={"gw:110": NOW + left})) == trouble
    assert wrong(facts(certificates={"gw:110": None})) == {"certificate-expires:gw:110": None}


def test_a_disk_is_short_by_share_or_bytes_and_well_again_only_by_a_margin() -> None:
    short = {"disk-short": True}
    assert wrong(facts(disk=(100 * GIB, 9 * GIB))) == short
    assert wrong(facts(disk=(5 * GIB, GIB - 1))) == short
    assert wrong(facts(disk=(100 * GIB, 10 * GIB))) == {}
    assert wrong(facts(disk=(100 * GIB, 10 * GIB)), told=("disk-short",)) == short
    assert wrong(facts(disk=(100 * GIB, 12 * GIB)), told=("disk-short",)) == {}
    assert wrong(facts(disk=None)) == {"disk-short": None}
    assert wrong(facts(disk=(100, 0)), Notify(disk_percent=0, disk_bytes=0)) == {}


def test_the_index() -> None:
    assert wrong(facts(behind=5, behind_since=NOW - 3599)) == {}
    assert wrong(facts(behind=5, behind_since=NOW - 3600)) == {"index-behind": True}


def test_a_trouble_is_told_once_and_again_only_when_it_returns() -> None:
    memory = Memory()

    def told(trouble: bool | None, after: float = 0) -> list[tuple[str, str]]:
        found = [Finding(kind="disk-short", trouble=trouble, title="short", text="x", well="room")]
        return [(event.state, event.title) for event in news(memory, found, NOW + after)]

    assert told(None) == []
    assert told(True) == [("trouble", "short")]
    assert told(True, 60) == []
    assert told(None, 60) == []
    assert told(True, 60) == []
    assert told(False, 7500) == [("well", "room")]
    assert told(False) == []
    assert told(True) == [("trouble", "short")]


def test_the_end_says_how_long_it_was() -> None:
    memory = Memory()
    found = Finding(kind="disk-short", trouble=True, title="short", well="room")
    news(memory, [found], NOW)
    (event,) = news(memory, [Finding(kind="disk-short", trouble=False, well="room")], NOW + 7500)
    assert event.text == "It was told: short. It lasted 2 h 5 min."
    assert event.key == "disk-short"


def test_what_is_gone_is_forgotten_without_a_word() -> None:
    memory = Memory()
    found = [Finding(kind="run-failed", subject="gw", trouble=True, title="x", well="y")]
    assert len(news(memory, found, NOW)) == 1
    assert news(memory, [], NOW) == []
    assert memory.told == {}
    assert len(news(memory, found, NOW)) == 1


STATES = st.lists(st.sampled_from([True, False, None]), max_size=30)


@given(STATES)
def test_troubles_and_ends_take_turns(states: list[bool | None]) -> None:
    memory, told = Memory(), []
    for trouble in states:
        found = [Finding(kind="disk-short", trouble=trouble, title="t", well="w")]
        told += [event.state for event in news(memory, found, NOW)]
    assert told == (["trouble", "well"] * len(told))[: len(told)]


def test_another_s_sentence_holds_no_address_and_no_mail() -> None:
    line = harmless("\x1b[2Jthe server refused <anna@example.com>\nbecause of bob@example.org: 550 no")
    assert line.isprintable()
    assert "@" not in line
    assert "the server refused" in line
    unforeseen = harmless("an unexpected error (ValueError: Subject: secret plans); nothing was deleted")
    assert unforeseen == "an unexpected error (ValueError); the service's log has the details"
    assert len(harmless("x" * 5000)) == 400
    (finding, *_) = findings(
        facts(profiles=(profile(last=run("failed", error="no bob@example.org")),)), LIMITS
    )
    assert "bob" not in finding.text


def at(hour: int, minute: int, day: int = 10) -> float:
    return time.mktime((2026, 6, day, hour, minute, 0, 0, 0, -1))


def test_a_daily_summary_is_due_once_a_day_at_its_time() -> None:
    memory = Memory()
    assert not daily.due("", memory, at(12, 0))
    assert not daily.due("07:30", memory, at(7, 29))
    assert daily.due("07:30", memory, at(7, 30))
    assert not daily.due("07:30", memory, at(23, 0))
    assert not daily.due("07:30", memory, at(7, 29, day=11))
    assert daily.due("07:30", memory, at(18, 0, day=11))
    assert not daily.due("07:30", Memory(), at(18, 0))


def test_a_summary_adds_the_day_up() -> None:
    memory = Memory()
    runs = [run() | {"new": 3, "deleted": 3}, run("failed") | {"new": 1}, run() | {"profile": "b"}]
    event: Event = daily.summary(facts(behind=2), runs, memory, 1234)
    assert event.title == "Daily summary, all is well"
    lines = event.text.splitlines()
    assert lines[:2] == [
        "b: 1 runs in 24 hours: nothing new",
        "gw: 2 runs in 24 hours, 1 failed: 4 new, 3 deleted",
    ]
    assert "The vault holds 1,234 messages." in lines
    assert "Its disk is 50 percent full." in lines
    news(memory, [Finding(kind="disk-short", trouble=True, title="The disk runs short")], NOW)
    assert "  - The disk runs short" in daily.summary(facts(), [], memory, 0).text
