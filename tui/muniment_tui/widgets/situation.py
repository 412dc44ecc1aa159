"""The content of a pane that has nothing to show: the reason, and what to do."""

from __future__ import annotations

from textual.content import Content

from muniment_tui.terminal.safe_text import block, joined
from muniment_tui.widgets.text import TextLines


def situation(sign: str, style: str, title: str, advice: str = "") -> Content:
    """A title with a sign, followed by lines of advice."""
    head = joined((f"{sign} ", f"bold {style}"), (title, "bold"))
    return Content("\n\n").join([head, block(advice, "$secondary")]) if advice else head


class SituationText(TextLines):
    """The content of a pane that is empty, loading or has failed."""

    DEFAULT_CSS = "SituationText { height: auto; padding: 1 2; }"

    def nothing(self, title: str, advice: str = "") -> None:
        """Show that there is nothing here. `advice` says how to change that."""
        self.say(situation("○", "$secondary", title, advice))

    def busy(self, title: str, advice: str = "") -> None:
        """Show that the content is being loaded, without any animation."""
        self.say(situation("…", "$primary", title, advice))

    def failed(self, title: str, advice: str = "") -> None:
        """Show an error. `advice` says what to do."""
        self.say(situation("✗", "$error", title, advice))
