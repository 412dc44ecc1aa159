"""The list of themes: moving shows one, Enter keeps it, Esc returns."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment_tui.app import MunimentApp
from muniment_tui.shell.palettes import CONTRAST, DARK, LIGHT, Palette
from muniment_tui.terminal.colours import ColourDepth
from support.engine_double import EngineDouble
from support.screens import Compare, app_of, app_on, drive, shows, text_of, until


def app(folder: Path, **options: Any) -> MunimentApp:
    return app_on(EngineDouble(), folder / "v", area="runs", blank=True, **options)


def ground(pilot: Pilot[Any]) -> str:
    """The colour of the first cell of each line but the bars, which must be the same."""
    strips = pilot.app.screen._compositor.render_strips()[2:20]
    styles = [style for strip in strips if (style := next(iter(strip)).style) is not None]
    found = {style.bgcolor.triplet.hex for style in styles if style.bgcolor and style.bgcolor.triplet}
    assert len(found) == 1
    return found.pop()


def on_ground(pilot: Pilot[Any], palette: Palette) -> bool:
    return ground(pilot) == palette.background


async def opened(pilot: Pilot[Any]) -> None:
    await pilot.press("colon", *"theme", "enter")
    await shows(pilot, "Preview")


def test_moving_shows_each_theme_and_enter_keeps_one(tmp_path: Path) -> None:
    made = app(tmp_path)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        for palette in (DARK, LIGHT, CONTRAST):
            await until(pilot, partial(on_ground, pilot, palette))
            await pilot.press("down")
        await pilot.press("up", "up", "enter")
        await until(pilot, lambda: "Preview" not in text_of(pilot.app))
        await until(pilot, lambda: ground(pilot) == LIGHT.background)
        assert app_of(pilot).state.theme == "light"

    drive(made, script)


@pytest.mark.parametrize("leave", ["escape", "2"])
def test_leaving_returns_to_the_theme_before(tmp_path: Path, leave: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await pilot.press("down")
        await until(pilot, lambda: ground(pilot) == LIGHT.background)
        await pilot.press(leave)
        await until(pilot, lambda: "Preview" not in text_of(pilot.app))
        await until(pilot, lambda: ground(pilot) == DARK.background)
        assert app_of(pilot).state.theme == ""

    drive(app(tmp_path), script)


def test_the_list_begins_at_the_present_theme(tmp_path: Path) -> None:
    made = app(tmp_path)
    made.state.theme = "contrast"

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert app_of(pilot).theme == "contrast-true"
        assert "› High contrast" in text_of(pilot.app).replace("›  ", "› ")

    drive(made, script)


def test_pictures(picture: Compare, tmp_path: Path) -> None:
    for name, depth in (("themes", ColourDepth.TRUE), ("themes-256", ColourDepth.MANY)):
        picture(
            name,
            partial(app, tmp_path, depth=depth),
            opened,
            sizes=((80, 24), (120, 40), (200, 60)),
        )
