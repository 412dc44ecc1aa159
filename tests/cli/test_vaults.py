"""init and status."""

import json
from typing import Any

from muniment.api import Done, GetHealth, GetStatus, HealthProblem, Init, ProfileStatus, Status
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke
from support.words import state_of_health, status, summary
from support.zoned import in_zone


def profile(**changes: Any) -> ProfileStatus:
    values: dict[str, Any] = {"name": "gw", "source": "gateway", "enabled": True, "every": 300, "last": None}
    return ProfileStatus(**(values | changes))


def answering(state: Status, *problems: HealthProblem) -> EngineDouble:
    return EngineDouble({GetStatus: state, GetHealth: state_of_health(*problems)})


def test_init_passes_domains_on() -> None:
    double = EngineDouble({Init: Done(message="Vault made in /v.", warnings=("no domain",))})
    result = invoke(double, "init", "--domain", "Quill.example ", "--domain", "b.example", "--name", "Quill")
    assert double.asked == [Init(domains=("quill.example", "b.example"), name="Quill", sign=True)]
    assert (result.code, result.out) == (0, "Vault made in /v.\n")
    assert result.err == "muniment: Note: no domain\n"


def test_init_in_json() -> None:
    double = EngineDouble({Init: Done(message="Vault made in /v.")})
    data = json.loads(invoke(double, "init", "--json").out)
    assert data == {"message": "Vault made in /v.", "warnings": []}


def test_status_of_a_new_vault() -> None:
    out = invoke(answering(status()), "status").out
    assert "Quill (quill.example)" in out
    assert "muniment profile add --help" in out


def test_status_names_each_profile_and_its_last_run() -> None:
    ran = {
        key: getattr(summary(), key)
        for key in ("state", "new", "merged", "quarantined", "failed", "balanced")
    }
    profiles = (
        profile(last=ran),
        profile(name="old", enabled=False),
        profile(name="bad", last=ran | {"balanced": False, "state": "failed"}),
    )
    out = invoke(answering(status(profiles=profiles)), "status").out
    assert "ok: 900 new, 99 merged, 1 quarantined" in out
    assert "never ran" in out
    assert "failed, unbalanced:" in out
    assert " off " in out
    assert max(map(len, out.splitlines())) <= 80


def test_status_says_what_is_wrong_and_how_much_disk_is_free() -> None:
    out = invoke(answering(status()), "status").out
    assert "Health      The archive is well.\n" in out
    assert "Disk        12.3 GB of 100.0 GB free, full in about 40 days\n" in out
    wrong = (
        HealthProblem(key="a", severity="critical", text="The disk is full. Free some space."),
        HealthProblem(key="b", severity="warning", text="Profile gw is disabled."),
    )
    out = invoke(answering(status(), *wrong), "status").out
    assert (
        "Health      critical, 2 problems:\n"
        "            critical: The disk is full. Free some space.\n"
        "            warning: Profile gw is disabled.\n"
    ) in out


def test_a_run_in_progress_is_not_reported_as_the_last_one() -> None:
    out = invoke(answering(status(profiles=(profile(running=True, last={"state": "failed"}),))), "status").out
    assert "running now" in out
    assert "failed" not in out


def test_times_are_of_the_callers_zone() -> None:
    state = status(
        owner="process 7, since 2025-01-06 18:09:57 +0000", owner_pid=7, owner_since=1736186997,
        profiles=(profile(last={"state": "ok", "ended": 1736186997}),),
    )  # fmt: skip
    with in_zone("Europe/Berlin"):
        out = invoke(answering(state), "status").out
    assert "process 7, since 2025-01-06 19:09" in out
    assert "ok: nothing new, 2025-01-06 19:09" in out
    assert "Last report 2025-01-06 19:09" in out


def test_a_user_sees_no_verdict() -> None:
    own = state_of_health(verdict="", summary="Your folders hold 3 messages.", disk=None)
    out = invoke(EngineDouble({GetStatus: status(), GetHealth: own}), "status").out
    assert "Health      Your folders hold 3 messages." in out
    assert "Last report" not in out


def test_status_in_json_has_every_field() -> None:
    data = json.loads(invoke(answering(status(profiles=(profile(),))), "status", "--json").out)
    assert data["bytes_catalog"] == 8192
    assert data["health"] == {
        "verdict": "ok",
        "summary": "The archive is well.",
        "problems": [],
        "last_report": "2025-01-06T18:09:57Z",
        "disk": {"total": 100_000_000_000, "free": 12_300_000_000, "a_day": None, "days_left": 40},
    }
    assert data["profiles"] == [
        {
            "name": "gw",
            "source": "gateway",
            "enabled": True,
            "every": 300,
            "last": None,
            "tested": True,
            "running": False,
        }
    ]
    assert "type" not in data


def test_hostile_strings_in_the_status_are_made_harmless() -> None:
    hostile = status(name=HOSTILE, owner=HOSTILE, profiles=(profile(name=HOSTILE, last={"state": HOSTILE}),))
    wrong = HealthProblem(key="x", severity="warning", text=HOSTILE)
    assert_shown_harmlessly(invoke(answering(hostile, wrong), "status", terminal=False).out)
