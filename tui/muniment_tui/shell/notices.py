"""Notices: one line above the key bar, and a list of the recent ones."""

from __future__ import annotations

import time
from collections import deque

from msgspec import Struct
from textual.content import Content

from muniment_tui.terminal.safe_text import joined, shown

KEPT = 200
SIGNS = {"information": ("✓", "$success"), "warning": ("!", "$warning"), "error": ("✗", "$error")}


class Notice(Struct, frozen=True):
    """A message to the user."""

    text: str
    severity: str = "information"
    """"information", "warning" or "error"."""
    time: float = 0.0

    def content(self) -> Content:
        """The notice as one line. A sign shows its severity without colour."""
        sign, style = SIGNS[self.severity]
        return joined((sign, f"bold {style}"), shown(self.text), gap=" ")


class NoticeLog:
    """The last notices, oldest first."""

    def __init__(self) -> None:
        self.kept: deque[Notice] = deque(maxlen=KEPT)

    def add(self, text: str, severity: str) -> Notice:
        """Keep a notice with the current time."""
        notice = Notice(text, severity, time.time())
        self.kept.append(notice)
        return notice
