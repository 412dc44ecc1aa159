"""The palette and the `:` line: every action is found by the words that people use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment.api import GetHistory, History, ListProfiles, Profiles, RunsState, WatchRuns
from muniment_tui.app import MunimentApp
from muniment_tui.shell.action_finder import FoundAction, found_actions, matching
from muniment_tui.shell.areas import AREAS, WORDS
from muniment_tui.shell.command_line import CommandChoices, CommandLine
from muniment_tui.shell.palette import ActionsPalette
from muniment_tui.widgets.rows import ShortList
from support.engine_double import EngineDouble
from support.screens import Compare, Script, app_of, app_on, drive, shows, text_of, until

Run = Callable[..., MunimentApp]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(script: Script, size: tuple[int, int] = (80, 24), **options: Any) -> MunimentApp:
        app = app_on(EngineDouble(), tmp_path / "vault", blank=True, **options)
        drive(app, script, size)
        return app

    return run


def found_by(app: MunimentApp, query: str) -> list[str]:
    return [one.action.id for one in matching(found_actions(app), query)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("password", "app.profiles"),
        ("vault", "app.vault"),
        ("another vault", "app.vault"),
        ("organisation", "app.vault"),
        ("export zip", "messages.export"),
        ("quarantine", "runs.quarantine"),
        ("damaged", "runs.quarantine"),
        ("colors", "app.theme"),
        ("exit", "app.quit"),
        ("shortcuts", "app.help"),
        ("past runs", "app.runs"),
        ("add mailbox", "profiles.add"),
        ("schedule", "app.profiles"),
        ("stop run", "runs.cancel"),
    ],
)
def test_people_find_a_task_by_their_own_words(run: Run, words: str, first: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        assert first in found_by(app_of(pilot), words)[:3]

    run(script)


def test_each_area_is_found_by_each_of_its_words(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        found = found_actions(app_of(pilot))
        for area in AREAS:
            assert area.words, area.id
            for word in area.words.split():
                ids = [one.action.id for one in matching(found, word)]
                assert f"app.{area.id}" in ids[:8], (area.id, word, ids)

    run(script)


@pytest.mark.parametrize(
    ("words", "area"),
    [
        ("user", "people"),
        ("alias", "people"),
        ("audit", "audit"),
        ("who read", "audit"),
        ("verify", "proof"),
        ("unchanged", "proof"),
        ("backup", "proof"),
        ("disk", "home"),
        ("storage", "home"),
        ("alarm", "settings"),
        ("schedule", "settings"),
    ],
)
def test_the_rooms_have_the_words_of_daily_work(words: str, area: str) -> None:
    assert all(word in WORDS[area].split() for word in words.split()) or words == area


def test_useful_actions_come_before_those_that_move(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        ids = found_by(app_of(pilot), "")
        assert ids.index("app.help") < ids.index("profiles.add")
        assert not {"app.palette", "app.command"} & set(ids)
        here = [one for one in found_actions(app_of(pilot)) if one.area is None]
        moving = [one.action.id for one in here if one.action.id in ("app.back",)]
        assert ids[len(here) - len(moving) : len(here)] == moving

    run(script, area="messages")


def test_nothing_is_found_by_nonsense_or_while_it_is_off(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        assert found_by(app_of(pilot), "xyzzy") == []
        assert found_by(app_of(pilot), "add mailbox xyzzy") == []
        assert "profiles.add" not in found_by(app_of(pilot), "add mailbox")

    run(script, read_only=True)


def on_runs(folder: Path) -> MunimentApp:
    engine = EngineDouble(
        {
            GetHistory: History(runs=()),
            WatchRuns: [RunsState(profiles=(), log=())],
            ListProfiles: Profiles(profiles=()),
        }
    )
    return app_on(engine, folder / "vault", area="setup")


def test_an_action_of_another_area_goes_there_first(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p", *"past log")
        await shows(pilot, "Runs: History")
        await shows(pilot, "List the finished runs of all profiles.")
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "runs")
        await shows(pilot, "Runs of all profiles")

    drive(on_runs(tmp_path), script)


def test_a_change_in_another_area_is_only_pointed_at(tmp_path: Path) -> None:
    engine = EngineDouble({WatchRuns: [RunsState(profiles=(), log=())], GetHistory: History(runs=())})

    async def script(pilot: Pilot[Any]) -> None:
        before = list(engine.asked)
        await pilot.press("ctrl+p", *"run all", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "runs")
        await shows(pilot, "Run all is here: choose what it is for, then press R.")
        assert not any(
            "Run" in type(asked).__name__
            for asked in engine.asked[len(before) :]
            if "Watch" not in type(asked).__name__
        )

    drive(app_on(engine, tmp_path / "vault", area="setup"), script)


def test_the_palette_has_one_line_for_an_action_and_its_key_at_the_right(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p", *"quit")
        rows = pilot.app.screen.query_one(ShortList)
        await until(pilot, lambda: rows.count < 5)
        line = next(one for one in text_of(pilot.app).splitlines() if "› Quit" in one)
        assert line.rstrip(" │").endswith("q F10")
        await shows(pilot, "Close the app. Runs continue in the service.")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ActionsPalette))

    run(script)


def test_a_click_on_a_row_of_the_palette_and_again_runs_it(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p", *"messages")
        await shows(pilot, "› Messages")
        rows = pilot.app.screen.query_one(ShortList)
        await pilot.click(rows, offset=(5, 0), times=2)
        await until(pilot, lambda: pilot.app.current_mode == "messages")

    run(script)


def choices(pilot: Pilot[Any]) -> CommandChoices:
    return pilot.app.screen.query_one(CommandChoices)


def test_the_command_line_lists_what_fits(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon")
        await shows(pilot, "names; ↑ ↓ choose, Tab completes")
        await pilot.press(*"no")
        await shows(pilot, "notices")
        await shows(pilot, "List the recent notices")
        await pilot.press("tab")
        line = pilot.app.screen.query_one(CommandLine)
        await until(pilot, lambda: line.value == "notices")
        await pilot.press("escape")
        assert not choices(pilot).display

    run(script)


def test_up_and_down_choose_a_name(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *"r")
        await pilot.press("down", "down", "up")
        chosen = choices(pilot).current
        assert isinstance(chosen, FoundAction)
        assert chosen.action.name == "runs"
        await pilot.press("down")
        assert choices(pilot).current is not chosen
        await pilot.press("up", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    run(script)


def test_a_word_of_the_help_lists_the_name(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *"organisation")
        await shows(pilot, "Open another vault")
        await pilot.press(*"xyzzy")
        await shows(pilot, "Nothing is called that.")

    run(script)


def test_a_click_on_a_name_runs_it(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("colon", *"mess")
        await shows(pilot, "Find and read mail")
        await pilot.click(choices(pilot), offset=(5, 1))
        await until(pilot, lambda: pilot.app.current_mode == "messages")

    run(script)


def test_the_list_takes_no_room_from_the_screen(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        before = pilot.app.screen.query_one("#inside").region
        await pilot.press("colon")
        await until(pilot, lambda: choices(pilot).display)
        inside = pilot.app.screen.query_one("#inside")
        await until(pilot, lambda: inside.region.height == before.height - 1)  # the line itself

    run(script)


def test_pictures_of_the_palette_and_the_command_line(picture: Compare, tmp_path: Path) -> None:
    def make() -> MunimentApp:
        return app_on(EngineDouble(), tmp_path / "vault", blank=True, area="messages")

    def pressing(*keys: str) -> Script:
        async def script(pilot: Pilot[Any]) -> None:
            await shows(pilot, "Quill")
            await pilot.press(*keys)

        return script

    sizes = ((80, 24), (120, 40), (200, 60))
    picture("frame-palette-words", make, pressing("ctrl+p", *"password"), sizes=sizes)
    picture("frame-command-list", make, pressing("colon", "down", "down"), sizes=sizes)
