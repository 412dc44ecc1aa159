"""A screen with one form. It asks before what was typed is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.field import Form


class FormScreen(FrameScreen):
    """A screen with one form."""

    SUBMITS: ClassVar[str]
    """The action that Enter in the last field runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, str] = {}
        """The values that would not be lost."""
        self.sent = False
        """Whether a request with the values is under way."""

    @property
    def form(self) -> Form:
        """The form."""
        return self.query_one(Form)

    @property
    def loss(self) -> str:
        """What leaving would lose, as a phrase."""
        raise NotImplementedError

    @property
    def leave_question(self) -> str:
        """The question before it is lost."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Take the values as the fields hold them, without control characters, and focus the first field."""
        self.first = self.form.values
        self.form.start()

    @property
    def unsaved(self) -> str:
        return self.loss if self.is_mounted and self.form.values != self.first else ""

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        self.confirm(shown(self.leave_question), leave)

    def action_back(self) -> None:
        """Close the form, after a question about what was typed."""
        if self.muniment.notice is not None:
            super().action_back()
        elif self.unsaved:
            self.ask_to_leave(lambda: self.dismiss())
        else:
            self.dismiss()

    @on(Form.Submitted)
    async def _entered(self) -> None:
        await self.run_action(self.SUBMITS)
