"""The `:` line, which runs an action by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.binding import BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.entry import SafeInput

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


class NameSuggester(Suggester):
    """Completes the names of the available actions."""

    def __init__(self, app: MunimentApp) -> None:
        super().__init__(use_cache=False)
        self._app = app

    async def get_suggestion(self, value: str) -> str | None:
        """The first name in alphabetical order that begins with `value`."""
        if not value:
            return None
        return next((name for name in sorted(self._app.names()) if name.startswith(value)), None)


class CommandLine(SafeInput):
    """One line at the bottom, hidden until `:` is pressed."""

    HELP = "Type the name of an action, such as `runs` or `quit`. → completes it, Enter runs it, Esc cancels."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "command.leave", "escape", "Cancel", "Close the command line without an action.", footer=9
            ),
            Action("command.complete", "tab", "Complete", "Complete the suggested name.", footer=8),
        )
    ]
    DEFAULT_CSS = """
    CommandLine { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="setup, profiles, runs, messages, help, quit ...")
        self.can_focus = False
        self._came_from: object | None = None

    def on_mount(self) -> None:
        self.suggester = NameSuggester(cast("MunimentApp", self.app))

    def open(self) -> None:
        """Show the line and focus it."""
        self._came_from = self.screen.focused
        self.value = ""
        self.display = self.can_focus = True
        self.focus()

    def action_leave(self) -> None:
        """Hide the line and restore the focus."""
        from textual.widget import Widget

        self._hide()
        came_from, self._came_from = self._came_from, None
        self.screen.set_focus(came_from if isinstance(came_from, Widget) else None)

    def action_complete(self) -> None:
        """Accept the suggestion."""
        self.action_cursor_right() if self.cursor_at_end else self.action_end()

    @on(events.Blur)
    def _hide(self) -> None:
        self.display = self.can_focus = False

    @on(Input.Submitted)
    async def _do(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave()
        await cast("MunimentApp", self.app).do_named(event.value.strip())
