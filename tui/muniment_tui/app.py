"""The terminal app: four areas, each with screens of its own, on one vault."""

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
from muniment_tui.actions.available import Offer, asked, declared, offers
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import Bridge
from muniment_tui.shell import state, themes
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.command_line import CommandLine
from muniment_tui.shell.frame import HEIGHTS, WIDTHS, FrameScreen, TopBar
from muniment_tui.shell.notices import Notice, Notices
from muniment_tui.shell.palette import ActionsPalette, ActionsProvider
from muniment_tui.shell.vaults import is_vault
from muniment_tui.terminal.diff_renderer import Canvas
from muniment_tui.terminal.output_filter import Net
from muniment_tui.terminal.pace import Pace
from muniment_tui.terminal.safe_text import clean

FIRST = "first"
"""The mode of the first page, where there is no vault yet."""
QUIT_KEYS = ("q", "f10")
NOTICE_STAYS = 10.0
"""Seconds that a notice covers the status; an error stays until Esc."""
FIRST_FRAME = 0.15
"""Seconds that the first frame waits for what is to be seen in it: drawing it empty makes that come later."""
SETTLED = 2.0
"""Seconds after which what is loaded counts as there to stay."""
LOOK = 1.0
"""Seconds between two looks at the terminal's size."""
KEY_PATIENCE = 5.0
"""Seconds that a key waits for the one before it to be handled."""
TERMINATED = 143
"""Exit code after SIGTERM or SIGHUP, as of the command line."""


def _first() -> FrameScreen:
    from muniment_tui.first.screen import FirstScreen

    return FirstScreen()


def _collect_garbage() -> None:
    """Of what comes from now on, where the start went without."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _begin(area: str) -> str:
    return area if area in {one.id for one in AREAS} else AREAS[0].id


def _go(area_id: str) -> str:
    return f"app.go('{area_id}')"


class MunimentApp(App[int], inherit_bindings=False):
    """The app. Screens reach the engine through `engine`, and say things through `tell`."""

    TITLE = "Muniment"
    MODES: ClassVar[dict[str, Any]] = {FIRST: _first, **{area.id: area.open for area in AREAS}}
    COMMANDS: ClassVar[set[Any]] = {ActionsProvider}
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    HELP = (
        "Keys work on the pane that has the focus; Tab goes from pane to pane. The line at the bottom shows "
        "the ones that matter most here. Ctrl+P or : finds everything by name."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            *(
                Action(f"app.{a.id}", a.key, a.title, f"Go to {a.title}: {a.help}", run=_go(a.id))
                for a in AREAS
            ),
            Action(
                "app.help", "question_mark,f1", "Help", "Explain what has the focus, and its keys.", footer=6
            ),
            Action("app.command", "colon", "Command", "Type what to do by its name.", footer=2),
            Action(
                "app.palette",
                "ctrl+p",
                "Find an action",
                "List everything that can be done here, and narrow it by typing.",
                run="command_palette",
                priority=True,
            ),
            Action("app.notices", "exclamation_mark", "Notices", "List what was said lately, errors too."),
            Action(
                "app.theme",
                "",
                "Change colours",
                "Go from the dark to the light theme, and on to the terminal's own colours.",
            ),
            Action("app.redraw", "ctrl+l", "Redraw", "Draw all anew, if something else has written over it."),
            Action(
                "app.quit",
                ",".join(QUIT_KEYS),
                "Quit",
                "Close the app. What runs in the service goes on.",
                footer=4,
            ),
            Action(
                "app.suspend",
                "ctrl+z",
                "Suspend",
                "Go back to the shell for a while; `fg` returns.",
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
    """What the status line says now, in place of the screen's own status."""

    def __init__(
        self,
        connect: Connect,
        named: Path | None,
        *,
        read_only: bool = False,
        state_file: Path | None = None,
        area: str = "",
    ) -> None:
        """`named` is the vault that the caller means, which need not be there; else it is the current folder.

        `state_file` is where to remember things, if anywhere; `area` is where to begin, if not where one was.
        """
        self.state = state.load(state_file) if state_file else state.State()
        vault = named or Path.cwd()
        there = is_vault(vault)
        # Where to begin, before anything is composed: a screen less to draw.
        vars(self)["DEFAULT_MODE"] = _begin(area or self.state.area) if there else FIRST
        super().__init__()
        self.connect = connect
        self.read_only = read_only
        self.notices = Notices()
        self._keys: deque[events.Key] = deque()
        self._key_handed_on = 0.0
        self.organisation = ""
        self.runs_go_on = False
        """Whether runs were seen or asked for, of which the farewell tells."""
        self._state_file = state_file
        self.named = named
        self._engine = Bridge(connect, vault, self.refuse, self._heard) if there else None
        self.held_back = there
        """Whether nothing is drawn for now, since there is nothing to be seen yet."""
        self._filters.append(Net())
        self._disable_tooltips = self._disable_notifications = True  # nothing of ours floats
        self._canvas = Canvas()
        self.pace = Pace(self._send)
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = self.state.theme if self.state.theme in themes.NAMES else themes.NAMES[0]
        self.animation_level = "none"

    # --- what screens use -------------------------------------------------------------------

    @property
    def engine(self) -> Bridge:
        """The engine of the vault that is open."""
        assert self._engine is not None, "no screen but the first page is open without a vault"
        return self._engine

    @property
    def vault(self) -> Path | None:
        """The folder of the vault that is open."""
        return self._engine.vault if self._engine else None

    def tell(self, text: str, severity: str = "information") -> None:
        """Say a sentence in the status line, and keep it in the list of notices.

        `severity` is "information", "warning" or "error". The text may hold anything.
        """
        notice = self.notice = self.notices.add(clean(text), severity)
        if severity != "error":
            self.set_timer(NOTICE_STAYS, lambda: self._forget(notice))

    def _forget(self, notice: Notice) -> None:
        if self.notice is notice:
            self.notice = None

    def refuse(self, error: MunimentError) -> None:
        """Say what the engine refused or failed at."""
        self.tell(str(error), "error")

    def is_off(self, action: Action) -> bool:
        """Whether `--read-only` switches an action off."""
        return self.read_only and action.changes

    def use_vault(self, vault: Path) -> None:
        """Open a vault, such as one that was made just now, and go to its Setup."""
        self._engine = Bridge(self.connect, vault, self.refuse, self._heard)
        self.state.vault = str(vault)
        self.switch_mode(AREAS[0].id)
        self._learn_name()

    def open_profile(
        self, kind: str, values: Mapping[str, str], done: Callable[[str | None], object]
    ) -> None:
        """Open the form of a new profile, over the screen that is shown, for screens that lead there.

        `values` are typed in already, by field ("name" among them). `done` gets the name once it is saved,
        and None where it is left unsaved.
        """
        from muniment.profiles.fields import KIND
        from muniment_tui.profiles.draft import Draft
        from muniment_tui.profiles.form import ProfileForm

        draft = Draft(KIND[kind], values.get("name", ""))
        for field in draft.fields:
            if field.name in values:
                draft.type(field.name, values[field.name])

        def closed(name: str | None) -> None:
            done(name)

        self.push_screen(ProfileForm(draft), closed)

    # --- life -------------------------------------------------------------------------------

    def _heard(self, owner: MessagePump) -> None:
        if owner is not self:
            self._show_first_frame()

    def _show_first_frame(self) -> None:
        if self.held_back:
            self.held_back = False
            self.screen.refresh()
            self.screen.call_after_refresh(self._learn_name)

    def on_load(self) -> None:
        """Start tasks in the same order on every Python.

        From Python 3.12 on, Textual makes tasks run before `create_task` returns. The first screen is then
        composed while it is not yet on the stack of screens, and widgets that ask for it fail.
        """
        asyncio.get_running_loop().set_task_factory(None)

    async def on_mount(self) -> None:
        """See to it that signals leave the terminal sane, and that garbage is collected once all is there."""
        self.set_timer(FIRST_FRAME, self._show_first_frame)
        self.set_timer(SETTLED, _collect_garbage)
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())  # `fg` finds an empty screen
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, TERMINATED, TERMINATED)
        if not self.is_headless:
            self.set_interval(LOOK, self._look_at_size)

    def _look_at_size(self) -> None:
        """Take up a size that no signal told: one that comes while the program starts is lost."""
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
        """Send the terminal only what has changed."""
        if isinstance(renderable, CompositorUpdate):
            renderable = self._canvas.thrifty(renderable)
        super()._display(screen, renderable)

    def _send(self, question: str) -> bool:
        """Pass a question to the terminal; False where there is none."""
        if self.is_headless or self._driver is None:
            return False
        self._driver.write(question)
        return True

    def on_cursor_position(self) -> None:
        """The terminal has answered, so it has shown what was sent before the question."""
        self.pace.answered()

    def action_redraw(self) -> None:
        """Draw all, whatever the terminal is thought to show."""
        self._canvas.forget()
        self.screen.refresh()

    def exit(self, result: int | None = None, return_code: int = 0, message: Any = None) -> None:
        """End the app. Its widgets go one by one, and what the engine still says would find some gone."""
        if self._engine:
            self._engine.hush()
        super().exit(result, return_code, message)

    def hang_up(self) -> None:
        """After the app has ended: remember, and close the line to the engine."""
        if self._state_file:
            state.save(self._state_file, self.state)
        if self._engine:
            self._engine.close()

    # --- keys -------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        """Hand on one key at a time: over a slow line many arrive at once, and each must find the focus
        where the one before has put it."""
        if isinstance(event, events.Resize):
            self._canvas.forget()  # the terminal may have moved what it showed
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._unseen():
            if event.key in QUIT_KEYS:
                self.exit(0)
            return
        self._keys.append(event)
        if len(self._keys) == 1:
            await self._hand_on()
        else:
            self._wait_for_the_one_before()

    def _unseen(self) -> bool:
        """Whether nothing is shown but that the terminal is too small: then nothing may happen, either."""
        return isinstance(self.screen, FrameScreen) and self.screen.too_small

    async def _hand_on(self) -> None:
        self._key_handed_on = time.monotonic()
        await super().on_event(self._keys[0])
        self._follow(self.focused or self.screen, 1)

    def _follow(self, node: DOMNode, again: int) -> None:
        """Go the way that an unused key goes, from the focus up to the app, to know when it has arrived.

        What it leads to, such as a message or a change of focus, goes that way after it: once more.
        """
        if node is not self:
            if not node.call_later(self._follow, node.parent or self, again):
                self._follow(node.parent or self, again)
        elif again:
            self._follow(self.focused or self.screen, again - 1)
        else:
            self.call_later(self.call_later, self._handled)

    def _wait_for_the_one_before(self) -> None:
        """At most so long: it may take long, or have gone with the part that had it."""
        handed_on = self._key_handed_on

        async def overdue() -> None:
            if len(self._keys) > 1 and self._key_handed_on == handed_on:
                await self._handled()

        self.set_timer(KEY_PATIENCE, overdue)

    async def _handled(self) -> None:
        if self._keys:
            self._keys.popleft()
        if self._keys:
            await self._hand_on()
        if len(self._keys) > 1:
            self._wait_for_the_one_before()

    # --- actions ----------------------------------------------------------------------------

    async def run_action(
        self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None
    ) -> bool:
        """Do an action, but not what `--read-only` switches off, nor anything that can't be seen."""
        target, name, _ = self._parse_action(action, default_namespace or self, namespaces)
        if self._unseen() and name != "quit":
            return True
        meant = declared(target, name)
        if meant is not None and target is self.screen and asked(self.screen):
            return True
        if meant is not None and self.is_off(meant):
            self.tell(f"{meant.title} is off: the app was opened with --read-only.", "warning")
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def names(self) -> dict[str, Offer]:
        """What can be done now, by the names that `:` takes."""
        found: dict[str, Offer] = {}
        for offer in offers(self.screen):
            found.setdefault(offer.action.name, offer)
        return found

    async def do_named(self, name: str) -> None:
        """Do what `:name` says; the beginning of a name is enough where it is clear."""
        names = self.names()
        meant = [name] if name in names else sorted(known for known in names if known.startswith(name))
        if not name:
            return
        if len(meant) != 1:
            others = f" Did you mean {', '.join(meant[:5])}?" if meant else " Press Ctrl+P for all there is."
            self.tell(f"There is nothing called {name!r} here.{others}", "warning")
            return
        offer = names[meant[0]]
        await self.run_action(offer.action.call, offer.node)

    async def action_go(self, area: str) -> None:
        """Go to an area."""
        if self._engine is None:
            self.tell("First make or open a vault: all else needs one.", "warning")
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
        """Explain what has the focus."""
        from muniment_tui.shell.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        """Open the palette."""
        if not isinstance(self.screen, ActionsPalette):
            self.push_screen(ActionsPalette(id="--command-palette"))

    def action_command(self) -> None:
        """Open the `:` line."""
        for line in self.screen.query(CommandLine):
            line.open()

    def action_notices(self) -> None:
        """List the last notices."""
        from muniment_tui.shell.help import NoticesScreen

        self.push_screen(NoticesScreen())

    def action_theme(self) -> None:
        """Take the next theme."""
        names = themes.NAMES
        self.theme = self.state.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.tell(f"Colours: {self.theme}.")

    async def action_quit(self) -> None:
        """Close the app; what is not saved is asked about first."""
        for mode, stack in self._screen_stacks.items():
            for screen in stack:
                if isinstance(screen, FrameScreen) and screen.unsaved:
                    if mode != self.current_mode:
                        await self.switch_mode(mode)
                    screen.ask_to_leave(lambda: self.exit(0))
                    return
        self.exit(0)

    def action_interrupt(self) -> None:
        """Ctrl+C stops nothing by itself."""
        self.tell("Press q to quit, or F10 where you are typing.")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[Any]:
        """None: the palette is fed by the registry."""
        return ()
