"""Which problems are found, and when they are reported: tests with plain values."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.config.model import NotifySection
from muniment.notify import daily
from muniment.notify.findings import findings
from muniment.notify.memory import NotifyMemory, news
from muniment.notify.model import (
    NEARLY,
    ArchiveFacts,
    CheckpointFacts,
    DisposalFacts,
    GatewayFacts,
    NotifyEvent,
    ProfileFacts,
    RefusedClient,
    TroubleFinding,
    harmless,
)

NOW = 1_770_000_000.0
GIB = 1024**3
LIMITS = NotifySection(disk_percent=10, disk_bytes=GIB)


def profile(**fields: Any) -> ProfileFacts:
    values: dict[str, Any] = {"name": "gw", "journal": True, "report": NOW} | fields
    return ProfileFacts(**values)


def run(state: str = "ok", balanced: bool = True, error: str = "") -> dict[str, Any]:
    return {"profile": "gw", "state": state, "balanced": balanced, "error": error}


def facts(**fields: Any) -> ArchiveFacts:
    values: dict[str, Any] = {"now": NOW, "profiles": (profile(),), "disk": (100 * GIB, 50 * GIB)}
    return ArchiveFacts(**(values | fields))


def wrong(
    of: ArchiveFacts, limits: NotifySection = LIMITS, active: tuple[str, ...] = ()
) -> dict[str, bool | None]:
    """The findings that are problems (True) or not known (None), by their keys."""
    return {f.key: f.trouble for f in findings(of, limits, active) if f.trouble is not False}


def test_no_problems() -> None:
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
    def short(free: int | None, active: tuple[str, ...] = (), reserve: int = GIB) -> bool:
        return "gateway-short" in wrong(
            facts(gateway=GatewayFacts(free=free, reserve=reserve)), active=active
        )

    assert short(0)
    assert short(GIB + NEARLY - 1)
    assert not short(GIB + NEARLY)
    assert short(GIB + NEARLY, active=("gateway-short",))  # until there is some more room
    assert not short(None)
    assert not short(0, reserve=0)


def test_a_gateway_that_does_not_listen() -> None:
    taken = "the gateway can't listen on 0.0.0.0 port 25: another program has taken it"
    assert wrong(facts(gateway=GatewayFacts(listens=None))) == {}
    assert wrong(facts(gateway=GatewayFacts(listens=True))) == {}
    found = facts(gateway=GatewayFacts(listens=False, problem=taken))
    (event,) = news(NotifyMemory(), findings(found, LIMITS), NOW)
    assert (event.kind, taken in event.text) == ("gateway-closed", True)


def test_only_a_port_that_is_taken_opens_by_itself() -> None:
    def text(port_taken: bool) -> str:
        gateway = GatewayFacts(listens=False, problem="no such host", port_taken=port_taken)
        (event,) = news(NotifyMemory(), findings(facts(gateway=gateway), LIMITS), NOW)
        return event.text

    assert "as soon as it is free" in text(True)
    assert "as soon as it is free" not in text(False)
    assert "Correct [gateway]" in text(False)


def test_a_gateway_that_listens_with_its_earlier_settings() -> None:
    found = facts(gateway=GatewayFacts(listens=True, problem="no such host"))
    assert wrong(found) == {"gateway-unchanged": True}
    memory = NotifyMemory()
    (event,) = news(memory, findings(found, LIMITS), NOW)
    assert "It receives mail." in event.text
    closed = facts(gateway=GatewayFacts(listens=False, problem="no such host"))
    assert [one.state for one in news(memory, findings(closed, LIMITS), NOW)] == ["trouble"]


def test_each_refused_client_is_reported_once() -> None:
    clients = [RefusedClient(network=f"192.0.{n}.0/24", address=f"192.0.{n}.9", tries=5) for n in range(2)]
    found = facts(gateway=GatewayFacts(refused=tuple(clients)))
    assert wrong(found) == {f"client-refused:{client.network}": True for client in clients}
    memory = NotifyMemory()
    events = news(memory, findings(found, LIMITS), NOW)
    assert [event.kind for event in events] == ["client-refused"] * 2
    assert "192.0.0.9" in events[0].title
    assert '"192.0.0.0/24" to networks in [gateway]' in events[0].text
    assert news(memory, findings(found, LIMITS), NOW + 60) == []  # not once a connection
    assert news(memory, findings(facts(gateway=GatewayFacts()), LIMITS), NOW + 120) == []


@pytest.mark.parametrize(
    ("days", "settled", "trouble"),
    [(0, True, set()), (2.9, True, set()), (3, True, {True}), (3, False, {None}), (900, True, {True})],
)
def test_a_witness_that_takes_no_checkpoint_for_days(
    days: float, settled: bool, trouble: set[bool | None]
) -> None:
    named = "the witness https://w.example"
    of = facts(settled=settled, checkpoints=CheckpointFacts(lasts=False, reached={named: NOW - days * 86400}))
    assert set(wrong(of).values()) == trouble
    (found,) = [one for one in findings(of, LIMITS) if one.kind == "checkpoint-late"]
    assert found.subject == named
    assert found.title.startswith(f"No checkpoint has reached {named} since 20")
    assert "`muniment checkpoint publish`" in found.text


def test_signing_that_stopped_without_an_error_is_late_too() -> None:
    of = facts(checkpoints=CheckpointFacts(lasts=False, reached={"": NOW - 4 * 86400}))
    assert wrong(of) == {"checkpoint-late": True}


@pytest.mark.parametrize(
    ("fields", "trouble"),
    [
        ({"day": "", "last": 0.0}, {}),
        ({"last": NOW - 86400}, {}),
        ({"last": NOW - 86400, "problem": "the catalog is damaged"}, {"disposal-failed": True}),
        ({"last": NOW - 3 * 86400}, {"disposal-failed": True}),
    ],
)
def test_a_daily_disposal_that_fails_or_does_not_come(
    fields: dict[str, Any], trouble: dict[str, bool]
) -> None:
    of = facts(disposal=DisposalFacts(**{"due": "02:30", "day": "2026-11-30"} | fields))
    assert wrong(of) == trouble
    (found,) = [one for one in findings(of, LIMITS) if one.kind == "disposal-failed"]
    assert "2026-11-30" in found.title or not fields["last"]
    assert "the next 02:30" in found.text
    assert "`muniment retention dispose` erases it now" in found.text


def test_silence_counts_for_all_profiles_together_and_for_named_ones() -> None:
    quiet, lively = profile(name="a", report=NOW - 30 * 3600), profile(name="b")
    assert wrong(facts(profiles=(quiet, lively))) == {}
    assert wrong(facts(profiles=(quiet, lively)), NotifySection(silent={"a": 30, "b": 1})) == {
        "no-reports:a": True
    }
    assert wrong(facts(profiles=(quiet,))) == {"no-reports": True}
    assert wrong(facts(profiles=(quiet,)), NotifySection(silent_hours=0)) == {}
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


def test_a_disk_is_short_by_percent_or_bytes_until_there_is_a_margin() -> None:
    short = {"disk-short": True}
    assert wrong(facts(disk=(100 * GIB, 9 * GIB))) == short
    assert wrong(facts(disk=(5 * GIB, GIB - 1))) == short
    assert wrong(facts(disk=(100 * GIB, 10 * GIB))) == {}
    assert wrong(facts(disk=(100 * GIB, 10 * GIB)), active=("disk-short",)) == short
    assert wrong(facts(disk=(100 * GIB, 12 * GIB)), active=("disk-short",)) == {}
    assert wrong(facts(disk=None)) == {"disk-short": None}
    assert wrong(facts(disk=(100, 0)), NotifySection(disk_percent=0, disk_bytes=0)) == {}


def test_an_index_that_lags_behind() -> None:
    assert wrong(facts(behind=5, behind_since=NOW - 3599)) == {}
    assert wrong(facts(behind=5, behind_since=NOW - 3600)) == {"index-behind": True}


def test_a_problem_is_reported_once_and_again_when_it_returns() -> None:
    memory = NotifyMemory()

    def sent(trouble: bool | None, after: float = 0) -> list[tuple[str, str]]:
        found = [TroubleFinding(kind="disk-short", trouble=trouble, title="short", text="x", well="room")]
        return [(event.state, event.title) for event in news(memory, found, NOW + after)]

    assert sent(None) == []
    assert sent(True) == [("trouble", "short")]
    assert sent(True, 60) == []
    assert sent(None, 60) == []
    assert sent(True, 60) == []
    assert sent(False, 7500) == [("well", "room")]
    assert sent(False) == []
    assert sent(True) == [("trouble", "short")]


def test_the_end_of_a_problem_says_how_long_it_lasted() -> None:
    memory = NotifyMemory()
    found = TroubleFinding(kind="disk-short", trouble=True, title="short", well="room")
    news(memory, [found], NOW)
    (event,) = news(memory, [TroubleFinding(kind="disk-short", trouble=False, well="room")], NOW + 7500)
    assert event.text == "Resolved: short, after 2 h 5 min."
    assert event.key == "disk-short"


def test_a_problem_without_its_subject_is_forgotten_silently() -> None:
    memory = NotifyMemory()
    found = [TroubleFinding(kind="run-failed", subject="gw", trouble=True, title="x", well="y")]
    assert len(news(memory, found, NOW)) == 1
    assert news(memory, [], NOW) == []
    assert memory.reported == {}
    assert len(news(memory, found, NOW)) == 1


STATES = st.lists(st.sampled_from([True, False, None]), max_size=30)


@given(STATES)
def test_beginnings_and_ends_of_a_problem_alternate(states: list[bool | None]) -> None:
    memory, sent = NotifyMemory(), []
    for trouble in states:
        found = [TroubleFinding(kind="disk-short", trouble=trouble, title="t", well="w")]
        sent += [event.state for event in news(memory, found, NOW)]
    assert sent == (["trouble", "well"] * len(sent))[: len(sent)]


def test_a_sentence_from_elsewhere_has_no_address_and_no_mail_text() -> None:
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
    memory = NotifyMemory()
    assert not daily.due("", memory, at(12, 0))
    assert not daily.due("07:30", memory, at(7, 29))
    assert daily.due("07:30", memory, at(7, 30))
    assert not daily.due("07:30", memory, at(23, 0))
    assert not daily.due("07:30", memory, at(7, 29, day=11))
    assert daily.due("07:30", memory, at(18, 0, day=11))
    assert not daily.due("07:30", NotifyMemory(), at(18, 0))


def test_a_summary_adds_up_the_day() -> None:
    memory = NotifyMemory()
    runs = [run() | {"new": 3, "deleted": 3}, run("failed") | {"new": 1}, run() | {"profile": "b"}]
    event: NotifyEvent = daily.summary(facts(behind=2), runs, memory, 1234)
    assert event.title == "Daily summary: no problems"
    lines = event.text.splitlines()
    assert lines[:2] == [
        "b: 1 runs in 24 hours: nothing new",
        "gw: 2 runs in 24 hours, 1 failed: 4 new, 3 deleted",
    ]
    assert "The vault has 1,234 messages." in lines
    assert "Its disk is 50 percent full." in lines
    news(memory, [TroubleFinding(kind="disk-short", trouble=True, title="The disk is almost full")], NOW)
    assert "  - The disk is almost full" in daily.summary(facts(), [], memory, 0).text
