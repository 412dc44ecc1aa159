"""The pane with the result of a check. It stays on the screen while the step scrolls."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from muniment.api import SetupFinding, SetupStep
from muniment_tui.setup import step_text
from muniment_tui.widgets.text import TextLines


class VerdictPane(VerticalScroll, can_focus=False):
    """What the last check of a step found. Hidden for a step that was not checked since the screen opened."""

    DEFAULT_CSS = """
    VerdictPane {
        display: none; height: auto; max-height: 7; padding: 0 1; background: $surface;
        border-top: solid $border-blurred; scrollbar-size-vertical: 1;
    }
    VerdictPane > TextLines { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield TextLines()

    def show(self, step: SetupStep | None, findings: Sequence[SetupFinding]) -> None:
        """Show the findings: while the check runs in their order, then the decisive ones first."""
        self.display = step is not None and bool(findings or step.state == "checking")
        if step is not None and self.display:
            self.query_one(TextLines).say(step_text.verdict(step, findings))
            if step.state == "checking":
                self.call_after_refresh(self.scroll_end, animate=False)
            else:
                self.scroll_to(y=0, animate=False, immediate=True)
