"""A screen that shows given messages, one after another, for other areas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on
from textual.widget import Widget

from muniment_tui.messages.reader import ReaderPane
from muniment_tui.shell.frame import AreaScreen
from muniment_tui.terminal.safe_text import shown


class SingleScreen(AreaScreen):
    """One message of a few, opened from another area."""

    HELP = "A message, opened from another area. n and N go to the next and the previous one. Esc goes back."

    def __init__(self, ids: Sequence[str]) -> None:
        """`ids` are those of the messages; the first one is opened."""
        super().__init__()
        self._ids = tuple(ids)
        self._at = 0

    def inside(self) -> Iterable[Widget]:
        yield ReaderPane()

    def on_mount(self) -> None:
        self._open()
        self._reader.focus_inside()

    @property
    def _reader(self) -> ReaderPane:
        return self.query_one(ReaderPane)

    def _open(self) -> None:
        self._reader.open(self._ids[self._at], ())
        self.say(shown(f"message {self._at + 1} of {len(self._ids)}" if len(self._ids) > 1 else ""))

    @on(ReaderPane.Onward)
    def _onward(self, event: ReaderPane.Onward) -> None:
        if 0 <= self._at + event.step < len(self._ids):
            self._at += event.step
            self._open()
        else:
            self.muniment.tell(
                "This is the last message." if event.step > 0 else "This is the first message."
            )

    def action_back(self) -> None:
        """Close the topmost document, or the screen."""
        if self.muniment.notice is not None or not self._reader.leave():
            super().action_back()
