"""Pictures of the shared widgets."""

from __future__ import annotations

from muniment_tui.terminal.safe_text import shown
from support.engine_double import EngineDouble
from support.gallery import Forms, Hostile, Lists
from support.screens import SMALL, app_on


def pushing(screen):
    async def script(pilot):
        await pilot.app.push_screen(screen())

    return script


def test_lists(picture, tmp_path):
    picture("widgets-lists", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Lists))


def test_forms(picture, tmp_path):
    picture("widgets-forms", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Forms))


def test_hostile_text(picture, tmp_path):
    picture("widgets-hostile", lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), pushing(Hostile))


def test_prompts(picture, tmp_path):
    def asking(phrase):
        async def script(pilot):
            await pilot.app.push_screen(Forms())
            words = shown("Remove the profile gateway? Its archived mail (12,204 messages) stays.")
            pilot.app.screen.confirm(words, lambda: None, phrase=phrase)

        return script

    for name, phrase in (("widgets-confirm", ""), ("widgets-phrase", "remove gateway")):
        picture(
            name, lambda: app_on(EngineDouble(), tmp_path / "v", blank=True), asking(phrase), sizes=(SMALL,)
        )
