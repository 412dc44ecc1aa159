"""What is said when the app has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from muniment.api import WatchRuns
from muniment.errors import AccessRefused
from muniment_tui.shell.exit_message import farewell
from support.engine_double import EngineDouble
from support.running import forever, going, profile, state

VAULT = Path("/srv/my mail")


def said(answer: object) -> list[str]:
    return farewell(EngineDouble({WatchRuns: answer}).doors.connect, VAULT)  # type: ignore[dict-item]


def test_it_names_what_runs_on_and_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    waiting = profile("partner", running=going(0, stage="waiting", books={}))
    assert said(forever(state(profile(running=going()), waiting, profile("idle")))) == [
        "gateway: fetching, 4,491 of 12,640, 35%",
        "partner: waits its turn",
        "They go on without the app. Come back with: muniment --vault '/srv/my mail'   "
        "or watch with: muniment watch --vault '/srv/my mail'",
    ]
    monkeypatch.setenv("MUNIMENT_VAULT", str(VAULT))
    assert said(forever(state(profile(running=going()))))[-1] == (
        "They go on without the app. Come back with: muniment   or watch with: muniment watch"
    )


@pytest.mark.parametrize("answer", [forever(state(profile())), AccessRefused("no"), []])
def test_it_says_nothing_where_nothing_runs_or_nothing_is_known(answer: object) -> None:
    assert said(answer) == []
