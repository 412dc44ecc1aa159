"""Widgets that only the profile form uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.message import Message

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.field import Form, TextField
from muniment_tui.widgets.text import TextLines


class MailboxEntry(SafeInput):
    """The mailbox id of a gateway. It drops an @ and everything after it, typed or pasted."""

    def __init__(self, value: str, tell: Callable[[str], object], **options: Any) -> None:
        """`tell` is called with the dropped text, from the @ on."""
        super().__init__(value, **options)
        self.dropped = ""
        self._tell = tell

    def replace(self, text: str, start: int, end: int) -> None:
        """Insert text up to an @, unless an @ was typed before."""
        if self.dropped and start == end == len(self.value):
            kept, dropped = "", self.dropped + text
        else:
            kept, at, rest = text.partition("@")
            dropped = at + rest if at else self.dropped
        if dropped != self.dropped:
            self._drop(dropped)
        if kept or start != end:
            super().replace(kept, start, end)

    def action_delete_left(self) -> None:
        """Delete the dropped text first."""
        if self.dropped and self.cursor_at_end and self.selection.is_empty:
            self._drop(self.dropped[:-1])
        else:
            super().action_delete_left()

    def _drop(self, text: str) -> None:
        self.dropped = text
        self._tell(text)


class MailboxField(TextField):
    """The field for the mailbox id of a gateway."""

    def __init__(self, name: str, label: str, value: str, placeholder: str, **options: Any) -> None:
        super().__init__(name, label, **options)
        self._entry = MailboxEntry(value, self._dropped, placeholder=placeholder, classes="value")

    def _dropped(self, text: str) -> None:
        self.say(f"{text} is ignored: a mailbox id has no @" if text else "")


class TextButton(TextLines, can_focus=True):
    """A button."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(Action("press.press", "enter,space", "Press", "Press the button.", footer=8))
    ]
    DEFAULT_CSS = """
    TextButton { width: auto; height: 1; padding: 0 1; background: $surface; }
    TextButton:focus {
        background: $block-cursor-background; color: $block-cursor-foreground;
        text-style: $pressable-text-style;
    }
    """

    class Pressed(Message):
        """The button was pressed."""

        def __init__(self, press: TextButton) -> None:
            super().__init__()
            self.press = press

        @property
        def control(self) -> TextButton:
            return self.press

    def action_press(self) -> None:
        """Post `Pressed`."""
        self.post_message(self.Pressed(self))


class ButtonForm(Form):
    """A form with buttons among its fields. ↑, ↓ and Enter move over both."""

    DEFAULT_CSS = """
    ButtonForm { padding: 1 0 0 1; }
    ButtonForm FormField > .hint { height: auto; text-wrap: wrap; }
    """

    def _go(self, step: int) -> None:
        stops = [widget for widget in self.screen.focus_chain if self in widget.ancestors]
        if self.screen.focused in stops:
            here = stops.index(self.screen.focused)
            stops[(here + step) % len(stops)].focus()
