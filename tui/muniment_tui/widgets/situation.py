"""What stands in a pane that has nothing to show: why, and what to do."""

from __future__ import annotations

from textual.content import Content

from muniment_tui.terminal.safe_text import block, joined
from muniment_tui.widgets.text import Words


def situation(sign: str, style: str, title: str, advice: str = "") -> Content:
    """A title with a sign, and a line or more of advice below it."""
    head = joined((f"{sign} ", f"bold {style}"), (title, "bold"))
    return Content("\n\n").join([head, block(advice, "$secondary")]) if advice else head


class Situation(Words):
    """A pane that is empty, busy or has failed."""

    DEFAULT_CSS = "Situation { height: auto; padding: 1 2; }"

    def nothing(self, title: str, advice: str = "") -> None:
        """There is nothing here; `advice` says how something comes here."""
        self.say(situation("○", "$secondary", title, advice))

    def busy(self, title: str, advice: str = "") -> None:
        """It is being fetched. Nothing turns or blinks."""
        self.say(situation("…", "$primary", title, advice))

    def failed(self, title: str, advice: str = "") -> None:
        """It went wrong; `advice` says what to do."""
        self.say(situation("✗", "$error", title, advice))
