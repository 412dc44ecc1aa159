"""Questions above the key bar: confirmations, and prompts for a line of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines

Check = Callable[[str], str]


class Question(Struct, frozen=True):
    """A question. Its words name what is affected, and how many."""

    words: Content
    then: Callable[[str], object]
    """Called with the typed text, or with "y" for a plain confirmation. Not called if the user declines."""
    phrase: str = ""
    """Text that must be typed exactly, to confirm what can't be undone."""
    typed: bool = False
    """Whether the answer is a line of text."""
    value: str = ""
    """The initial text of the line."""
    check: Check = lambda value: ""
    otherwise: Callable[[], object] = lambda: None
    """Called if the user declines."""


class Prompt(Vertical, can_focus=True, can_focus_children=True):
    """Asks one question at a time. Esc, Enter, or focusing another widget declines."""

    ASKS = True
    """Actions of the screen wait for the answer."""
    HELP = "Confirm or cancel. `y` confirms. Enter, Esc and `n` cancel; nothing changes."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("prompt.yes", "y", "Yes", "Confirm the question.", footer=9),
            Action("prompt.no", "escape,n,enter", "Cancel", "Cancel; nothing changes.", footer=8),
        )
    ]
    DEFAULT_CSS = """
    Prompt { display: none; height: auto; padding: 0 1; background: $surface; border-top: solid $warning; }
    Prompt > TextLines { height: auto; max-height: 6; }
    Prompt > SafeInput { display: none; }
    Prompt.-typed > SafeInput { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._take_focus(False)
        self._question: Question | None = None
        self._came_from: Widget | None = None

    def compose(self) -> ComposeResult:
        yield TextLines(id="question")
        yield TextLines(id="how")
        yield SafeInput()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable `y` as a key while text is typed."""
        return self._question is not None and (action != "yes" or not self.has_class("-typed"))

    def ask(self, question: Question) -> None:
        """Ask a question. A question that is still open counts as declined."""
        if self._question is not None:
            self._end(None)
        self._question = question
        self._came_from = self.screen.focused
        typed = question.typed or bool(question.phrase)
        self.set_class(typed, "-typed")
        self.query_one("#question", TextLines).say(question.words)
        self._hint("")
        entry = self.query_one(SafeInput)
        entry.value = question.value
        entry.cursor_position = len(question.value)
        self.display = True
        self._take_focus(True)
        (entry if typed else self).focus()

    def _hint(self, problem: str) -> None:
        question = self._question
        assert question is not None
        if problem:
            words = joined(("✗ ", "bold $error"), (problem, "$error"))
        elif question.phrase:
            words = joined(
                ("Type ", ""), (question.phrase, "bold"), (" and press Enter to confirm; Esc cancels.", "")
            )
        elif question.typed:
            words = shown("Enter confirms; Esc cancels.", "$secondary")
        else:
            words = joined(("[y]", "bold $accent"), (" yes   ", ""), ("[N]", "bold $accent"), (" no", ""))
        self.query_one("#how", TextLines).say(words)

    def action_yes(self) -> None:
        self._end("y")

    def action_no(self) -> None:
        self._end(None)

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        event.stop()
        question = self._question
        if question is not None and event.value:
            self._hint("" if question.phrase else question.check(event.value))

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        question = self._question
        if question is None:
            return
        if question.phrase and event.value.strip() != question.phrase:
            self._hint(f"That is not {question.phrase!r}. Nothing was changed.")
        elif not question.phrase and (problem := question.check(event.value)):
            self._hint(problem)
        else:
            self._end(event.value)

    @on(events.DescendantBlur)
    @on(events.Blur)
    def _left(self) -> None:
        self.call_after_refresh(self._see_focus)

    def _see_focus(self) -> None:
        focused = self.screen.focused
        if self._question is not None and (focused is None or self not in focused.ancestors_with_self):
            self._end(None, back=False)

    def _take_focus(self, may: bool) -> None:
        """Prevent a hidden prompt from taking the focus."""
        self.can_focus = self.can_focus_children = may

    def _end(self, answer: str | None, back: bool = True) -> None:
        question, self._question = self._question, None
        came_from, self._came_from = self._came_from, None
        self.display = False
        self._take_focus(False)
        self.query_one(SafeInput).value = ""
        if back:
            self.screen.set_focus(came_from)
        if question is not None:
            question.otherwise() if answer is None else question.then(answer)
