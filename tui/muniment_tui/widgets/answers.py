"""A question with several answers, a key each, asked in place.

The keys stand in the registry of actions, so that a test sees that none of them means something else on a
screen that the question can lie over: a key that is pressed once too often must do nothing there.
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
from muniment_tui.widgets.text import Words


def _answer(name: str, keys: str, title: str, help: str, changes: bool = False) -> Action:
    return Action(f"answers.{name}", keys, title, help, run=f"answer('{name}')", changes=changes)


ANSWERS = (
    _answer("save", "s", "Save", "Save what was typed, then leave.", changes=True),
    _answer("discard", "D", "Discard", "Leave, and forget what was typed."),
    _answer("overwrite", "o", "Save mine on top", "Write it over the file's.", changes=True),
    _answer("file", "f", "Take the file's", "Drop mine, and begin again from what the file says."),
    _answer("run", "y", "Run it by itself", "Save it; it runs by itself.", changes=True),
    _answer("by-hand", "n,enter", "By hand only", "Save it; it runs by hand only.", changes=True),
)
BY_ID = {action.name: action for action in ANSWERS}
Choices = Mapping[str, Callable[[], object]]
"""What an answer does, by its name in ANSWERS."""


class Answers(Vertical, can_focus=True):
    """Hidden until something is asked. Esc does nothing of what is offered; other keys wait."""

    ASKS = True
    HELP = "A question: press the key of an answer. Esc leaves everything as it is."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("answers.leave", "escape", "Leave it", "Do nothing of what is offered.", footer=9),
            *ANSWERS,
        )
    ]
    DEFAULT_CSS = """
    Answers { display: none; height: auto; max-height: 12; padding: 0 1; background: $surface; }
    Answers { border-top: solid $warning; overflow-y: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._choices: Choices = {}
        self._keys: dict[str, str] = {}
        """The answers' names by key."""
        self._came_from: Widget | None = None

    def compose(self) -> ComposeResult:
        """The question, and what can be answered."""
        yield Words(id="asked")
        yield Words(id="offered")

    def ask(self, question: Content, choices: Choices, leave: str) -> None:
        """Ask; `leave` is what Esc means."""
        if not self.display:
            self._came_from = self.screen.focused
        self._choices = choices
        self._keys = {key: name for name in choices for key in BY_ID[name].keys.split(",")}
        named = [(BY_ID[name].keys.partition(",")[0], BY_ID[name].title) for name in choices]
        offers = [
            joined((f"[{key}]", "bold $accent"), (f" {title}", "")) for key, title in [*named, ("Esc", leave)]
        ]
        self.query_one("#asked", Words).say(question)
        self.query_one("#offered", Words).say(joined(*offers, gap="   "))
        self.display = True
        self.focus()

    def on_key(self, event: events.Key) -> None:
        """An answer, or nothing: whoever is asked answers first."""
        if event.key == "escape":
            return
        event.stop()
        event.prevent_default()
        if event.key in self._keys:
            self.action_answer(self._keys[event.key])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An answer is there while it is offered; `on_key` takes it."""
        return action == "leave" or (bool(parameters) and parameters[0] in self._choices)

    def action_answer(self, name: str) -> None:
        """Do what is offered under a name."""
        chosen = self._choices[name]
        self.action_leave()
        chosen()

    def action_leave(self) -> None:
        """Close it, and give the focus back."""
        self.display = False
        self._choices, self._keys = {}, {}
        came_from, self._came_from = self._came_from, None
        if came_from is not None and came_from.is_attached:
            came_from.focus()
