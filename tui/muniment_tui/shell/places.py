"""Goes to the places that a screen names: an area with a row, or the checklist of set-up."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import AreaScreen, FrameScreen

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

HOME = AREAS[0].id
SETUP = "setup"
"""The name of the checklist's screen."""


class AppPlaces:
    """The places of the app. There is one checklist, which keeps its unsaved fields while it is hidden."""

    def __init__(self, app: MunimentApp) -> None:
        self._app = app
        self._checklist: FrameScreen | None = None

    async def go(self, area: str) -> None:
        """Go to an area, or close the screens above it if it is the current one."""
        app = self._app
        if self._without_vault():
            return
        app.state.area = area
        if app.current_mode != area:
            await app.switch_mode(area)
            return
        while len(app.screen_stack) > 1:
            if isinstance(app.screen, FrameScreen) and app.screen.unsaved:
                app.screen.ask_to_leave(app.pop_screen)
                break
            app.pop_screen()

    async def open(self, area: str, row: str = "") -> None:
        """Go to an area, and there to the row of what the user looked at; "" for none."""
        if area not in {one.id for one in AREAS}:
            self._app.tell("This version has no place for that yet.", "warning")
            return
        await self.go(area)
        first = self._app.screen_stack[0]
        if row and self._app.current_mode == area and isinstance(first, AreaScreen):
            first.show_row(row)

    async def open_checklist(self) -> None:
        """Open the checklist of set-up, above Home."""
        if self._without_vault():
            return
        if self._app.current_mode != HOME:
            await self.go(HOME)
        if self._checklist is None:
            self._checklist = import_module("muniment_tui.setup.screen").SetupScreen()
            self._app.install_screen(self._checklist, SETUP)
        if self._checklist not in self._app.screen_stack:
            await self._app.push_screen(SETUP)

    def _without_vault(self) -> bool:
        """Whether there is no vault to show; says so."""
        if self._app.vault is None:
            self._app.tell("Create or open a vault first.", "warning")
        return self._app.vault is None

    async def forget_checklist(self) -> None:
        """Close the checklist, which is on no screen now, since another vault is opened."""
        made, self._checklist = self._checklist, None
        if made is not None:
            self._app.uninstall_screen(SETUP)
            await made.remove()
