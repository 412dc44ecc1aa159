"""Fields of a form: a label, a value that is typed or chosen, and below it a hint or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.text import TextLines

Check = Callable[[str], str]
"""Returns a sentence if a value is wrong, else ""."""


def _fine(value: str) -> str:
    return ""


class FormField(Widget):
    """A labelled value with a hint below it. An error replaces the hint."""

    DEFAULT_CSS = """
    FormField { height: auto; layout: vertical; }
    FormField > Horizontal { height: 1; }
    FormField .label { width: 25; text-wrap: nowrap; text-overflow: ellipsis; }
    FormField .value { width: 1fr; max-width: 72; }
    FormField > .hint { height: 1; padding: 0 0 0 26; color: $secondary; }
    FormField > .hint { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Changed(Message):
        """The field's value has changed."""

        def __init__(self, field: FormField) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> FormField:
            return self.field

    def __init__(
        self, name: str, label: str, *, hint: str = "", check: Check = _fine, id: str | None = None
    ) -> None:
        super().__init__(name=name, id=id)
        self.label = label
        self.hint = hint
        self._check = check
        self._touched = False
        self._style = ""

    @property
    def key(self) -> str:
        """The field's name in the values of a form."""
        return self.name or ""

    @property
    def value(self) -> str:
        """The current value."""
        raise NotImplementedError

    @value.setter
    def value(self, value: str) -> None:
        raise NotImplementedError

    @property
    def problem(self) -> str:
        """What is wrong with the value, as a sentence; "" if nothing is."""
        return self._check(self.value)

    def entry(self) -> Widget:
        """The widget that takes the focus."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield TextLines(shown(self.label), classes="label")
            yield self.entry()
        yield TextLines(shown(self.hint), classes="hint")

    def rename(self, label: str) -> None:
        """Change the label. Works before and after the field is drawn."""
        self.label = label
        for line in self.query(".label"):
            if isinstance(line, TextLines):
                line.say(shown(label))

    def say(self, hint: str, style: str = "") -> None:
        """Set the hint, such as a warning that depends on the value."""
        self.hint, self._style = hint, style
        self.show_problem()

    def show_problem(self, touched: bool = False) -> None:
        """Show the problem, if there is one and the field has been touched. Otherwise show the hint."""
        self._touched = self._touched or touched
        problem = self.problem if self._touched else ""
        words = (
            joined(("✗ ", "bold $error"), (problem, "$error")) if problem else shown(self.hint, self._style)
        )
        for line in self.query(".hint"):
            if isinstance(line, TextLines):
                line.say(words)
                line.display = bool(words)

    def changed(self) -> None:
        """Show the problem and post `Changed`."""
        self.show_problem(touched=True)
        self.post_message(self.Changed(self))


class TextField(FormField):
    """A field for typed text."""

    def __init__(
        self,
        name: str,
        label: str,
        value: str = "",
        *,
        placeholder: str = "",
        secret: bool = False,
        clip: Callable[[str], str] | None = None,
        **options: Any,
    ) -> None:
        """`clip` transforms the value as it is typed. `secret` masks it."""
        super().__init__(name, label, **options)
        self._entry = SafeInput(value, placeholder=placeholder, password=secret, clip=clip, classes="value")

    @property
    def value(self) -> str:
        return self._entry.value

    @value.setter
    def value(self, value: str) -> None:
        self._entry.value = value

    def suggest(self, placeholder: str) -> None:
        """Change the text that is shown while the field is empty."""
        self._entry.placeholder = placeholder

    def entry(self) -> Widget:
        return self._entry

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value or self._touched or self._entry.has_focus:
            self.changed()


class ChoiceLine(TextLines, can_focus=True):
    """A few values side by side, one of them chosen with ← and →."""

    HELP = "← and → choose a value; Space chooses the next one."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("choice.left", "left,h", "Previous", "Choose the value on the left."),
            Action("choice.right", "right,l,space", "Next", "Choose the value on the right.", footer=8),
        )
    ]
    DEFAULT_CSS = """
    ChoiceLine { height: 1; padding: 0 1; text-wrap: nowrap; }
    ChoiceLine:focus {
        background: $block-cursor-background; color: $block-cursor-foreground;
        text-style: $block-cursor-text-style;
    }
    """
    at: reactive[int] = reactive(0, init=False)

    class Chosen(Message):
        """Another value was chosen."""

    def __init__(self, offered: Sequence[tuple[str, str]], at: int = 0) -> None:
        super().__init__(classes="value")
        self.offered = tuple(offered)
        self.set_reactive(ChoiceLine.at, at)

    def on_mount(self) -> None:
        self._draw()

    def watch_at(self) -> None:
        """Draw the choice and post `Chosen`."""
        self._draw()
        self.post_message(self.Chosen())

    def _draw(self) -> None:
        self.say(joined(*(self._one(number) for number in range(len(self.offered))), gap="  "))

    def _one(self, number: int) -> Any:
        on = number == self.at
        return joined(("(•) " if on else "( ) ", ""), (self.offered[number][1], "bold" if on else ""))

    def action_left(self) -> None:
        self.at = (self.at - 1) % len(self.offered)

    def action_right(self) -> None:
        self.at = (self.at + 1) % len(self.offered)


class ChoiceField(FormField):
    """A field with a few values to choose from."""

    def __init__(
        self, name: str, label: str, offered: Sequence[tuple[str, str]], value: str = "", **options: Any
    ) -> None:
        """`offered` are pairs of a value and its text."""
        super().__init__(name, label, **options)
        values = [one for one, _ in offered]
        self._choices = ChoiceLine(offered, values.index(value) if value in values else 0)

    @property
    def value(self) -> str:
        return self._choices.offered[self._choices.at][0]

    @value.setter
    def value(self, value: str) -> None:
        self._choices.at = [one for one, _ in self._choices.offered].index(value)

    def entry(self) -> Widget:
        return self._choices

    @on(ChoiceLine.Chosen)
    def _chose(self, event: ChoiceLine.Chosen) -> None:
        event.stop()
        self.changed()


class SwitchField(ChoiceField):
    """A field for yes or no."""

    def __init__(self, name: str, label: str, on: bool = False, **options: Any) -> None:
        offered = (("yes", "yes"), ("no", "no"))
        super().__init__(name, label, offered, "yes" if on else "no", **options)

    @property
    def on(self) -> bool:
        """Whether the value is yes."""
        return self.value == "yes"


class Form(VerticalScroll, can_focus=False):
    """A column of fields."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("form.previous", "up", "Previous field", "Go to the field above."),
            Action("form.next", "down,enter", "Next field", "Go to the field below.", footer=6),
        )
    ]
    DEFAULT_CSS = """
    Form { padding: 0 1; }
    """

    class Submitted(Message):
        """Enter was pressed in the last field."""

    @property
    def fields(self) -> list[FormField]:
        """The visible fields, from top to bottom."""
        return [field for field in self.query(FormField) if field.display]

    @property
    def values(self) -> dict[str, str]:
        """The values of the visible fields, by field name."""
        return {field.key: field.value for field in self.fields}

    def problems(self) -> list[str]:
        """Show the problem of each field, focus the first wrong field, and return all problems."""
        wrong = [field for field in self.fields if field.problem]
        for field in self.fields:
            field.show_problem(touched=True)
        if wrong:
            wrong[0].entry().focus()
        return [field.problem for field in wrong]

    def start(self) -> None:
        """Focus the first field."""
        for field in self.fields[:1]:
            field.entry().focus()

    def action_previous(self) -> None:
        self._go(-1)

    def action_next(self) -> None:
        self._go(1)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self._go(1)

    def _go(self, step: int) -> None:
        fields = self.fields
        focused = self.screen.focused
        here = next((n for n, field in enumerate(fields) if field.entry() is focused), -1)
        if step > 0 and here == len(fields) - 1:
            self.post_message(self.Submitted())
        elif 0 <= here + step < len(fields):
            fields[here + step].entry().focus()


def fields_of(form: Iterable[FormField]) -> dict[str, FormField]:
    """The fields by their names."""
    return {field.key: field for field in form}


def field_around(widget: Widget | None) -> FormField | None:
    """The field that contains a widget."""
    return next((node for node in widget.ancestors if isinstance(node, FormField)), None) if widget else None
