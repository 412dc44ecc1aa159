"""A question with several answers, one key each, shown above the key bar.

The keys are registered as actions. A test checks that no answer's key has another meaning on a screen where
the question appears: pressing it once too often must do nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from muniment_tui.actions.registry import Action, actions
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.text import TextLines


def _answer(name: str, keys: str, title: str, help: str, changes: bool = False) -> Action:
    return Action(f"answers.{name}", keys, title, help, run=f"answer('{name}')", changes=changes)


ANSWERS = (
    _answer("save", "S", "Save", "Save the changes, then leave.", changes=True),
    _answer("discard", "D", "Discard", "Leave without saving the changes."),
    _answer("overwrite", "o", "Save my changes", "Replace the file's values with yours.", changes=True),
    _answer("file", "f", "Use the file", "Drop your changes and reload the profile from vault.toml."),
    _answer("run", "y", "Run automatically", "Save it and run it on its schedule.", changes=True),
    _answer("by-hand", "n,enter", "By hand only", "Save it without automatic runs.", changes=True),
)
BY_ID = {action.name: action for action in ANSWERS}
Choices = Mapping[str, Callable[[], object]]
"""What each answer does, by its name in ANSWERS."""


class AnswerPrompt(Vertical, can_focus=True):
    """A question, hidden until `ask` is called. Only the offered keys and Esc work while it is open."""

    ASKS = True
    HELP = "Press the key of an answer. Esc changes nothing."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("answers.leave", "escape", "Cancel", "Close the question; nothing changes.", footer=9),
            *ANSWERS,
        )
    ]
    DEFAULT_CSS = """
    AnswerPrompt { display: none; height: auto; max-height: 12; padding: 0 1; background: $surface; }
    AnswerPrompt { border-top: solid $warning; overflow-y: auto; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices: Choices = {}
        self._keys: dict[str, str] = {}
        """The names of the answers, by key."""
        self._came_from: Widget | None = None

    def compose(self) -> ComposeResult:
        yield TextLines(id="asked")
        yield TextLines(id="offered")

    def ask(self, question: Content, choices: Choices, leave: str) -> None:
        """Show a question. `leave` describes what Esc does."""
        if not self.display:
            self._came_from = self.screen.focused
        self._choices = choices
        self._keys = {key: name for name in choices for key in BY_ID[name].keys.split(",")}
        named = [(BY_ID[name].keys.partition(",")[0], BY_ID[name].title) for name in choices]
        offers = [
            joined((f"[{key}]", "bold $accent"), (f" {title}", "")) for key, title in [*named, ("Esc", leave)]
        ]
        self.query_one("#asked", TextLines).say(question)
        self.query_one("#offered", TextLines).say(joined(*offers, gap="   "))
        self.display = True
        self.focus()

    def on_key(self, event: events.Key) -> None:
        """Give an answer if its key is pressed, and swallow all other keys."""
        if event.key == "escape":
            return
        event.stop()
        event.prevent_default()
        if event.key in self._keys:
            self.action_answer(self._keys[event.key])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only the answers of the current question."""
        return action == "leave" or (bool(parameters) and parameters[0] in self._choices)

    def action_answer(self, name: str) -> None:
        """Close the question and run the answer's callback."""
        chosen = self._choices[name]
        self.action_leave()
        chosen()

    def action_leave(self) -> None:
        """Close the question and restore the focus."""
        self.display = False
        self._choices, self._keys = {}, {}
        came_from, self._came_from = self._came_from, None
        if came_from is not None and came_from.is_attached:
            came_from.focus()
