"""Pictures of the shared widgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from support.engine_double import EngineDouble
from support.gallery import Forms, Hostile, Lists
from support.screens import SMALL, Compare, Script, app_on, frame_of


def pushing(screen: type[FrameScreen]) -> Script:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(screen())

    return script


def test_lists(picture: Compare, tmp_path: Path) -> None:
    picture("widgets-lists", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Lists))


def test_forms(picture: Compare, tmp_path: Path) -> None:
    picture("widgets-forms", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Forms))


def test_hostile_text(picture: Compare, tmp_path: Path) -> None:
    picture("widgets-hostile", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Hostile))


def test_prompts(picture: Compare, tmp_path: Path) -> None:
    def asking(phrase: str) -> Script:
        async def script(pilot: Pilot[Any]) -> None:
            await pilot.app.push_screen(Forms())
            words = shown("Remove the profile gateway? Its archived mail (12,204 messages) stays.")
            frame_of(pilot).confirm(words, lambda: None, phrase=phrase)

        return script

    for name, phrase in (("widgets-confirm", ""), ("widgets-phrase", "remove gateway")):
        picture(
            name, lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), asking(phrase), sizes=(SMALL,)
        )
