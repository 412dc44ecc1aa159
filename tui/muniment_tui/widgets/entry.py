"""A line to type in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.widgets import Input

from muniment_tui.actions.registry import FORBIDDEN
from muniment_tui.terminal.safe_text import clean


class Entry(Input):
    """One line: what is in it is harmless whatever is pasted, and nothing blinks."""

    HELP = "Type here. Ctrl+U empties the line up to the cursor, Ctrl+W takes the last word away."
    DEFAULT_CSS = """
    Entry { height: 1; border: none; padding: 0 1; background: $panel; }
    Entry:focus { border: none; background: $block-cursor-background; color: $block-cursor-foreground; }
    Entry > .input--placeholder, Entry > .input--suggestion { color: $secondary; }
    """

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        clip: Callable[[str], str] | None = None,
        **options: Any,
    ) -> None:
        """`clip` changes what is typed as it is typed."""
        self._clip = clip
        super().__init__(value, placeholder=clean(placeholder), select_on_focus=False, **options)
        self.cursor_blink = False
        for key in FORBIDDEN:
            self._bindings.key_to_bindings.pop(key, None)

    def validate_value(self, value: str) -> str:
        """What may stand in it."""
        value = clean(value)
        return self._clip(value) if self._clip else value
