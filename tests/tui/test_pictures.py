"""Pictures of the frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment_tui.app import MunimentApp
from support.engine_double import EngineDouble
from support.screens import LARGE, SMALL, Compare, Script, app_of, app_on, settled, shows

Make = Callable[..., MunimentApp]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **options: app_on(EngineDouble(), tmp_path / "vault", blank=True, **options)


def pressing(*keys: str) -> Script:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)

    return script


def test_help(picture: Compare, make: Make) -> None:
    picture("frame-help", make, pressing("f1"))


def test_the_palette(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await shows(pilot, "Quill")  # the name of the vault comes after the first frame
        await pilot.press("ctrl+p", *"not")

    picture("frame-palette", make, script)


def test_the_command_line(picture: Compare, make: Make) -> None:
    picture("frame-command", make, pressing("colon", *"mes"), sizes=(SMALL,))


def test_notices(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app_of(pilot).tell("Gateway: 120 new, 3 merged.")
        app_of(pilot).tell("The index is behind by 4,000 messages.", "warning")
        app_of(pilot).tell("mail.example refused the password: check it in Profiles.", "error")
        await pilot.press("exclamation_mark")

    picture("frame-notices", make, script, sizes=(SMALL,))


def test_too_small(picture: Compare, make: Make) -> None:
    picture("frame-too-small", make, sizes=((79, 24), (80, 23), (40, 10)))


def test_light(picture: Compare, make: Make) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app_of(pilot).use_theme("light")
        await pilot.press("question_mark")
        await settled(pilot)

    picture("frame-light", make, script, sizes=(LARGE,))


def test_read_only(picture: Compare, make: Make) -> None:
    picture("frame-read-only", lambda: make(read_only=True), sizes=(SMALL,))
