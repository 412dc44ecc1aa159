"""The Runs screen: its display of the service's states, and the requests of its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import CancelRun, Done, GetHistory, History, Run, RunAll, WatchRuns
from muniment.errors import AccessRefused
from muniment_tui.runs import figures
from muniment_tui.shell.times import TIMES, AppTimes
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.running import cancelled, failed, finished, forever, going, profile, record, state
from support.screens import LARGE, SMALL, app_on, drive, settled, shows, text_of, until
from support.words import summary

BOTH = (SMALL, LARGE)
LOG = (
    "serving /srv/mail: 3 profiles; stop with Ctrl-C or SIGTERM",
    "gateway: 12,640 listed, 310 of them archived before",
    "gateway: 1 quarantined, 0 failed",
    "gateway: 1,600 of 12,640 fetched: 1,559 new, 40 merged, 1,000 indexed, 0 deleted",
    "gateway: 3,200 of 12,640 fetched: 3,118 new, 80 merged, 2,600 indexed, 0 deleted",
)


def idle() -> Any:
    return state(
        profile("gateway"),
        profile("partner", source="imap", last=failed(profile="partner")),
        profile("old-server", source="pop3", enabled=False, next_start=0, last=None),
        log=LOG[:1],
        quarantined=3,
    )


def live(arrived: int = 4180, **changes: Any) -> Any:
    return state(
        profile("gateway", running=going(arrived, **changes), next_start=0),
        profile(
            "partner", source="imap", running=going(0, stage="waiting", expected=0, books={}), next_start=0
        ),
        profile("old-server", source="pop3", enabled=False, next_start=0, last=None),
        log=LOG,
        quarantined=3,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def app(folder: Path, answer: Any, times: AppTimes = TIMES, **answers: Any) -> Any:
    asked = {
        WatchRuns: answer,
        GetHistory: History(runs=(record(1), record(4))),
        **{getattr(api, name): value for name, value in answers.items()},
    }
    double = EngineDouble(asked)
    made = app_on(double, folder, area="runs", times=times)
    return made, double


async def stage(pilot: Any, *states: Any, seconds: float = 1.0) -> None:
    """Pass states to the screen, `seconds` apart."""
    for one in states:
        _Clock.now += seconds
        pilot.app.screen._came(one)
    await pilot.pause()


class _Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "now", lambda: _Clock.now)


# --- pictures -------------------------------------------------------------------------------------


def pictured(picture: Any, folder: Path, name: str, *states: Any, keys: str = "", sizes: Any = BOTH) -> None:
    async def script(pilot: Any) -> None:
        await stage(pilot, *states)
        if keys:
            await pilot.press(*keys.split())

    picture(f"runs-{name}", lambda: app(folder, forever())[0], script, sizes)


def test_picture_without_profiles(picture: Any, folder: Path) -> None:
    pictured(picture, folder, "empty", state(), sizes=(SMALL,))


def test_picture_of_idle_profiles(picture: Any, folder: Path) -> None:
    pictured(picture, folder, "idle", idle())


def test_picture_of_a_running_profile(picture: Any, folder: Path, clock: None) -> None:
    speeds = [0, 160, 170, 130, 90, 150, 190, 210, 180, 170, 160, 150, 165, 175, 180]
    arrived, states = 2000, []
    for speed in speeds:
        arrived += speed
        states.append(live(arrived))
    pictured(picture, folder, "live", *states, sizes=(*BOTH, (200, 60)))


def test_picture_of_a_failed_run(picture: Any, folder: Path) -> None:
    pictured(picture, folder, "failed", idle(), keys="down")


def test_picture_of_a_cancelled_run(picture: Any, folder: Path) -> None:
    pictured(picture, folder, "cancelled", state(profile("gateway", last=cancelled()), log=LOG))


def test_picture_of_the_question_before_cancelling(picture: Any, folder: Path, clock: None) -> None:
    pictured(picture, folder, "cancel", live(), keys="c", sizes=(SMALL,))


def test_picture_of_a_refusal(picture: Any, folder: Path) -> None:
    refusal = AccessRefused("bob may not use this vault: ask ines to add bob to [access] in its vault.toml")

    async def script(pilot: Any) -> None:
        await shows(pilot, "You are not allowed to see runs")

    picture("runs-refused", lambda: app(folder, refusal)[0], script, (SMALL,))


# --- keys ---------------------------------------------------------------------------------------------


def test_r_runs_the_profile_and_reports_the_result(folder: Path) -> None:
    made, double = app(folder, forever(idle()), Run=[summary(profile="partner")])

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        await pilot.press("down", "r")
        await shows(pilot, "partner: ok, 900 new, 99 merged, 1 quarantined.")

    drive(made, script)
    assert Run(profile="partner") in double.asked


def test_a_running_profile_is_not_started_again(folder: Path) -> None:
    made, double = app(folder, forever(live()))

    async def script(pilot: Any) -> None:
        await shows(pilot, "fetching")
        await pilot.press("r")
        await shows(pilot, "gateway is already running.")

    drive(made, script)
    assert not any(isinstance(request, Run) for request in double.asked)


def test_capital_r_runs_all(folder: Path) -> None:
    made, double = app(folder, forever(idle()), RunAll=[summary(), summary(profile="partner")])

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        await pilot.press("R")
        await shows(pilot, "partner: ok")

    drive(made, script)
    assert RunAll() in double.asked


@pytest.mark.parametrize(
    ("keys", "done"), [(["c", "y"], True), (["c", "enter"], False), (["c", "escape"], False)]
)
def test_cancelling_names_the_run_and_needs_y(folder: Path, keys: list[str], done: bool) -> None:
    made, double = app(folder, forever(live()), CancelRun=Done(message="Stopping gateway."))

    async def script(pilot: Any) -> None:
        await shows(pilot, "fetching")
        await pilot.press(keys[0])
        await shows(pilot, "Cancel the run of gateway? Done so far: 4,491 of 12,640, 35%.")
        await pilot.press(*keys[1:])
        if done:
            await shows(pilot, "Stopping gateway.")
        else:
            await until(pilot, lambda: "Cancel the run" not in text_of(pilot.app))

    drive(made, script)
    assert (CancelRun(profile="gateway") in double.asked) is done


def test_cancel_does_nothing_without_a_run(folder: Path) -> None:
    made, _ = app(folder, forever(idle()))

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        await pilot.press("c")
        await settled(pilot)
        assert "Cancel" not in text_of(pilot.app)

    drive(made, script)


def test_read_only_disables_run_and_cancel(folder: Path) -> None:
    double = EngineDouble({WatchRuns: forever(live()), GetHistory: History(runs=())})
    made = app_on(double, folder, area="runs", read_only=True)

    async def script(pilot: Any) -> None:
        await shows(pilot, "fetching")
        await pilot.press("c")
        await shows(pilot, "--read-only")
        await pilot.press("R")

    drive(made, script)
    assert not any(isinstance(request, (Run, RunAll, CancelRun)) for request in double.asked)


def test_enter_lists_the_runs_of_the_profile(folder: Path) -> None:
    made, double = app(folder, forever(idle()), GetHistory=History(runs=()))

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        await pilot.press("down", "enter")
        await shows(pilot, "Runs of partner")

    drive(made, script)
    assert GetHistory(profile="partner", limit=100) in double.asked


# --- what it shows ------------------------------------------------------------------------------------


def test_the_cursor_starts_at_a_running_profile(folder: Path) -> None:
    second = state(profile("a"), profile("b", running=going(stage="indexing")), log=LOG)
    made, _ = app(folder, forever(second))

    async def script(pilot: Any) -> None:
        await shows(pilot, "indexing")
        assert "listed   12,640 = " in text_of(pilot.app)
        await pilot.press("up")
        await shows(pilot, "listed   1,010 = 1,000 fetched + 10 already")

    drive(made, script)


def test_progress_is_drawn_every_second_and_an_end_at_once(folder: Path, clock: None) -> None:
    made, _ = app(folder, forever())

    async def script(pilot: Any) -> None:
        await stage(pilot, live(2000))
        await stage(pilot, live(2100), seconds=0.4)
        assert "2,311 of 12,640" in text_of(pilot.app)
        await stage(pilot, live(2200), seconds=0.6)
        assert "2,511 of 12,640" in text_of(pilot.app)
        await stage(pilot, idle())
        await shows(pilot, "scheduled")
        assert "2,511 of 12,640" not in text_of(pilot.app)

    drive(made, script)


def test_unbalanced_books_are_reported(folder: Path) -> None:
    made, _ = app(folder, forever(state(profile(last=finished("failed", listed=1011, balanced=False)))))

    async def script(pilot: Any) -> None:
        await shows(pilot, "✗ does not balance")
        await shows(pilot, "The books do not balance")

    drive(made, script)


def test_the_log_follows_until_the_user_scrolls(folder: Path, clock: None) -> None:
    made, _ = app(folder, forever())
    lines = [f"line {n}" for n in range(1, 31)]

    async def script(pilot: Any) -> None:
        await stage(pilot, state(profile(), log=tuple(lines)))
        await shows(pilot, "line 30")
        await pilot.press("tab", "home")
        await until(pilot, lambda: "line 30" not in text_of(pilot.app))
        await stage(pilot, state(profile(), log=(*lines, "line 31", "line 32")))
        await shows(pilot, "2 new")
        await pilot.press("end")
        await shows(pilot, "line 32")
        assert "2 new" not in text_of(pilot.app)

    drive(made, script)


def test_a_restarted_service_starts_a_new_log(folder: Path, clock: None) -> None:
    made, _ = app(folder, forever())

    async def script(pilot: Any) -> None:
        await stage(pilot, state(profile(), log=tuple(f"old {n}" for n in range(9))))
        await shows(pilot, "old 8")
        await stage(pilot, state(profile(), log=("serving again",)))
        await shows(pilot, "serving again")
        assert "old 8" not in text_of(pilot.app)

    drive(made, script)


def test_a_lost_connection_is_retried(folder: Path) -> None:
    answers = iter([[idle()], forever(live())])
    made, _ = app(folder, lambda request: _stream(next(answers), request), AppTimes(retry=0.1))

    async def script(pilot: Any) -> None:
        await shows(pilot, "The service has ended.")
        await shows(pilot, "fetching")

    drive(made, script)


def _stream(answer: Any, request: Any) -> Any:
    yield from answer(request) if callable(answer) else answer


def test_hostile_strings_are_harmless(folder: Path) -> None:
    hostile = state(
        profile(HOSTILE, source=HOSTILE, running=going(stage=HOSTILE, profile=HOSTILE)),
        profile("[/x]" + HOSTILE, last=failed(error=HOSTILE, state=HOSTILE)),
        log=(HOSTILE, "quarantined " + HOSTILE),
    )
    made, _ = app(folder, forever(hostile), CancelRun=Done(message=HOSTILE))

    async def script(pilot: Any) -> None:
        await shows(pilot, "won")
        await pilot.press("c", "y", "down")
        await pilot.pause()
        assert_harmless(text_of(pilot.app))
        assert "[/x]" in text_of(pilot.app)

    drive(made, script, LARGE)
