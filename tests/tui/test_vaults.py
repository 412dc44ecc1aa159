"""The choice of a vault: at the start without one, and while the app runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment.api import GetStatus
from muniment.client.known_vaults import known_vaults, remember_vault
from muniment_tui.app import MunimentApp
from muniment_tui.first.screen import FirstScreen
from muniment_tui.first.vault_list import VaultsScreen
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import AreaScreen, FrameScreen
from muniment_tui.terminal.colours import ColourDepth
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.field import Form
from muniment_tui.widgets.rows import ShortList
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import NOW, Compare, app_of, app_on, drive, settled, shows, text_of, until
from support.terminal import MUNIMENT
from support.words import status

HOME = AREAS[0].id

SHOWN = 20
"""Characters of a path that are shown, however long it is."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of known vaults. The test runs in an empty folder."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path / "vaults.json"


def vault(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "vault.toml").touch()
    return folder


def asking(file: Path, engine: EngineDouble | None = None) -> MunimentApp:
    """The app without a vault."""
    app = MunimentApp(
        (engine or EngineDouble()).doors.connect, None, vaults_file=file, depth=ColourDepth.TRUE
    )
    app._modes.update(dict.fromkeys((area.id for area in AREAS), AreaScreen))
    return app


def test_in_an_empty_folder_the_app_asks_and_opens_nothing(file: Path, tmp_path: Path) -> None:
    remember_vault(file, vault(tmp_path / "other"), f"Other {HOSTILE}")
    engine = EngineDouble()

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Create a vault")
        await shows(pilot, "Other")
        await shows(pilot, "Try the demo")
        assert_harmless(text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FirstScreen))
        await shows(pilot, str(tmp_path)[:SHOWN])
        await pilot.press("escape")
        assert app_of(pilot).vault is None
        assert engine.opened == []

    drive(asking(file, engine), script)


def test_a_known_vault_is_opened_when_it_is_chosen(file: Path, tmp_path: Path) -> None:
    remember_vault(file, vault(tmp_path / "other"), "Other")

    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.vault == tmp_path / "other")
        await until(pilot, lambda: app.current_mode == HOME)

    drive(asking(file, EngineDouble({GetStatus: status()})), script)


def test_the_switcher_closes_the_screens_of_the_former_vault(file: Path, tmp_path: Path) -> None:
    remember_vault(file, vault(tmp_path / "second"), "Second")
    engine = EngineDouble()
    app = app_on(engine, tmp_path / "first", blank=True, area="runs", vaults_file=file)

    async def script(pilot: Pilot[Any]) -> None:
        before = app.engine
        await pilot.press("2")
        app.runs_go_on = True
        old = [screen for stack in app._screen_stacks.values() for screen in stack]
        await pilot.press("colon", *"vault", "enter")
        await until(pilot, lambda: isinstance(app.screen, VaultsScreen))
        await shows(pilot, "Second")
        await shows(pilot, "open now")
        assert app.screen.query_one("#vaults", ShortList).go_to(str(tmp_path / "second"))
        await pilot.press("enter")
        await until(pilot, lambda: app.vault == tmp_path / "second" and app.current_mode == HOME)
        await until(pilot, lambda: not any(screen.is_attached for screen in old))
        assert app.engine is not before
        assert app.vaults.with_runs == [tmp_path / "first"]
        await pilot.press("3")
        await until(pilot, lambda: app.current_mode == "runs")

    drive(app, script)
    assert engine.opened[-1] == tmp_path / "second"
    assert known_vaults(file)[0].path == str(tmp_path / "second")


class UnsavedScreen(FrameScreen):
    """A screen with changes that only a `y` loses."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    @property
    def unsaved(self) -> str:
        return self.what

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        self.confirm(shown(f"Lose {self.what}?"), leave)


@pytest.mark.parametrize("stays_at", ["", "upper", "lower"])
def test_every_screen_with_unsaved_changes_is_asked_about(tmp_path: Path, stays_at: str) -> None:
    app = app_on(EngineDouble(), tmp_path / "first", blank=True, area="home")

    async def script(pilot: Pilot[Any]) -> None:
        for what in ("lower", "upper"):
            await app.push_screen(UnsavedScreen(what))
        await app.switch_mode("runs")
        await app.push_screen(UnsavedScreen("other"))
        await pilot.press("q")
        for what in ("other", "upper", "lower"):
            await shows(pilot, f"Lose {what}?")
            await pilot.press("n" if what == stays_at else "y")
            if what == stays_at:
                break
        if stays_at:
            await settled(pilot)
            assert app.return_code is None
            assert isinstance(app.screen, UnsavedScreen)
            assert app.screen.what == stays_at
            assert len(app._screen_stacks["runs"]) == 2
        else:
            await until(pilot, lambda: app.return_code == 0)

    drive(app, script)


def test_a_folder_without_a_vault_is_refused(file: Path, tmp_path: Path) -> None:
    remember_vault(file, tmp_path / "gone", "")

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("p", *"nowhere", "enter")
        await shows(pilot, "there is no vault in this folder")
        await pilot.press("escape")
        app_of(pilot).vaults.open(tmp_path / "nowhere")
        await shows(pilot, "There is no vault in /")
        await shows(pilot, "nowhere.")

    drive(asking(file), script)


def test_an_unknown_user_in_a_typed_path_is_part_of_a_name(file: Path, tmp_path: Path) -> None:
    remember_vault(file, tmp_path / "gone", "")

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("p", *"~nosuch/mail", "enter")
        await shows(pilot, "there is no vault in this folder")
        await pilot.press("escape", "c")
        await until(pilot, lambda: isinstance(pilot.app.screen, FirstScreen))
        folder = pilot.app.screen.query_one(Form).fields[0]
        for path, hint in (("~nosuch", "A new or empty folder"), ("x" * 300, "This path is not valid")):
            folder.entry().focus()
            folder.value = ""
            await pilot.press(*path)
            await shows(pilot, hint)

    drive(asking(file), script)


@pytest.mark.parametrize("known", [True, False])
def test_the_app_starts_where_the_current_folder_was_removed(
    file: Path, tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if known:
        remember_vault(file, tmp_path / "other", "Other")
    Path.cwd().rmdir()
    home = str(tmp_path)[:SHOWN]

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, f"This folder is {home}" if known else home)
        if known:
            await pilot.press("p", *"nowhere", "enter")
            await shows(pilot, "there is no vault in this folder")

    drive(asking(file), script)


def test_a_vault_that_is_not_opened_by_itself_is_named_at_the_start(terminal: Any) -> None:
    """The vault in the current folder can be entered by other users."""
    window = terminal(["sh", "-c", f"umask 022; mkdir v; touch v/vault.toml; cd v; {shlex.join(MUNIMENT)}"])
    window.wait_for("The vault in", "Create it here")
    window.press("F9")
    why = "can be entered by other users (mode 0755, a vault has 0700): name it with --vault"
    window.wait(lambda seen: why in " ".join(seen.split()), "to read why")
    window.press("Escape", "F10")
    assert window.wait_ended() == 0


HOMELESS = """
import os, sys
os.getuid = lambda: 2**31 - 7
from muniment_tui.__main__ import main
sys.exit(main())
"""
"""Starts the program as a number that no user has: there is no place for the state."""


def test_a_user_without_a_home_keeps_nothing(terminal: Any) -> None:
    bare = ["env", "-u", "HOME", "-u", "XDG_STATE_HOME", sys.executable, "-c", HOMELESS]
    window = terminal(bare)
    window.wait_for("Create it here", "F2 Create")
    window.press("F10")
    assert window.wait_ended() == 0


def test_a_vault_is_forgotten(file: Path, tmp_path: Path) -> None:
    remember_vault(file, tmp_path / "gone", "Gone")

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "not there")
        await pilot.press("down", "x")
        await until(pilot, lambda: "Gone" not in text_of(pilot.app))

    drive(asking(file), script)
    assert known_vaults(file) == []


def test_without_a_known_vault_the_first_page_makes_one(file: Path, tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: isinstance(pilot.app.screen, FirstScreen))
        await shows(pilot, str(tmp_path)[:SHOWN])
        await pilot.press("escape", "colon", *"vault", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, VaultsScreen))

    drive(asking(file), script)


@pytest.mark.parametrize("key", ["f3", "t"])
def test_the_demo_follows_after_the_app(file: Path, tmp_path: Path, key: str) -> None:
    if key == "t":
        remember_vault(file, vault(tmp_path / "known"), "")

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press(key)
        await until(pilot, lambda: app_of(pilot).vaults.demo_wanted)

    drive(asking(file), script)


def test_read_only_makes_nothing(file: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("f3")
        await shows(pilot, "Try the demo is off")
        assert not app_of(pilot).vaults.demo_wanted

    app = asking(file)
    app.read_only = True
    drive(app, script)


def test_pictures_of_the_choice(picture: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "vaults.json"
    monkeypatch.chdir("/")
    for number, name in enumerate(("acme", "borax")):
        monkeypatch.setattr("time.time", lambda number=number: NOW - 86400 * number)
        remember_vault(file, Path("/srv") / name, name.capitalize() + " Ltd")
    picture("vaults-choice", lambda: asking(file), sizes=((80, 24), (120, 40), (200, 60)))


def test_without_a_file_nothing_is_remembered(tmp_path: Path) -> None:
    app = app_on(EngineDouble(), tmp_path / "first", blank=True)

    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, status().name)
        app.vaults.forget(str(tmp_path / "first"))

    drive(app, script)
    assert [one.path for one in app.vaults.known()] == [str(tmp_path / "first")]  # which is open
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
