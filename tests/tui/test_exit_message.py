"""The message after the app has closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment.api import BackgroundWork, GetProof, Proof, WatchRuns
from muniment.errors import AccessRefused
from muniment_tui.shell.exit_message import exit_message
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.running import forever, going, profile, state

VAULT = Path("/srv/my mail")


def message(answer: Any, proof: Any = None) -> list[str]:
    double = EngineDouble({WatchRuns: answer, GetProof: proof or AccessRefused("no")})
    return exit_message(double.doors.connect, VAULT)


def works(*works: BackgroundWork) -> Proof:
    return Proof(checkpoint="", tree_size=0, root="", written=0, works=works)


def test_the_message_names_the_running_profiles_and_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    waiting = profile("partner", running=going(0, stage="waiting", books={}))
    assert message(forever(state(profile(running=going()), waiting, profile("idle")))) == [
        "gateway: fetching, 4,491 of 12,640, 35%",
        "partner: queued",
        "This goes on without the app. Open it again: muniment --vault '/srv/my mail'   "
        "Watch runs: muniment watch --vault '/srv/my mail'",
    ]
    monkeypatch.setenv("MUNIMENT_VAULT", str(VAULT))
    assert message(forever(state(profile(running=going()))))[-1] == (
        "This goes on without the app. Open it again: muniment   Watch runs: muniment watch"
    )


@pytest.mark.parametrize("answer", [forever(state(profile())), AccessRefused("no"), []])
def test_there_is_no_message_if_nothing_runs_or_the_service_fails(answer: object) -> None:
    assert message(answer) == []


def test_the_message_names_works_that_go_on_in_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNIMENT_VAULT", str(VAULT))
    first = BackgroundWork(number=1, kind="deep verification", who="ines", begun=0)
    second = BackgroundWork(number=2, kind="backup", who=HOSTILE, begun=0, waits=True)
    lines = message(forever(state(profile())), works(first, second))
    assert lines[0] == "deep verification by ines"
    assert lines[1].startswith("backup by ")
    assert lines[1].endswith(": queued")
    assert_harmless("\n".join(lines))
    assert lines[2] == "This goes on without the app. Open it again: muniment   Watch runs: muniment watch"
    assert message(forever(state(profile())), works()) == []
