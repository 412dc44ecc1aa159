"""The Home screen: its states, what its lines open, and when it is updated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment.api import (
    GetHealth,
    Health,
    ListProfiles,
    ListQuarantine,
    Profiles,
    Quarantine,
    Request,
    RunsState,
    WatchRuns,
    WireWord,
)
from muniment.errors import AccessRefused, VaultError
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.home.line_list import LinePane
from muniment_tui.home.screen import HomeScreen
from muniment_tui.setup.screen import SetupScreen
from muniment_tui.shell.times import AppTimes
from support.engine_double import EngineDouble
from support.healths import GATEWAY, NOW, empty, health, own, ran, troubled
from support.running import forever, going, state
from support.running import profile as state_of
from support.screens import LARGE, SMALL, app_of, app_on, drive, settled, shows, text_of, until
from support.vaults import TestVault

VAST = (200, 60)
SIZES = (SMALL, LARGE, VAST)
QUICK = AppTimes(home=0.05, states=0.01, drawings=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def quiet() -> RunsState:
    return state(state_of("gateway", last=GATEWAY.last, next_start=GATEWAY.next_start))


def app(folder: Path, answer: Health | Exception, runs: Any = None, **options: Any) -> Any:
    answers: dict[type[Request], Any] = {GetHealth: answer, WatchRuns: runs or forever(quiet())}
    return app_on(EngineDouble(answers), folder, area="home", **options)


def with_double(folder: Path, answer: Health, runs: Any = None, **options: Any) -> tuple[Any, EngineDouble]:
    answers: dict[type[Request], Any] = {
        GetHealth: answer,
        WatchRuns: runs or forever(quiet()),
        ListProfiles: Profiles(profiles=(), version="1"),
        ListQuarantine: Quarantine(items=()),
    }
    double = EngineDouble(answers)
    return app_on(double, folder, area="home", **options), double


# --- pictures ---------------------------------------------------------------------------------------


def test_a_picture_of_a_vault_that_is_well(picture: Any, folder: Path) -> None:
    picture("home-well", lambda: app(folder, health()), None, SIZES)


def test_a_picture_of_problems(picture: Any, folder: Path) -> None:
    picture("home-problems", lambda: app(folder, troubled()), None, SIZES)


def test_a_picture_of_a_run(picture: Any, folder: Path) -> None:
    runs = state(state_of("gateway", running=going(4180), next_start=0))

    async def script(pilot: Any) -> None:
        await shows(pilot, "4,491 of")

    picture("home-run", lambda: app(folder, health(), forever(runs)), script, SIZES)


def test_a_picture_of_an_empty_vault(picture: Any, folder: Path) -> None:
    picture("home-empty", lambda: app(folder, empty(setup_done=10), forever(state())), None, SIZES)


def test_a_picture_of_an_open_set_up_behind_the_checklist(picture: Any, folder: Path) -> None:
    async def script(pilot: Any) -> None:
        await shows(pilot, "of 10 done")
        await pilot.press("escape")
        await shows(pilot, "Set-up: 0 of 10")

    picture("home-setup", lambda: app(folder, empty(), forever(state())), script, SIZES)


def test_a_picture_of_a_plain_user(picture: Any, folder: Path) -> None:
    picture("home-user", lambda: app(folder, own()), None, SIZES)


def test_a_picture_of_a_vault_that_does_not_answer(picture: Any, folder: Path) -> None:
    error = VaultError("the service is stopping: start it again")
    picture("home-failed", lambda: app(folder, error), None, SIZES)


# --- set-up -----------------------------------------------------------------------------------------


def test_the_checklist_opens_once_while_set_up_is_open_and_esc_leads_to_health(folder: Path) -> None:
    made, _ = with_double(folder, empty(), times=QUICK)

    async def script(pilot: Any) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))
        await pilot.press("escape")
        await shows(pilot, "Set-up: 0 of 10 steps are done")
        await pilot.pause(0.2)  # several updates
        assert isinstance(pilot.app.screen, HomeScreen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))

    drive(made, script)


@pytest.mark.parametrize("start", ["home", "runs"])
def test_the_checklist_is_always_reached_by_name_and_is_one(folder: Path, start: str) -> None:
    made, _ = with_double(folder, health())

    async def script(pilot: Any) -> None:
        await settled(pilot)
        await app_of(pilot).action_go(start)
        await pilot.press("colon", *"setup", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))
        first = pilot.app.screen
        assert pilot.app.current_mode == "home"
        await pilot.press("colon", *"setup", "enter")
        await settled(pilot)
        assert pilot.app.screen_stack.count(first) == 1
        await pilot.press("1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("colon", *"setup", "enter")
        await until(pilot, lambda: pilot.app.screen is first)

    drive(made, script)


def test_a_vault_that_is_set_up_shows_health_at_once(folder: Path) -> None:
    made, _ = with_double(folder, health())

    async def script(pilot: Any) -> None:
        await shows(pilot, "The archive is well.")
        assert isinstance(pilot.app.screen, HomeScreen)

    drive(made, script)


# --- moving and opening -------------------------------------------------------------------------------


def test_the_cursor_goes_through_all_panes_and_tab_from_pane_to_pane(folder: Path) -> None:
    made, _ = with_double(folder, health())

    async def script(pilot: Any) -> None:
        await shows(pilot, "The archive is well.")
        seen = []
        for _ in range(14):
            await pilot.press("down")
            seen.append(pilot.app.focused.id)
        assert list(dict.fromkeys(seen)) == ["profiles", "arrivals", "archive", "proof", "people"]
        for _ in range(14):
            await pilot.press("up")
        assert pilot.app.focused.id == "problems"
        await pilot.press("tab", "tab")
        assert pilot.app.focused.id == "arrivals"

    drive(made, script)


def test_the_line_at_the_cursor_is_always_visible(folder: Path) -> None:
    made, _ = with_double(folder, troubled())

    async def script(pilot: Any) -> None:
        await shows(pilot, "Problems")
        for _ in range(22):
            await pilot.press("down")
            pane = pilot.app.focused
            assert isinstance(pane, LinePane)
            words = pane.line.words.plain[:12].strip()  # type: ignore[union-attr]
            await shows(pilot, words)

    drive(made, script)


def going_to(*keys: str) -> Any:
    async def script(pilot: Any) -> None:
        await shows(pilot, "Problems")
        await pilot.press(*keys)
        await settled(pilot)

    return script


@pytest.mark.parametrize(
    ("downs", "mode", "screen"),
    [(0, "profiles", "ProfilesScreen"), (1, "runs", "RunsScreen"), (3, "runs", "QuarantineScreen")],
)
def test_a_problem_opens_its_place(folder: Path, downs: int, mode: str, screen: str) -> None:
    runs = forever(state(state_of("gateway"), state_of("info")))
    made, _ = with_double(folder, troubled(), runs)

    async def script(pilot: Any) -> None:
        await going_to(*["down"] * downs, "enter")(pilot)
        await until(pilot, lambda: type(pilot.app.screen).__name__ == screen)
        assert pilot.app.current_mode == mode

    drive(made, script)


def test_the_run_of_a_problem_is_at_the_cursor(folder: Path) -> None:
    runs = forever(state(state_of("gateway"), state_of("info")))
    made, _ = with_double(folder, troubled(), runs)

    async def script(pilot: Any) -> None:
        await going_to("down", "enter")(pilot)
        await until(pilot, lambda: pilot.app.current_mode == "runs" and pilot.app.screen._current is not None)
        await until(pilot, lambda: pilot.app.screen._current.name == "info")
        await pilot.press("1", "down", "down", "down", "down", "enter")  # the first profile of Home
        await until(pilot, lambda: pilot.app.current_mode == "runs")
        await until(pilot, lambda: pilot.app.screen._current.name == "gateway")

    drive(made, script)


def test_a_place_outside_or_of_another_version_is_said(folder: Path) -> None:
    made, _ = with_double(folder, troubled())

    async def script(pilot: Any) -> None:
        await going_to("down", "down", "down", "down", "enter")(pilot)
        await shows(pilot, "outside of Muniment")
        await app_of(pilot).places.open("attic")
        await shows(pilot, "no place for that yet")

    drive(made, script)


def test_a_click_puts_the_cursor_on_a_line_and_a_second_one_opens_it(folder: Path) -> None:
    made, _ = with_double(folder, troubled())

    async def script(pilot: Any) -> None:
        await going_to()(pilot)
        await pilot.click("#problems", offset=(10, 3))
        pane = pilot.app.screen.query_one("#problems", LinePane)
        assert pane.cursor == 1
        assert pilot.app.current_mode == "home"
        await pilot.click("#problems", offset=(10, 3))
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    drive(made, script)


# --- updates -------------------------------------------------------------------------------------------


def test_progress_is_live_and_the_end_of_a_run_updates_the_rest(folder: Path) -> None:
    more = threading.Event()

    def runs(request: Request) -> Iterator[WireWord]:
        yield state(state_of("gateway", running=going(4180), last=GATEWAY.last, next_start=0))
        more.wait(60)
        while True:
            yield state(state_of("gateway", last=ran(new=77), next_start=NOW + 90))

    made, double = with_double(folder, health(), runs, times=AppTimes(states=0.01, drawings=0.0))

    async def script(pilot: Any) -> None:
        await shows(pilot, "4,491 of")
        before = sum(isinstance(one, GetHealth) for one in double.asked)
        double.answers[GetHealth] = health(messages=5_000_001)
        more.set()
        await shows(pilot, "77 new")
        await until(pilot, lambda: sum(isinstance(one, GetHealth) for one in double.asked) > before)

    drive(made, script)


def test_it_is_updated_only_while_it_is_shown(folder: Path) -> None:
    made, double = with_double(folder, health(), times=QUICK)

    def count() -> int:
        return sum(isinstance(one, GetHealth) for one in double.asked)

    async def script(pilot: Any) -> None:
        await shows(pilot, "The archive is well.")
        await until(pilot, lambda: count() > 3)
        await pilot.press("2")
        await settled(pilot)
        before = count()
        await pilot.pause(0.3)
        assert count() <= before + 1
        double.answers[GetHealth] = troubled()
        await pilot.press("1")
        await shows(pilot, "Problems")

    drive(made, script)


def test_lines_that_come_and_go_keep_the_cursor_inside(folder: Path) -> None:
    made, double = with_double(folder, troubled(), times=QUICK)

    async def script(pilot: Any) -> None:
        await going_to("down", "down", "down", "down")(pilot)
        double.answers[GetHealth] = health()
        await shows(pilot, "The archive is well.")
        pane = pilot.app.screen.query_one("#problems", LinePane)
        assert (pane.cursor, pane.line is not None) == (0, True)
        double.answers[GetHealth] = troubled()
        await shows(pilot, "Problems · 5")
        assert "26 hours" in text_of(pilot.app)

    drive(made, script)


def test_it_shows_health_again_after_an_error(folder: Path) -> None:
    made, double = with_double(folder, health(), times=QUICK)

    async def script(pilot: Any) -> None:
        await shows(pilot, "The archive is well.")
        double.answers[GetHealth] = VaultError("the disk is gone")
        await shows(pilot, "the disk is gone")
        double.answers[GetHealth] = health()
        await shows(pilot, "The archive is well.")

    drive(made, script)


def test_a_plain_user_watches_no_runs(folder: Path) -> None:
    made, double = with_double(folder, own(), AccessRefused("no"), times=QUICK)

    async def script(pilot: Any) -> None:
        await shows(pilot, "Your mail")
        await until(pilot, lambda: sum(isinstance(one, GetHealth) for one in double.asked) > 3)
        assert not any(isinstance(one, WatchRuns) for one in double.asked)
        assert "Arrivals" not in text_of(pilot.app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "messages")

    drive(made, script)


def test_an_unchanged_state_is_not_drawn_again(folder: Path) -> None:
    made, double = with_double(folder, health(), times=QUICK)
    drawn: list[object] = []

    async def script(pilot: Any) -> None:
        await shows(pilot, "The archive is well.")
        await settled(pilot)
        await pilot.pause(0.2)
        display = made._display

        def seen(screen: Any, renderable: Any) -> None:
            drawn.append(renderable)
            display(screen, renderable)

        made._display = seen
        before = sum(isinstance(one, GetHealth) for one in double.asked)
        await until(pilot, lambda: sum(isinstance(one, GetHealth) for one in double.asked) > before + 3)
        assert [one for one in drawn if not _empty(one)] == []

    drive(made, script)


def _empty(renderable: Any) -> bool:
    """Whether a drawing changes no cell."""
    return not getattr(renderable, "spans", None) and not getattr(renderable, "chops", None)


def test_a_real_vault_is_shown(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    made = MunimentApp(connect, vault.folder, area="home")

    async def script(pilot: Any) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, SetupScreen))
        await pilot.press("escape")
        await shows(pilot, "Set-up:")
        await shows(pilot, "No profile yet")

    drive(made, script)


def test_the_state_of_the_double_is_a_valid_reply() -> None:
    for one in (health(), troubled(), empty(), own()):
        assert msgspec.json.decode(msgspec.json.encode(one), type=Health) == one
