"""Fields of a form: a label, what is typed or chosen, and below it what is wrong, as one types."""

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
from muniment_tui.widgets.entry import Entry
from muniment_tui.widgets.text import Words

Check = Callable[[str], str]
"""Says what is wrong with a value, in a sentence; "" where nothing is."""


def _fine(value: str) -> str:
    return ""


class Field(Widget):
    """A labelled line with a hint below it, which becomes what is wrong."""

    DEFAULT_CSS = """
    Field { height: auto; layout: vertical; }
    Field > Horizontal { height: 1; }
    Field .label { width: 25; text-wrap: nowrap; text-overflow: ellipsis; }
    Field .value { width: 1fr; max-width: 72; }
    Field > .hint { height: 1; padding: 0 0 0 26; color: $secondary; }
    Field > .hint { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Changed(Message):
        """Its value is another now."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> Field:
            """The field."""
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
        """What it is called in a form's values."""
        return self.name or ""

    @property
    def value(self) -> str:
        """What stands in it."""
        raise NotImplementedError

    @value.setter
    def value(self, value: str) -> None:
        raise NotImplementedError

    @property
    def problem(self) -> str:
        """What is wrong with it, as a sentence; "" where nothing is."""
        return self._check(self.value)

    def entry(self) -> Widget:
        """What takes the focus."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """Label, value, hint."""
        with Horizontal():
            yield Words(shown(self.label), classes="label")
            yield self.entry()
        yield Words(shown(self.hint), classes="hint")

    def rename(self, label: str) -> None:
        """Call it something else; also while it is not drawn yet, or no more."""
        self.label = label
        for line in self.query(".label"):
            if isinstance(line, Words):
                line.say(shown(label))

    def say(self, hint: str, style: str = "") -> None:
        """Set the hint, such as a warning that depends on the value."""
        self.hint, self._style = hint, style
        self.judge()

    def judge(self, touched: bool = False) -> None:
        """Show what is wrong; of a field that nobody has touched yet, only the hint."""
        self._touched = self._touched or touched
        problem = self.problem if self._touched else ""
        words = (
            joined(("✗ ", "bold $error"), (problem, "$error")) if problem else shown(self.hint, self._style)
        )
        for line in self.query(".hint"):
            if isinstance(line, Words):
                line.say(words)
                line.display = bool(words)

    def changed(self) -> None:
        """Judge, and tell."""
        self.judge(touched=True)
        self.post_message(self.Changed(self))


class TextField(Field):
    """A field that is typed."""

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
        """`clip` changes what is typed as it is typed; `secret` masks it."""
        super().__init__(name, label, **options)
        self._entry = Entry(value, placeholder=placeholder, password=secret, clip=clip, classes="value")

    @property
    def value(self) -> str:
        """What is typed."""
        return self._entry.value

    @value.setter
    def value(self, value: str) -> None:
        self._entry.value = value

    def entry(self) -> Widget:
        """The line."""
        return self._entry

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value or self._touched or self._entry.has_focus:
            self.changed()


class Choices(Words, can_focus=True):
    """One of a few, side by side: ← and → choose."""

    HELP = "← and → choose, so does the space bar."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("choice.left", "left,h", "Previous", "Choose what stands to the left."),
            Action("choice.right", "right,l,space", "Next", "Choose what stands to the right.", footer=8),
        )
    ]
    DEFAULT_CSS = """
    Choices { height: 1; padding: 0 1; text-wrap: nowrap; }
    Choices:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """
    at: reactive[int] = reactive(0, init=False)

    class Chosen(Message):
        """Another one is chosen."""

    def __init__(self, offered: Sequence[tuple[str, str]], at: int = 0) -> None:
        super().__init__(classes="value")
        self.offered = tuple(offered)
        self.set_reactive(Choices.at, at)

    def on_mount(self) -> None:
        """Draw it."""
        self._draw()

    def watch_at(self) -> None:
        """Draw it, and tell."""
        self._draw()
        self.post_message(self.Chosen())

    def _draw(self) -> None:
        self.say(joined(*(self._one(number) for number in range(len(self.offered))), gap="  "))

    def _one(self, number: int) -> Any:
        on = number == self.at
        return joined(("(•) " if on else "( ) ", ""), (self.offered[number][1], "bold" if on else ""))

    def action_left(self) -> None:
        """The one before."""
        self.at = (self.at - 1) % len(self.offered)

    def action_right(self) -> None:
        """The next one."""
        self.at = (self.at + 1) % len(self.offered)


class ChoiceField(Field):
    """A field that offers a few values."""

    def __init__(
        self, name: str, label: str, offered: Sequence[tuple[str, str]], value: str = "", **options: Any
    ) -> None:
        """`offered` are pairs of value and what is shown."""
        super().__init__(name, label, **options)
        values = [one for one, _ in offered]
        self._choices = Choices(offered, values.index(value) if value in values else 0)

    @property
    def value(self) -> str:
        """What is chosen."""
        return self._choices.offered[self._choices.at][0]

    @value.setter
    def value(self, value: str) -> None:
        self._choices.at = [one for one, _ in self._choices.offered].index(value)

    def entry(self) -> Widget:
        """The choices."""
        return self._choices

    @on(Choices.Chosen)
    def _chose(self, event: Choices.Chosen) -> None:
        event.stop()
        self.changed()


class SwitchField(ChoiceField):
    """Yes or no."""

    def __init__(self, name: str, label: str, on: bool = False, **options: Any) -> None:
        offered = (("yes", "yes"), ("no", "no"))
        super().__init__(name, label, offered, "yes" if on else "no", **options)

    @property
    def on(self) -> bool:
        """Whether it is yes."""
        return self.value == "yes"


class Form(VerticalScroll, can_focus=False):
    """Fields below each other."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("form.previous", "up", "Previous field", "Go to the field above."),
            Action("form.next", "down,enter", "Next field", "Go to the field below.", footer=6),
        )
    ]
    DEFAULT_CSS = """
    Form { padding: 0 1; }
    """

    class Done(Message):
        """Enter was pressed in the last field."""

    @property
    def fields(self) -> list[Field]:
        """Those that are shown, from top to bottom."""
        return [field for field in self.query(Field) if field.display]

    @property
    def values(self) -> dict[str, str]:
        """What stands in them, by their names."""
        return {field.key: field.value for field in self.fields}

    def problems(self) -> list[str]:
        """What is wrong, shown at each field; the focus goes to the first of them."""
        wrong = [field for field in self.fields if field.problem]
        for field in self.fields:
            field.judge(touched=True)
        if wrong:
            wrong[0].entry().focus()
        return [field.problem for field in wrong]

    def start(self) -> None:
        """Put the focus in the first field."""
        for field in self.fields[:1]:
            field.entry().focus()

    def action_previous(self) -> None:
        """The field above."""
        self._go(-1)

    def action_next(self) -> None:
        """The field below."""
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
            self.post_message(self.Done())
        elif 0 <= here + step < len(fields):
            fields[here + step].entry().focus()


def fields_of(form: Iterable[Field]) -> dict[str, Field]:
    """Fields by their names."""
    return {field.key: field for field in form}
