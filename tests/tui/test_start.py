"""The app starts as `App.run` starts it. Textual's `run_test` skips a part of that.

Python 3.12 introduced eager tasks, which start in another order, so run these tests on a newer Python too.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment_tui.app import MunimentApp
from muniment_tui.shell.areas import AREAS, Area
from support.engine_double import EngineDouble
from support.screens import SMALL, app_on, shows, text_of


def run(app: MunimentApp, text: str) -> str:
    """Run the app as `launch` does, without a terminal, until it shows `text`. Returns the screen's text."""
    seen = []

    async def look(pilot: Pilot[Any]) -> None:
        await shows(pilot, text)
        assert asyncio.get_running_loop().get_task_factory() is None
        seen.append(text_of(app))
        app.exit()

    asyncio.run(asyncio.wait_for(app.run_async(headless=True, size=SMALL, auto_pilot=look), 60))
    app.hang_up()
    return seen[0]


def test_the_first_page_starts(tmp_path: Path) -> None:
    app = app_on(EngineDouble(), tmp_path / "new", vault=False, blank=True)
    assert "Organisation" in run(app, "Create it here")


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.id)
def test_each_area_starts(tmp_path: Path, area: Area) -> None:
    app = app_on(EngineDouble(), tmp_path / "vault", area=area.id)
    title = f"{area.key} {area.short or area.title}"
    assert title in run(app, title)
