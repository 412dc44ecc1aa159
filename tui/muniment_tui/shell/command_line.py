"""The `:` line, which runs an action by its name, and lists the names that fit while the user types."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.action_finder import FoundAction, found_actions, matching, run_found
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import in_cells
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

LINES = 8
"""How many names are shown at once."""
NAME, KEY = 16, 9
"""Cells for the name and for the key in the list."""


def known_names(found: list[FoundAction]) -> dict[str, FoundAction]:
    """The actions by the names that `:` accepts. A name means the action of this screen, if it has one."""
    names: dict[str, FoundAction] = {}
    for one in found:
        names.setdefault(one.action.name, one)
    return names


def fitting(names: dict[str, FoundAction], typed: str) -> list[FoundAction]:
    """The actions that fit what is typed: whose names begin with it, then those that its words describe."""
    found = list(names.values())
    begin = [one for one in found if one.action.name.startswith(typed)]
    if not typed:
        return found
    exact = sorted(begin, key=lambda one: (one.action.name != typed, one.area is not None))
    return [*exact, *(one for one in matching(found, typed) if one not in exact)]


class CommandChoices(TextLines):
    """The names that fit, above the `:` line. It covers the screen, so that nothing moves."""

    DEFAULT_CSS = """
    CommandChoices {
        display: none; layer: above; dock: bottom; height: auto; margin: 0 0 2 0; padding: 0 1;
        background: $surface; border-top: solid $primary; text-wrap: nowrap;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: list[FoundAction] = []
        self.chosen = -1
        """The number of the chosen name; -1 for none."""

    @property
    def current(self) -> FoundAction | None:
        """The chosen action, or None."""
        return self._found[self.chosen] if 0 <= self.chosen < len(self._found) else None

    @property
    def first(self) -> FoundAction | None:
        """The first action, or None."""
        return self._found[0] if self._found else None

    def fill(self, found: list[FoundAction]) -> None:
        """List other actions; none of them is chosen."""
        self._found, self.chosen = found, -1
        self._draw()

    def move(self, by: int) -> None:
        """Choose the next or the previous one."""
        if self._found:
            self.chosen = min(max(self.chosen + by, 0), len(self._found) - 1)
            self._draw()

    def on_click(self, event: events.Click) -> None:
        """Run the clicked action."""
        number = self._top + event.y - 1
        if 0 <= number < min(len(self._found), self._top + LINES):
            event.stop()
            self.chosen = number
            self.screen.query_one(CommandLine).run_chosen()

    @property
    def _top(self) -> int:
        return min(max(self.chosen - LINES + 2, 0), max(len(self._found) - LINES, 0))

    def _draw(self) -> None:
        top = self._top
        width = self.app.size.width - 2
        lines = [
            _line(one, top + number == self.chosen, width)
            for number, one in enumerate(self._found[top : top + LINES])
        ]
        if len(self._found) > LINES:
            lines.append(shown(f"  {len(self._found)} names; ↑ ↓ choose, Tab completes", "$secondary"))
        self.say(Content("\n").join(lines) if lines else shown("  Nothing is called that.", "$secondary"))


def _line(found: FoundAction, chosen: bool, width: int) -> Content:
    sign = "› " if chosen else "  "
    style = "bold" if chosen else "$accent"
    words = joined((found.title, "bold" if chosen else ""), ("  ", ""), (found.action.help, "$secondary"))
    line = joined(
        (sign, style),
        in_cells(shown(found.action.name, style), NAME),
        (" ", ""),
        in_cells(words, max(width - NAME - KEY - 4, 10)),
        (" ", ""),
        in_cells(shown(found.keys, "$secondary"), KEY, right=True),
    )
    return line.stylize("$block-cursor-foreground on $block-cursor-background") if chosen else line


class CommandLine(SafeInput):
    """One line at the bottom, hidden until `:` is pressed."""

    HELP = (
        "Type the name of an action, such as `runs` or `quit`, or a word that describes it. ↑ and ↓ choose "
        "from the list, Tab completes, Enter runs it, Esc cancels."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "command.leave", "escape", "Cancel", "Close the command line without an action.", footer=9
            ),
            Action("command.complete", "tab", "Complete", "Complete the name.", footer=8),
            Action("command.next", "down", "Next name", "Choose the next name of the list.", footer=7),
            Action("command.previous", "up", "Previous name", "Choose the previous name of the list."),
        )
    ]
    DEFAULT_CSS = """
    CommandLine { display: none; }
    """

    def __init__(self) -> None:
        super().__init__(placeholder="the name of an action, such as runs, help, theme, quit")
        self.can_focus = False
        self._came_from: Widget | None = None
        self._names: dict[str, FoundAction] = {}

    @property
    def muniment(self) -> MunimentApp:
        """The app, with its own type."""
        return cast("MunimentApp", self.app)

    @property
    def _choices(self) -> CommandChoices:
        return self.screen.query_one(CommandChoices)

    def open(self) -> None:
        """Show the line and focus it. The names are those of the place where it was opened."""
        self._names = known_names(found_actions(self.muniment))
        self._came_from = self.screen.focused
        self.value = ""
        self.display = self.can_focus = self._choices.display = True
        self._choices.fill(fitting(self._names, ""))
        self.focus()

    def action_leave(self) -> None:
        """Hide the line and restore the focus."""
        self._hide()
        came_from, self._came_from = self._came_from, None
        self.screen.set_focus(came_from)

    def action_complete(self) -> None:
        """Complete the chosen name, or the first one."""
        chosen = self._choices.current or self._choices.first
        if chosen is not None:
            self.value = chosen.action.name
            self.action_end()

    def action_next(self) -> None:
        """Choose the next name."""
        self._choices.move(1)

    def action_previous(self) -> None:
        """Choose the previous name."""
        self._choices.move(-1)

    @on(events.Blur)
    def _hide(self) -> None:
        self.display = self.can_focus = self._choices.display = False

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display:
            self._choices.fill(fitting(self._names, event.value.strip()))

    @on(Input.Submitted)
    def _do(self, event: Input.Submitted) -> None:
        event.stop()
        if self._choices.current is not None:
            self.run_chosen()
            return
        self.action_leave()
        if typed := event.value.strip():
            self._run(typed)

    def run_chosen(self) -> None:
        """Run the action that is chosen in the list."""
        chosen = self._choices.current
        self.action_leave()
        if chosen is not None:
            self.app.call_later(run_found, self.muniment, chosen)

    def _run(self, typed: str) -> None:
        """Run the action with this name. An unambiguous beginning of its name is enough."""
        here = [name for name, one in self._names.items() if one.area is None and name.startswith(typed)]
        meant = [typed] if typed in self._names else here or [n for n in self._names if n.startswith(typed)]
        if len(meant) == 1:
            self.app.call_later(run_found, self.muniment, self._names[meant[0]])
            return
        others = [one.action.name for one in fitting(self._names, typed)]
        advice = f" Did you mean {', '.join((sorted(meant) or others)[:5])}?" if meant or others else ""
        self.muniment.tell(
            f"No action here is called {typed!r}.{advice or ' Ctrl+P lists all actions.'}", "warning"
        )
