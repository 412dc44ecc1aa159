"""The terminal app. It shows one vault in four areas, each with its own screens."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.geometry import Size
from textual.message_pump import MessagePump
from textual.reactive import var
from textual.screen import Screen

from muniment.api import GetStatus, Status
from muniment.client.client import Connect
from muniment.errors import MunimentError
from muniment_tui.actions.available import ActionOffer, declared, offers, question_open
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import Bridge
from muniment_tui.shell import state, themes
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.command_line import CommandLine
from muniment_tui.shell.frame import HEIGHTS, WIDTHS, FrameScreen, TopBar
from muniment_tui.shell.notices import Notice, NoticeLog
from muniment_tui.shell.palette import ActionsPalette, ActionsProvider
from muniment_tui.shell.vaults import is_vault
from muniment_tui.terminal.diff_renderer import TerminalCanvas
from muniment_tui.terminal.output_filter import OutputFilter
from muniment_tui.terminal.pace import TerminalPace
from muniment_tui.terminal.safe_text import clean

FIRST = "first"
"""The mode of the first page, which is shown when there is no vault yet."""
QUIT_KEYS = ("q", "f10")
NOTICE_STAYS = 10.0
"""How long a notice covers the status line, in seconds. An error stays until Esc."""
FIRST_FRAME = 0.15
"""How long to wait for content before the first frame is drawn, in seconds. An empty first frame delays
the content."""
SETTLED = 2.0
"""Seconds after start-up. Objects that are alive by then are excluded from garbage collection."""
SIZE_POLL = 1.0
"""Seconds between two checks of the terminal's size."""
KEY_TIMEOUT = 5.0
"""How long a key waits until the key before it is handled, in seconds."""
TERMINATED = 143
"""Exit code after SIGTERM or SIGHUP, the same as the command line's."""


def _first() -> FrameScreen:
    from muniment_tui.first.screen import FirstScreen

    return FirstScreen()


def _collect_garbage() -> None:
    """Turn garbage collection back on, for objects that are created from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _first_area(area: str) -> str:
    return area if area in {one.id for one in AREAS} else AREAS[0].id


def _go(area_id: str) -> str:
    return f"app.go('{area_id}')"


class MunimentApp(App[int], inherit_bindings=False):
    """The app. Screens reach the engine through `engine` and show notices with `tell`."""

    TITLE = "Muniment"
    MODES: ClassVar[dict[str, Any]] = {FIRST: _first, **{area.id: area.open for area in AREAS}}
    COMMANDS: ClassVar[set[Any]] = {ActionsProvider}
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    HELP = (
        "Keys act on the pane that has the focus. Tab goes to the next pane. The bottom line shows the most "
        "useful keys. Ctrl+P lists all actions; : runs one by its name."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            *(Action(f"app.{a.id}", a.key, a.title, a.help, run=_go(a.id)) for a in AREAS),
            Action(
                "app.help", "question_mark,f1", "Help", "Explain the focused pane and its keys.", footer=6
            ),
            Action("app.command", "colon", "Command", "Type the name of an action to run it.", footer=2),
            Action(
                "app.palette",
                "ctrl+p",
                "Find an action",
                "List all actions that work here. Type to filter them.",
                run="command_palette",
                priority=True,
            ),
            Action("app.notices", "exclamation_mark", "Notices", "List the recent notices and errors."),
            Action(
                "app.theme",
                "",
                "Change colours",
                "Switch to the next theme: dark, light, or the terminal's own colours.",
            ),
            Action("app.redraw", "ctrl+l", "Redraw", "Redraw the screen, if another program wrote over it."),
            Action(
                "app.quit",
                ",".join(QUIT_KEYS),
                "Quit",
                "Close the app. Runs continue in the service.",
                footer=4,
            ),
            Action(
                "app.suspend",
                "ctrl+z",
                "Suspend",
                "Return to the shell. `fg` brings the app back.",
                run="suspend_process",
            ),
        ),
        Binding("ctrl+c", "interrupt", show=False, system=True),
    ]
    CSS = """
    ScrollableContainer { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    Input { scrollbar-size-horizontal: 0; }
    Screen { background: $background; color: $foreground; }
    """

    notice: var[Notice | None] = var(None)
    """The notice that the status line shows in place of the screen's own status."""

    def __init__(
        self,
        connect: Connect,
        named: Path | None,
        *,
        read_only: bool = False,
        state_file: Path | None = None,
        area: str = "",
    ) -> None:
        """`named` is the vault that the user asked for, which need not exist; None means the current folder.

        `state_file` is where settings of the app are remembered; None remembers nothing. `area` is the first
        area to show; "" means the one that was open last.
        """
        self.state = state.load(state_file) if state_file else state.AppState()
        vault = named or Path.cwd()
        exists = is_vault(vault)
        # Set before anything is composed, so that no other screen is drawn first.
        vars(self)["DEFAULT_MODE"] = _first_area(area or self.state.area) if exists else FIRST
        super().__init__()
        self.connect = connect
        self.read_only = read_only
        self.notices = NoticeLog()
        self._keys: deque[events.Key] = deque()
        self._key_dispatched_at = 0.0
        self.organisation = ""
        self.runs_go_on = False
        """Whether runs were seen or requested. The exit message then lists the ones that continue."""
        self._state_file = state_file
        self.named = named
        self._engine = Bridge(connect, vault, self.refuse, self._answer_handled) if exists else None
        self.held_back = exists
        """Whether drawing is suppressed, because there is no content yet."""
        self._filters.append(OutputFilter())
        self._disable_tooltips = self._disable_notifications = True  # the app shows no floating windows
        self._canvas = TerminalCanvas()
        self.pace = TerminalPace(self._send)
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = self.state.theme if self.state.theme in themes.NAMES else themes.NAMES[0]
        self.animation_level = "none"

    # --- what screens use -------------------------------------------------------------------

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
        or "error".
        """
        notice = self.notice = self.notices.add(clean(text), severity)
        if severity != "error":
            self.set_timer(NOTICE_STAYS, lambda: self._forget(notice))

    def _forget(self, notice: Notice) -> None:
        if self.notice is notice:
            self.notice = None

    def refuse(self, error: MunimentError) -> None:
        """Show an error of the engine as a notice."""
        self.tell(str(error), "error")

    def is_off(self, action: Action) -> bool:
        """Whether `--read-only` disables an action."""
        return self.read_only and action.changes

    def use_vault(self, vault: Path) -> None:
        """Open a vault, such as one that was just created, and go to its Setup."""
        self._engine = Bridge(self.connect, vault, self.refuse, self._answer_handled)
        self.state.vault = str(vault)
        self.switch_mode(AREAS[0].id)
        self._learn_name()

    def open_profile(
        self, kind: str, values: Mapping[str, str], done: Callable[[str | None], object]
    ) -> None:
        """Open the form of a new profile over the current screen.

        `values` are entered in advance, by field name ("name" included). `done` is called with the profile's
        name after it is saved, or with None if the form is left unsaved.
        """
        from muniment.profiles.fields import KIND
        from muniment_tui.profiles.draft import ProfileDraft
        from muniment_tui.profiles.form import ProfileForm

        draft = ProfileDraft(KIND[kind], values.get("name", ""))
        for field in draft.fields:
            if field.name in values:
                draft.type(field.name, values[field.name])

        def closed(name: str | None) -> None:
            done(name)

        self.push_screen(ProfileForm(draft), closed)

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
        self.organisation = clean(status.name or status.vault)
        for bar in self.screen.query(TopBar):
            bar.draw()

    # --- drawing ----------------------------------------------------------------------------

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send the terminal only the cells that changed."""
        if isinstance(renderable, CompositorUpdate):
            renderable = self._canvas.changes_only(renderable)
        super()._display(screen, renderable)

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
        """Handle one key at a time.

        Over a slow connection many keys arrive at once. Each must find the focus where the key before it has
        put it.
        """
        if isinstance(event, events.Resize):
            self._canvas.forget()  # the terminal may have moved its contents
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._too_small():
            if event.key in QUIT_KEYS:
                self.exit(0)
            return
        self._keys.append(event)
        if len(self._keys) == 1:
            await self._dispatch_key()
        else:
            self._wait_for_previous_key()

    def _too_small(self) -> bool:
        """Whether the terminal is too small to show the screen. No key may act then."""
        return isinstance(self.screen, FrameScreen) and self.screen.too_small

    async def _dispatch_key(self) -> None:
        self._key_dispatched_at = time.monotonic()
        await super().on_event(self._keys[0])
        self._follow(self.focused or self.screen, 1)

    def _follow(self, node: DOMNode, again: int) -> None:
        """Follow the way of an unused key from the focus up to the app, to know when it has arrived.

        Messages and changes of focus that the key causes take the same way after it, so this is done `again`
        times.
        """
        if node is not self:
            if not node.call_later(self._follow, node.parent or self, again):
                self._follow(node.parent or self, again)
        elif again:
            self._follow(self.focused or self.screen, again - 1)
        else:
            self.call_later(self.call_later, self._key_handled)

    def _wait_for_previous_key(self) -> None:
        """Continue after KEY_TIMEOUT at the latest: a key may take long, and its widget may be gone."""
        dispatched_at = self._key_dispatched_at

        async def overdue() -> None:
            if len(self._keys) > 1 and self._key_dispatched_at == dispatched_at:
                await self._key_handled()

        self.set_timer(KEY_TIMEOUT, overdue)

    async def _key_handled(self) -> None:
        if self._keys:
            self._keys.popleft()
        if self._keys:
            await self._dispatch_key()
        if len(self._keys) > 1:
            self._wait_for_previous_key()

    # --- actions ----------------------------------------------------------------------------

    async def run_action(
        self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None
    ) -> bool:
        """Run an action, unless `--read-only` disables it or the screen is not visible."""
        target, name, _ = self._parse_action(action, default_namespace or self, namespaces)
        if self._too_small() and name != "quit":
            return True
        meant = declared(target, name)
        if meant is not None and target is self.screen and question_open(self.screen):
            return True
        if meant is not None and self.is_off(meant):
            self.tell(f"{meant.title} is off: the app was started with --read-only.", "warning")
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def names(self) -> dict[str, ActionOffer]:
        """The actions that can be run now, by the names that `:` accepts."""
        found: dict[str, ActionOffer] = {}
        for offer in offers(self.screen):
            found.setdefault(offer.action.name, offer)
        return found

    async def do_named(self, name: str) -> None:
        """Run the action called `name`. An unambiguous beginning of its name is enough."""
        names = self.names()
        meant = [name] if name in names else sorted(known for known in names if known.startswith(name))
        if not name:
            return
        if len(meant) != 1:
            others = f" Did you mean {', '.join(meant[:5])}?" if meant else " Ctrl+P lists all actions."
            self.tell(f"No action here is called {name!r}.{others}", "warning")
            return
        offer = names[meant[0]]
        await self.run_action(offer.action.call, offer.node)

    async def action_go(self, area: str) -> None:
        """Go to an area, or close the screens above it if it is the current one."""
        if self._engine is None:
            self.tell("Create or open a vault first.", "warning")
            return
        self.state.area = area
        if self.current_mode == area:
            while len(self.screen_stack) > 1:
                if isinstance(self.screen, FrameScreen) and self.screen.unsaved:
                    self.screen.ask_to_leave(self.pop_screen)
                    break
                self.pop_screen()
        else:
            await self.switch_mode(area)

    def action_help(self) -> None:
        from muniment_tui.shell.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, ActionsPalette):
            self.push_screen(ActionsPalette(id="--command-palette"))

    def action_command(self) -> None:
        """Open the `:` line."""
        for line in self.screen.query(CommandLine):
            line.open()

    def action_notices(self) -> None:
        from muniment_tui.shell.help import NoticesScreen

        self.push_screen(NoticesScreen())

    def action_theme(self) -> None:
        names = themes.NAMES
        self.theme = self.state.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.tell(f"Colours: {self.theme}.")

    async def action_quit(self) -> None:
        """Close the app, after a question about unsaved changes."""
        for mode, stack in self._screen_stacks.items():
            for screen in stack:
                if isinstance(screen, FrameScreen) and screen.unsaved:
                    if mode != self.current_mode:
                        await self.switch_mode(mode)
                    screen.ask_to_leave(lambda: self.exit(0))
                    return
        self.exit(0)

    def action_interrupt(self) -> None:
        """Explain how to quit. Ctrl+C does not stop anything."""
        self.tell("Press q to quit, or F10 while typing.")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[Any]:
        """Offer none of Textual's commands: the palette uses the registry."""
        return ()
