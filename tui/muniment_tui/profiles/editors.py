"""What the form has besides the fields that all forms have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.message import Message

from muniment_tui.actions.registry import Action, actions
from muniment_tui.widgets.entry import Entry
from muniment_tui.widgets.field import Form, TextField
from muniment_tui.widgets.text import Words


class MailboxEntry(Entry):
    """A gateway's mailbox id. What follows an @ is not taken, whether typed or pasted."""

    def __init__(self, value: str, tell: Callable[[str], object], **options: Any) -> None:
        """`tell` hears what has been dropped: the @ and what was typed after it."""
        super().__init__(value, **options)
        self.dropped = ""
        self._tell = tell

    def replace(self, text: str, start: int, end: int) -> None:
        """Take text, but not from an @ on, nor behind one."""
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
        """Backspace takes what was dropped first."""
        if self.dropped and self.cursor_at_end and self.selection.is_empty:
            self._drop(self.dropped[:-1])
        else:
            super().action_delete_left()

    def _drop(self, text: str) -> None:
        self.dropped = text
        self._tell(text)


class MailboxField(TextField):
    """The field of a gateway's mailbox id."""

    def __init__(self, name: str, label: str, value: str, placeholder: str, **options: Any) -> None:
        super().__init__(name, label, **options)
        self._entry = MailboxEntry(value, self._dropped, placeholder=placeholder, classes="value")

    def _dropped(self, text: str) -> None:
        self.say(f"{text} is left out: a gateway wants the part before it" if text else "")


class Press(Words, can_focus=True):
    """Something to press Enter on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(Action("press.press", "enter,space", "Do it", "Do what the button says.", footer=8))
    ]
    DEFAULT_CSS = """
    Press { width: auto; height: 1; padding: 0 1; background: $surface; }
    Press:focus { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
    """

    class Pressed(Message):
        """It was pressed."""

        def __init__(self, press: Press) -> None:
            super().__init__()
            self.press = press

        @property
        def control(self) -> Press:
            """The button."""
            return self.press

    def action_press(self) -> None:
        """Tell."""
        self.post_message(self.Pressed(self))


class Sheet(Form):
    """A form with buttons among its fields: ↑, ↓ and Enter pass over all of them."""

    DEFAULT_CSS = """
    Sheet { padding: 1 0 0 1; }
    Sheet Field > .hint { height: auto; text-wrap: wrap; }
    """

    def _go(self, step: int) -> None:
        if step > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()
