"""Which problems are found, how bad they are, and where they are dealt with: plain values."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from muniment.config.model import NotifySection
from muniment.health.model import (
    FoundProblem,
    HealthFacts,
    HealthVerdict,
    ProfileSwitches,
    SilenceFacts,
    UpkeepFacts,
)
from muniment.health.problems import KINDS, NOTED, problems, verdict
from muniment.notify.model import ArchiveFacts, GatewayFacts, Kind, ProfileFacts, RefusedClient

NOW = 1_770_000_000
DAY = 86400
GIB = 1024**3
REFUSED = RefusedClient(network="n", address="a", tries=3)
LIMITS = NotifySection(disk_percent=10, disk_bytes=GIB)


def archive(**fields: Any) -> ArchiveFacts:
    values: dict[str, Any] = {"now": NOW, "since": NOW - DAY, "disk": (100 * GIB, 50 * GIB)}
    return ArchiveFacts(**(values | fields))


def facts(**fields: Any) -> HealthFacts:
    return HealthFacts(**({"archive": archive()} | fields))


def found(of: HealthFacts) -> dict[str, str]:
    """The severity of each problem, by its key."""
    return {one.key: one.verdict.word for one in problems(of, LIMITS)}


def upkeep(ok: bool, days: int) -> UpkeepFacts:
    return UpkeepFacts(ok=ok, good=NOW - days * DAY if ok else 0, text="" if ok else "no space left")


def run(**fields: Any) -> tuple[ProfileFacts, ...]:
    last = {"profile": "gw", "state": "failed", "balanced": True, "error": "no such host"} | fields
    return (ProfileFacts(name="gw", last=last),)


CASES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {}),
    ({"broken": ("the ledger was cut",)}, {"broken:0": "critical"}),
    ({"archive": archive(profiles=run())}, {"run-failed:gw": "warning"}),
    ({"archive": archive(profiles=run(in_a_row=3))}, {"run-failed:gw": "critical"}),
    ({"archive": archive(profiles=run(state="ok", balanced=False))}, {"run-failed:gw": "critical"}),
    ({"archive": archive(profiles=run(state="cancelled"))}, {}),
    ({"archive": archive(disk=(100 * GIB, GIB))}, {"disk-short": "critical"}),
    ({"archive": archive(gateway=GatewayFacts(free=1, reserve=GIB))}, {"gateway-short": "critical"}),
    (
        {
            "archive": archive(
                gateway=GatewayFacts(refused=(RefusedClient(network="n", address="a", tries=3),))
            )
        },
        {"client-refused:n": "warning"},
    ),
    (
        {"archive": archive(gateway=GatewayFacts(listens=False, problem="taken"))},
        {"gateway-closed": "critical"},
    ),
    ({"archive": archive(gateway=GatewayFacts(listens=False))}, {"gateway-closed": "critical"}),
    (
        {"archive": archive(gateway=GatewayFacts(listens=True, problem="no such host"))},
        {"gateway-unchanged": "warning"},
    ),
    ({"reported": {"ledger-altered": "Changed"}}, {"ledger-altered": "critical"}),
    ({"reported": {"no-reports": "None"}}, {"no-reports": "critical"}),
    ({"reported": {"certificate-expires:gw:110": "Soon"}}, {"certificate-expires:gw:110": "warning"}),
    ({"reported": {"run-failed:gw": "The run of gw failed"}}, {}),  # it has succeeded since
    ({"profiles": (ProfileSwitches(name="gw", enabled=True, tested=True),)}, {}),
    ({"profiles": (ProfileSwitches(name="gw", enabled=False, tested=True),)}, {"stopped:gw": "warning"}),
    ({"profiles": (ProfileSwitches(name="gw", enabled=True, tested=False),)}, {"stopped:gw": "warning"}),
    ({"days_left": 30}, {}),
    ({"days_left": 29}, {"disk-fills": "warning"}),
    ({"days_left": 6}, {"disk-fills": "critical"}),
    ({"silence": SilenceFacts(total=2, named=("eve@x.example",), days=14)}, {"silent-users": "warning"}),
    ({"quarantined": 1}, {"quarantine": "warning"}),
    ({"journaling": ("2 reports came back",)}, {"journaling:0": "warning"}),
    ({"warnings": ("others can read the vault",)}, {"folder:0": "critical"}),
    ({"refused_logins": ("bob",)}, {"logins": "warning"}),
    ({"verified": upkeep(True, 34)}, {}),
    ({"verified": upkeep(True, 36)}, {"verify": "warning"}),
    ({"verified": upkeep(True, -900)}, {"verify": "warning"}),
    ({"verified": upkeep(False, 0)}, {"verify": "critical"}),
    ({"verified": UpkeepFacts(ok=True, good=NOW, doubt="another root")}, {"verify": "warning"}),
    ({"backups": (upkeep(True, -900),)}, {"backup": "warning"}),
    ({"backups": (upkeep(True, -900), upkeep(True, 2))}, {}),
    ({"archive": archive(since=NOW - 36 * DAY)}, {"verify": "warning"}),
    ({"archive": archive(since=0)}, {}),  # nobody has watched it yet
    ({"backups": (upkeep(True, 8),)}, {}),
    ({"backups": (upkeep(True, 9),)}, {"backup": "warning"}),
    ({"backups": (upkeep(False, 0),)}, {"backup": "critical"}),
    ({"backups": (upkeep(True, 40), upkeep(True, 2))}, {}),
    ({"backups": (upkeep(False, 0), upkeep(True, 2))}, {"backup": "critical"}),
    ({"backups": (upkeep(True, 2), upkeep(False, 0), upkeep(False, 0))}, {"backup-left": "warning"}),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_problems(given: dict[str, Any], expected: dict[str, str]) -> None:
    assert found(facts(**given)) == expected


@pytest.mark.parametrize("given", [given for given, expected in CASES if expected])
def test_each_problem_is_a_sentence_that_says_where_it_is_dealt_with(given: dict[str, Any]) -> None:
    for one in problems(facts(**given), LIMITS):
        assert one.text[0].isupper() or one.text[0].isdigit()
        assert one.text.endswith(".")
        assert ".." not in one.text
        assert one.area in ("", "profiles", "runs", "people", "proof", "settings")


def test_the_worst_come_first_and_the_verdict_is_the_worst() -> None:
    listed = problems(facts(quarantined=3, broken=("the ledger was cut",), days_left=20), LIMITS)
    assert [one.verdict for one in listed] == sorted((one.verdict for one in listed), reverse=True)
    worst, sentence = verdict(listed)
    assert (worst, int(worst)) == (HealthVerdict.CRITICAL, 2)
    assert sentence == "The ledger was cut. (2 more)"
    assert verdict([]) == (HealthVerdict.OK, "The archive is well.")


def test_the_reason_of_a_failed_run_and_the_names_of_silent_users_are_said() -> None:
    silence = SilenceFacts(total=7, named=("eve@x.example", "bob@x.example"), days=14)
    texts = [one.text for one in problems(facts(archive=archive(profiles=run()), silence=silence), LIMITS)]
    assert "The run of gw failed: no such host." in texts
    assert any("14 days for eve@x.example, bob@x.example and 5 more." in text for text in texts)


def test_limits_of_notifications_that_are_off_find_nothing() -> None:
    off = NotifySection(disk_percent=0, disk_bytes=0)
    assert problems(facts(archive=archive(disk=(100 * GIB, 0))), off) == []


def test_each_kind_of_notification_has_a_verdict_and_advice() -> None:
    assert set(get_args(Kind)) - {"run-failed", "daily-summary", "checkpoint", "test"} == set(KINDS)


def test_each_kind_that_only_the_watch_can_judge_has_advice() -> None:
    assert KINDS.keys() > NOTED
    for kind in NOTED:
        (one,) = problems(facts(reported={kind: "Something happened"}), LIMITS)
        assert isinstance(one, FoundProblem)
        assert one.text.startswith("Something happened. ")
