"""Notices: one line above the key bar, and a list of the recent ones."""

from __future__ import annotations

import time
from collections import deque

from msgspec import Struct
from textual.content import Content

from muniment_tui.shell.file_paths import paths_cut
from muniment_tui.terminal.safe_text import joined, shown

KEPT = 200
SIGNS = {
    "information": ("✓", "$success"),
    "warning": ("!", "$warning"),
    "error": ("✗", "$error"),
    "hint": ("·", "$secondary"),
}
WHOLE = "F9 reads on"
"""What follows a notice that is longer than the line."""


class Notice(Struct, frozen=True):
    """A message to the user."""

    text: str
    severity: str = "information"
    """"information", "warning", "error", or "hint", which is not kept."""
    time: float = 0.0
    due: float = 0.0
    """When it may leave, on the monotonic clock."""

    def content(self) -> Content:
        """The notice as one line. A sign shows its severity without colour."""
        return self._line_of(self.text)

    def line(self, width: int) -> Content:
        """The notice in a line of `width` cells.

        If it is longer, its paths are cut first, and the key follows that shows all of it.
        """
        whole = self.content()
        if whole.cell_length <= width:
            return whole
        room = max(width - len(WHOLE) - 2, 1)
        brief = self._line_of(paths_cut(self.text, room - 2))
        return joined(brief.truncate(room, ellipsis=True), ("  ", ""), (WHOLE, "bold $accent"))

    def _line_of(self, text: str) -> Content:
        sign, style = SIGNS[self.severity]
        return joined((sign, f"bold {style}"), shown(text), gap=" ")


class NoticeLog:
    """The last notices, oldest first."""

    def __init__(self) -> None:
        self.kept: deque[Notice] = deque(maxlen=KEPT)

    def add(self, text: str, severity: str, stays: float) -> Notice:
        """Keep a notice with the current time. It stays on the screen for some seconds at least."""
        notice = Notice(text, severity, time.time(), time.monotonic() + stays)
        if severity != "hint":
            self.kept.append(notice)
        return notice
