"""Opens another vault while the app runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.shell.vaults import is_vault

if TYPE_CHECKING:
    from muniment.client.known_vaults import KnownVault
    from muniment_tui.app import MunimentApp

BETWEEN = "between"
"""The mode of an empty page, which is shown while the screens of a vault are closed."""


class VaultSwitch:
    """The vaults of one session of the app: the known ones, the open one, and those that were open before."""

    def __init__(self, app: MunimentApp, file: Path | None) -> None:
        """`file` lists the known vaults; None knows none, and remembers none."""
        self._file = file
        self.demo_wanted = False
        """Whether the demo follows after the app has closed."""
        self._app = app
        self._left: list[Path] = []
        """The vaults that were open before, and had runs or other works then."""

    @property
    def with_runs(self) -> list[Path]:
        """The vaults in which runs or other works were seen or requested."""
        app = self._app
        goes_on = app.runs_go_on or app.works_go_on
        now = [app.vault] if goes_on and app.vault is not None else []
        return [*now, *(vault for vault in self._left if vault not in now)]

    def known(self) -> list[KnownVault]:
        """The known vaults, the one that was opened last first. The open one is among them."""
        from muniment.client.known_vaults import KnownVault, known_vaults

        known = known_vaults(self._file) if self._file else []
        here = self._app.vault
        if here is None or any(one.path == str(here) for one in known):
            return known
        return [KnownVault(str(here), self._app.organisation), *known]  # its service has not answered yet

    def remember(self, name: str) -> None:
        """Note the open vault, with the name of its organisation."""
        from muniment.client.known_vaults import remember_vault

        if self._file and self._app.vault is not None:
            remember_vault(self._file, self._app.vault, name)

    def forget(self, path: str) -> None:
        """Remove a vault from the known ones."""
        from muniment.client.known_vaults import forget_vault

        if self._file:
            forget_vault(self._file, path)

    def open(self, vault: Path) -> None:
        """Open another vault, after a question about unsaved changes."""
        if vault == self._app.vault:
            self._app.tell(f"{vault} is open already.")
        elif not is_vault(vault):
            self._app.tell(f"There is no vault in {vault}.", "error")
        else:
            self.leave(lambda: self.use(vault))

    def use(self, vault: Path) -> None:
        """Open a vault, such as one that was just created. Runs of the former one go on in its service."""
        self._app.call_later(self._change, vault)

    async def _change(self, vault: Path) -> None:
        """Close all screens of the former vault, and open the first area of the new one."""
        app = self._app
        self._left = self.with_runs
        app.runs_go_on = app.works_go_on = False
        former = app.set_vault(vault)
        await app.switch_mode(BETWEEN)
        for mode in [mode for mode in app._screen_stacks if mode != BETWEEN]:
            opened = app._modes[mode]
            await app.remove_mode(mode)
            app.add_mode(mode, opened)
        await app.places.forget_checklist()
        if former is not None:
            former.close()
        await app.switch_mode(AREAS[0].id)

    def leave(self, then: Callable[[], object]) -> None:
        """Ask about each screen with unsaved changes, one after another, then call `then`."""
        self._app.call_later(self._leave, then, ())

    async def _leave(self, then: Callable[[], object], asked: tuple[FrameScreen, ...]) -> None:
        """Ask about the next screen. `asked` are those whose changes may be lost."""
        mode, screen = next(self._unsaved(asked), ("", None))
        if screen is None:
            then()
            return
        if mode != self._app.current_mode:
            await self._app.switch_mode(mode)
        while self._app.screen is not screen:
            await self._app.pop_screen()
        screen.ask_to_leave(lambda: self._app.call_later(self._leave, then, (*asked, screen)))

    def _unsaved(self, asked: tuple[FrameScreen, ...]) -> Iterator[tuple[str, FrameScreen]]:
        """The other screens with unsaved changes, each with its mode: the current mode's first, from the top.

        What is above a screen is closed before its question, so it must have been asked about by then.
        """
        stacks = self._app._screen_stacks
        for mode in sorted(stacks, key=lambda mode: mode != self._app.current_mode):
            for screen in reversed(stacks[mode]):
                if isinstance(screen, FrameScreen) and screen not in asked and screen.unsaved:
                    yield mode, screen

    def start_demo(self) -> None:
        """Close the app; the demo follows in the terminal, and opens the app again."""
        self.demo_wanted = True
        self._app.exit(0)
