"""The message after the app has closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.api import WatchRuns
from muniment.errors import AccessRefused
from muniment_tui.shell.exit_message import exit_message
from support.engine_double import EngineDouble
from support.running import forever, going, profile, state

VAULT = Path("/srv/my mail")


def message(answer: object) -> list[str]:
    return exit_message(EngineDouble({WatchRuns: answer}).doors.connect, VAULT)  # type: ignore[dict-item]


def test_the_message_names_the_running_profiles_and_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    waiting = profile("partner", running=going(0, stage="waiting", books={}))
    assert message(forever(state(profile(running=going()), waiting, profile("idle")))) == [
        "gateway: fetching, 4,491 of 12,640, 35%",
        "partner: queued",
        "Runs continue without the app. Open it again: muniment --vault '/srv/my mail'   "
        "Watch only: muniment watch --vault '/srv/my mail'",
    ]
    monkeypatch.setenv("MUNIMENT_VAULT", str(VAULT))
    assert message(forever(state(profile(running=going()))))[-1] == (
        "Runs continue without the app. Open it again: muniment   Watch only: muniment watch"
    )


@pytest.mark.parametrize("answer", [forever(state(profile())), AccessRefused("no"), []])
def test_there_is_no_message_if_nothing_runs_or_the_service_fails(answer: object) -> None:
    assert message(answer) == []
