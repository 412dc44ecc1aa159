"""Pictures of the frame."""

from __future__ import annotations

import pytest

from support.engine_double import EngineDouble
from support.screens import LARGE, SMALL, app_on, settled


@pytest.fixture
def make(tmp_path):
    return lambda **options: app_on(EngineDouble(), tmp_path / "vault", blank=True, **options)


def pressing(*keys):
    async def script(pilot):
        await pilot.press(*keys)

    return script


def test_help(picture, make):
    picture("frame-help", make, pressing("f1"))


def test_the_palette(picture, make):
    picture("frame-palette", make, pressing("ctrl+p", *"not"))


def test_the_command_line(picture, make):
    picture("frame-command", make, pressing("colon", *"mes"), sizes=(SMALL,))


def test_notices(picture, make):
    async def script(pilot):
        pilot.app.tell("Gateway: 120 new, 3 merged.")
        pilot.app.tell("The index is behind by 4,000 messages.", "warning")
        pilot.app.tell("mail.example refused the password: check it in Profiles.", "error")
        await pilot.press("exclamation_mark")

    picture("frame-notices", make, script, sizes=(SMALL,))


def test_too_small(picture, make):
    picture("frame-too-small", make, sizes=((79, 24), (80, 23), (40, 10)))


def test_light(picture, make):
    async def script(pilot):
        pilot.app.theme = "light"
        await pilot.press("question_mark")
        await settled(pilot)

    picture("frame-light", make, script, sizes=(LARGE,))


def test_read_only(picture, make):
    picture("frame-read-only", lambda: make(read_only=True), sizes=(SMALL,))
