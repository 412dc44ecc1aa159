"""A line for text input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.geometry import Offset
from textual.widgets import Input

from muniment_tui.actions.registry import FORBIDDEN
from muniment_tui.terminal.safe_text import clean


class SafeInput(Input):
    """A line for text input. Its content is sanitised, even when pasted, and its cursor does not blink."""

    HELP = "Type here. Ctrl+U deletes to the start of the line, Ctrl+W deletes the last word."
    DEFAULT_CSS = """
    SafeInput, SafeInput:ansi {
        height: 1; border: none; padding: 0 1;
        background: $field; color: $field-text; text-style: $field-text-style;
        &:focus {
            border: none; background: $block-cursor-background; background-tint: $foreground 0%;
            color: $block-cursor-foreground;
        }
        & > .input--placeholder, & > .input--suggestion { color: $secondary; text-style: none; }
        & > .input--cursor {
            background: $input-cursor-background; color: $input-cursor-foreground;
            text-style: $input-cursor-text-style;
        }
    }
    """

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        clip: Callable[[str], str] | None = None,
        **options: Any,
    ) -> None:
        """`clip` transforms the value as it is typed."""
        self._clip = clip
        super().__init__(value, placeholder=clean(placeholder), select_on_focus=False, **options)
        self.cursor_blink = False
        for key in FORBIDDEN:
            self._bindings.key_to_bindings.pop(key, None)

    @property
    def cursor_cell(self) -> Offset:
        """Where the next character goes on the screen."""
        return self.cursor_screen_offset

    def validate_value(self, value: str) -> str:
        """Sanitise the value and apply `clip`."""
        value = clean(value)
        return self._clip(value) if self._clip else value
