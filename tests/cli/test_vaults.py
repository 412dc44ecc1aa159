"""init and status."""

import json
from typing import Any

from muniment.api import Done, GetStatus, Init, ProfileStatus
from support.engine_double import HOSTILE, EngineDouble, assert_harmless, invoke
from support.words import status, summary


def profile(**changes: Any) -> ProfileStatus:
    values: dict[str, Any] = {"name": "gw", "source": "gateway", "enabled": True, "every": 300, "last": None}
    return ProfileStatus(**(values | changes))


def test_init_passes_domains_on() -> None:
    double = EngineDouble({Init: Done(message="Vault made in /v.", warnings=("no domain",))})
    result = invoke(double, "init", "--domain", "Quill.example ", "--domain", "b.example", "--name", "Quill")
    assert double.asked == [Init(domains=("quill.example", "b.example"), name="Quill")]
    assert (result.code, result.out) == (0, "Vault made in /v.\n")
    assert result.err == "muniment: Note: no domain\n"


def test_init_in_json() -> None:
    double = EngineDouble({Init: Done(message="Vault made in /v.")})
    data = json.loads(invoke(double, "init", "--json").out)
    assert data == {"message": "Vault made in /v.", "warnings": []}


def test_status_of_a_new_vault() -> None:
    out = invoke(EngineDouble({GetStatus: status()}), "status").out
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
    out = invoke(EngineDouble({GetStatus: status(profiles=profiles)}), "status").out
    assert "ok: 900 new, 99 merged, 1 quarantined" in out
    assert "never ran" in out
    assert "failed, unbalanced:" in out
    assert " off " in out
    assert max(map(len, out.splitlines())) <= 80


def test_status_in_json_has_every_field() -> None:
    data = json.loads(
        invoke(EngineDouble({GetStatus: status(profiles=(profile(),))}), "status", "--json").out
    )
    assert data["bytes_catalog"] == 8192
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
    assert_harmless(invoke(EngineDouble({GetStatus: hostile}), "status", terminal=False).out)
