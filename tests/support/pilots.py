"""Drives the app by keys, on the real engine in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from support.screens import PATIENT, SMALL, SteadyPilot, text_of, until


class Hand:
    """Presses keys and reads the screen."""

    def __init__(self, app: MunimentApp, pilot: Pilot[int]) -> None:
        self.app = app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, by Textual's names."""
        await self._pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text, character by character."""
        await self._pilot.press(*text)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` returns a true value."""
        await until(self._pilot, holds)

    async def sees(self, *texts: str) -> None:
        """Wait until all texts appear on the screen."""
        await until(self._pilot, lambda: all(text in self.text() for text in texts))

    def text(self) -> str:
        """The screen as lines of text."""
        return text_of(self.app)


@asynccontextmanager
async def opened(
    folder: Path, area: str, size: tuple[int, int] = SMALL, *, read_only: bool = False
) -> AsyncIterator[Hand]:
    """The app on a vault, in one of its areas."""
    app = MunimentApp(connect, folder, read_only=read_only, area=area, times=PATIENT)
    async with app.run_test(size=size):
        yield Hand(app, SteadyPilot(app))
    app.hang_up()
