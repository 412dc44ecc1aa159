"""A question with several answers, a key each, asked in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from muniment_tui.actions import Action, actions
from muniment_tui.widgets.text import Words
from muniment_tui.words import joined

Choices = Mapping[str, tuple[str, Callable[[], object]]]
"""By key: what it is called, and what it does."""


class Answers(Vertical, can_focus=True):
    """Hidden until something is asked. Esc does nothing of what is offered; other keys wait."""

    ASKS = True
    HELP = "A question: press the key of an answer. Esc leaves everything as it is."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(Action("answers.leave", "escape", "Leave it", "Do nothing of what is offered.", footer=9))
    ]
    DEFAULT_CSS = """
    Answers { display: none; height: auto; max-height: 12; padding: 0 1; background: $surface; }
    Answers { border-top: solid $warning; overflow-y: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._choices: Choices = {}
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
        named = [(key, title) for key, (title, _) in choices.items()]
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
        if event.key in self._choices:
            chosen = self._choices[event.key][1]
            self.action_leave()
            chosen()

    def action_leave(self) -> None:
        """Close it, and give the focus back."""
        self.display = False
        self._choices = {}
        came_from, self._came_from = self._came_from, None
        if came_from is not None and came_from.is_attached:
            came_from.focus()
