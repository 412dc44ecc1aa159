"""The terminal app. It shows one vault in areas, each with its own screens."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.filter import Monochrome, NoColor
from textual.geometry import Size
from textual.message_pump import MessagePump
from textual.reactive import var
from textual.screen import Screen

from muniment.api import GetStatus, Status
from muniment.client.client import Connect
from muniment.errors import MunimentError
from muniment_tui.actions.available import behind_question, declared, offers
from muniment_tui.actions.registry import Action, actions, key_name, typed
from muniment_tui.engine.bridge import Bridge
from muniment_tui.shell import state, themes
from muniment_tui.shell.app_actions import APP_ACTIONS, QUIT_KEYS
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.command_line import CommandLine
from muniment_tui.shell.frame import HEIGHTS, WIDTHS, FrameScreen
from muniment_tui.shell.key_queue import KeyQueue
from muniment_tui.shell.notices import Notice, NoticeLog
from muniment_tui.shell.places import AppPlaces
from muniment_tui.shell.service_facts import ServiceFacts
from muniment_tui.shell.times import TIMES, AppTimes
from muniment_tui.shell.vault_switch import BETWEEN, VaultSwitch
from muniment_tui.shell.vaults import is_vault, new_folder
from muniment_tui.terminal.colours import ColourDepth, depth_of, erases_in_colour
from muniment_tui.terminal.diff_renderer import TerminalCanvas
from muniment_tui.terminal.driver import TERMINATED, TerminalDriver
from muniment_tui.terminal.output_filter import OutputFilter
from muniment_tui.terminal.pace import TerminalPace
from muniment_tui.terminal.safe_text import clean

if TYPE_CHECKING:
    from muniment.cli.engine_port import VaultUnits

FIRST = "first"
"""The mode of the first page, which is shown when there is no vault yet."""
FIRST_FRAME = 0.15
"""How long to wait for content before the first frame is drawn, in seconds. An empty first frame delays
the content."""
SETTLED = 2.0
"""Seconds after start-up. Objects that are alive by then are excluded from garbage collection."""
SIZE_POLL = 1.0
"""Seconds between two checks of the terminal's size."""


def _first(named: Path | None, vaults: VaultSwitch) -> FrameScreen:
    """The first page without a vault: it asks which of the known ones to open, or makes a new one."""
    if named is None and vaults.known():
        from muniment_tui.first.vault_list import VaultsScreen

        return VaultsScreen()
    from muniment_tui.first.screen import FirstScreen

    return FirstScreen(named or new_folder())


def _collect_garbage() -> None:
    """Turn garbage collection back on, for objects that are created from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _first_area(area: str) -> str:
    return area if area in {one.id for one in AREAS} else AREAS[0].id


class MunimentApp(App[int], inherit_bindings=False):
    """The app. Screens reach the engine through `engine` and show notices with `tell`."""

    TITLE = "Muniment"
    MODES: ClassVar[dict[str, Any]] = {
        FIRST: FrameScreen,
        BETWEEN: FrameScreen,
        **{area.id: area.open for area in AREAS},
    }
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(*APP_ACTIONS),
        Binding("ctrl+c", "interrupt", show=False, system=True),
    ]
    CSS = """
    ScrollableContainer { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    Input { scrollbar-size-horizontal: 0; }
    Screen { background: $background; color: $foreground; }
    """

    notice: var[Notice | None] = var(None)
    """The notice that the status line shows in place of the screen's own status."""
    service: var[ServiceFacts] = var(ServiceFacts())
    """What is known of the vault's service. Screens that watch the runs keep it up to date."""

    def __init__(
        self,
        connect: Connect,
        named: Path | None,
        *,
        read_only: bool = False,
        state_file: Path | None = None,
        vaults_file: Path | None = None,
        area: str = "",
        times: AppTimes = TIMES,
        depth: ColourDepth | None = None,
        installer: Callable[[], VaultUnits] | None = None,
        notice: str = "",
    ) -> None:
        """`named` is the vault that the user asked for, which need not exist; None asks which one to open.

        `state_file` is where settings of the app are remembered; None remembers nothing. `vaults_file` lists
        the known vaults; None knows none. `area` is the first area to show; "" means the one that was open
        last. `depth` says which colours the terminal has; None means what the environment says.
        `installer` makes what installs the service. `notice` is a warning to begin with; "" for none.
        """
        self.state = state.load(state_file) if state_file else state.AppState()
        exists = named is not None and is_vault(named)
        # Set before anything is composed, so that no other screen is drawn first.
        vars(self)["DEFAULT_MODE"] = _first_area(area or self.state.area) if exists else FIRST
        super().__init__(driver_class=TerminalDriver)
        self.connect = connect
        self._first_notice = notice
        self.installer = installer
        self.read_only = read_only
        self.times = times
        self.notices = NoticeLog()
        self.keys = KeyQueue(self, self._dispatch_key)
        self.organisation = ""
        self.reason = ""
        """Why the user reads other people's mail, if the vault required a reason. It is asked for once."""
        self.runs_go_on = False
        """Whether runs were seen or requested. The exit message then lists the ones that continue."""
        self.works_go_on = False
        """Whether verifications, backups or rebuilds were seen or requested; as for runs."""
        self._state_file = state_file
        self.vaults = VaultSwitch(self, vaults_file)
        self.places = AppPlaces(self)
        self._modes[FIRST] = partial(_first, named, self.vaults)
        self._engine = self._bridge(named) if named is not None and exists else None
        self.held_back = exists
        """Whether drawing is suppressed, because there is no content yet."""
        # A terminal without colours has a palette of its own, so Textual need not turn colours into greys.
        self._filters = [one for one in self._filters if not isinstance(one, Monochrome | NoColor)]
        self._filters.append(OutputFilter(os.environ))
        self._disable_tooltips = self._disable_notifications = True  # the app shows no floating windows
        self.depth = depth or depth_of(os.environ)
        self._canvas = TerminalCanvas(self.depth, erases_in_colour(os.environ))
        self.pace = TerminalPace(self._send)
        for theme in themes.all_themes(self.depth):
            self.register_theme(theme)
        self.use_theme(self.state.theme)
        self.animation_level = "none"

    # --- what screens use -------------------------------------------------------------------

    def _bridge(self, vault: Path) -> Bridge:
        return Bridge(self.connect, vault, self.refuse, self._answer_handled, every=self.times.states)

    @property
    def engine(self) -> Bridge:
        """The engine of the open vault."""
        assert self._engine is not None, "no screen but the first page is open without a vault"
        return self._engine

    @property
    def vault(self) -> Path | None:
        """The folder of the open vault, or None."""
        return self._engine.vault if self._engine else None

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a notice in the status line and add it to the list of notices.

        `text` is one sentence from any source; it is sanitised here. `severity` is "information", "warning"
        or "error", or "hint" for what leaves soon and is not listed.
        """
        stays = self.times.hint if severity == "hint" else self.times.notice
        notice = self.notice = self.notices.add(clean(text), severity, stays)
        if severity != "error":
            self.set_timer(stays, lambda: self._forget(notice))

    def _forget(self, notice: Notice) -> None:
        if self.notice is notice:
            self.notice = None

    def refuse(self, error: MunimentError) -> None:
        """Show an error of the engine as a notice."""
        self.tell(str(error), "error")

    def is_off(self, action: Action) -> bool:
        """Whether `--read-only` disables an action."""
        return self.read_only and action.changes

    def set_vault(self, vault: Path) -> Bridge | None:
        """Connect to another vault. Returns the bridge to the former one, whose requests are cancelled."""
        former, self._engine = self._engine, self._bridge(vault)
        if former is not None:
            former.cancel_all()
        self.organisation, self.service = "", ServiceFacts()
        self.reason = ""
        self._learn_name()
        return former

    def open_messages(self, ids: Sequence[str]) -> None:
        """Show messages by their ids over the current screen, one after another."""
        from muniment_tui.messages.single import SingleScreen

        self.push_screen(SingleScreen(ids))

    # --- life -------------------------------------------------------------------------------

    def _answer_handled(self, owner: MessagePump) -> None:
        if owner is not self:
            self._show_first_frame()

    def _show_first_frame(self) -> None:
        if self.held_back:
            self.held_back = False
            self.screen.refresh()
            self.screen.call_after_refresh(self._learn_name)

    def on_load(self) -> None:
        """Start tasks in the same order on every Python version.

        From Python 3.12 on, Textual makes tasks run before `create_task` returns. The first screen would then
        be composed before it is on the stack of screens, and widgets that ask for the screen would fail.
        """
        asyncio.get_running_loop().set_task_factory(None)

    async def on_mount(self) -> None:
        """Handle signals so that the terminal is restored, and schedule garbage collection."""
        self.set_timer(FIRST_FRAME, self._show_first_frame)
        self.set_timer(SETTLED, _collect_garbage)
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())  # after `fg`
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, TERMINATED, TERMINATED)
        if self._first_notice:
            self.tell(self._first_notice, "warning")
        if not self.is_headless:
            self.set_interval(SIZE_POLL, self._check_size)

    def _check_size(self) -> None:
        """Apply a new terminal size that came without a signal. A change during start-up sends none."""
        with suppress(OSError):
            size = Size(*os.get_terminal_size(sys.__stderr__.fileno()))  # type: ignore[union-attr]
            if size != self.screen.size:
                self.post_message(events.Resize(size, size))

    def _learn_name(self) -> None:
        self.engine.ask(self, GetStatus(), Status, self._name_known)

    def _name_known(self, status: Status) -> None:
        self.organisation = clean(status.name)
        self.service = self.service.came(clean(status.vault), status.demo)
        self.vaults.remember(status.name)

    # --- drawing ----------------------------------------------------------------------------

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The app's own variables, for Textual's themes, which don't have them."""
        return themes.theme_for("", ColourDepth.NONE).variables

    def use_theme(self, name: str) -> None:
        """Show the theme of this name, in the colours that the terminal has."""
        self.theme = themes.theme_for(name, self.depth).name

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send the terminal only the cells that changed."""
        if isinstance(renderable, CompositorUpdate):
            renderable = self._canvas.changes_only(renderable)
            self._place_cursor()
        super()._display(screen, renderable)

    def _place_cursor(self) -> None:
        """Place the terminal's cursor, which stays hidden, where the user is: on the row or in the field.

        Braille displays and screen readers follow it. Textual sends its place with each drawing anyway.
        """
        focused = self.focused
        if focused is not None:
            cell = getattr(focused, "cursor_cell", None)
            self.cursor_position = cell if cell is not None else focused.content_region.offset

    def _send(self, question: str) -> bool:
        """Send a query to the terminal. Returns False if there is none."""
        if self.is_headless or self._driver is None:
            return False
        self._driver.write(question)
        return True

    def on_cursor_position(self) -> None:
        """The terminal has answered, so it has shown everything that was sent before the query."""
        self.pace.answered()

    def action_redraw(self) -> None:
        """Send every cell again, regardless of what the terminal is believed to show."""
        self._canvas.forget()
        self.screen.refresh()

    def exit(self, result: int | None = None, return_code: int = 0, message: Any = None) -> None:
        """End the app. Requests are cancelled first, because their answers would reach widgets that are
        gone."""
        if self._engine:
            self._engine.cancel_all()
        super().exit(result, return_code, message)

    def hang_up(self) -> None:
        """Save the state and close the connection to the engine, after the app has ended."""
        if self._state_file:
            state.save(self._state_file, self.state)
        if self._engine:
            self._engine.close()

    # --- keys -------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Queue keys, so that one is handled at a time."""
        if isinstance(event, events.Resize):
            self._canvas.forget()  # the terminal may have moved its contents
        if isinstance(event, events.MouseDown) and not event.is_forwarded:
            self.keys.clicked()
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._too_small():
            if event.key in QUIT_KEYS:
                self.exit(0)
            return
        await self.keys.add(event)

    def drop_keys(self) -> None:
        """Drop the keys that were typed ahead of a question that opens by itself."""
        self.keys.drop(self.times.unasked)

    def _too_small(self) -> bool:
        """Whether the terminal is too small to show the screen. No key may act then."""
        return isinstance(self.screen, FrameScreen) and self.screen.too_small

    async def _dispatch_key(self, event: events.Key) -> None:
        """Hand a key to Textual. An error that was there for a while leaves with it."""
        notice = self.notice
        await super().on_event(event)
        overdue = notice is not None and notice.severity == "error" and time.monotonic() >= notice.due
        if notice is not None and overdue and event.key != "escape":  # Esc removes it by itself
            self._forget(notice)

    async def _on_key(self, event: events.Key) -> None:
        """Run an action of the app, or say that nothing has this key."""
        event.prevent_default()  # Textual would call the method of its own class as well
        if await self._check_bindings(event.key):
            return
        if early := [offer for offer in offers(self.screen) if offer.key == event.key and not offer.enabled]:
            self.tell(f"{early[0].action.title} must wait for the list.", "hint")
        elif typed(event.key) or event.key.startswith(("f", "ctrl+")):
            self.tell(f"No key {key_name(event.key)} here; ? or F1 lists the keys.", "hint")

    # --- actions ----------------------------------------------------------------------------

    async def run_action(
        self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None
    ) -> bool:
        """Run an action, unless `--read-only` disables it or the screen is not visible."""
        target, name, _ = self._parse_action(action, default_namespace or self, namespaces)
        if self._too_small() and name != "quit":
            return True
        meant = declared(target, name)
        if meant is not None and behind_question(self.screen, target):
            return True
        if meant is not None and self.is_off(meant):
            self.tell(f"{meant.title} is off: the app was started with --read-only.", "warning")
            return True
        return await super().run_action(action, default_namespace, namespaces)

    async def action_go(self, area: str) -> None:
        await self.places.go(area)

    async def action_setup(self) -> None:
        await self.places.open_checklist()

    def action_help(self) -> None:
        from muniment_tui.shell.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_palette(self) -> None:
        """Open the palette, or close it."""
        from muniment_tui.shell.palette import ActionsPalette, open_palette

        if isinstance(self.screen, ActionsPalette):
            self.screen.close()
        else:
            open_palette(self)

    def action_command(self) -> None:
        """Open the `:` line."""
        for line in self.screen.query(CommandLine):
            line.open()

    def action_notices(self) -> None:
        """List the notices. The list has the one that the status line shows."""
        from muniment_tui.shell.help import NoticesScreen

        self.notice = None
        self.push_screen(NoticesScreen())

    def action_theme(self) -> None:
        from muniment_tui.shell.theme_list import ThemesScreen

        if not isinstance(self.screen, ThemesScreen):
            self.push_screen(ThemesScreen())

    async def action_quit(self) -> None:
        """Close the app, after a question about unsaved changes."""
        self.vaults.leave(lambda: self.exit(0))

    def action_vault(self) -> None:
        """List the vaults, unless the list is open."""
        from muniment_tui.first.vault_list import VaultsScreen

        if not isinstance(self.screen, VaultsScreen):
            self.push_screen(VaultsScreen())

    def action_interrupt(self) -> None:
        """Explain how to quit. Ctrl+C does not stop anything."""
        self.tell("Press q to quit, or F10 while typing.")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[Any]:
        """Offer none of Textual's commands: the palette uses the registry."""
        return ()
