"""Notices: one line above the key bar, and a list of the last ones, so that none is lost."""

from __future__ import annotations

import time
from collections import deque

from msgspec import Struct
from textual.content import Content

from muniment_tui.terminal.safe_text import joined, shown

KEPT = 200
SIGNS = {"information": ("✓", "$success"), "warning": ("!", "$warning"), "error": ("✗", "$error")}


class Notice(Struct, frozen=True):
    """Something that was said."""

    text: str
    severity: str = "information"
    """"information", "warning" or "error"."""
    time: float = 0.0

    def content(self) -> Content:
        """As one line; the sign says its kind without colour."""
        sign, style = SIGNS[self.severity]
        return joined((sign, f"bold {style}"), shown(self.text), gap=" ")


class Notices:
    """The last notices; oldest first."""

    def __init__(self) -> None:
        self.kept: deque[Notice] = deque(maxlen=KEPT)

    def add(self, text: str, severity: str) -> Notice:
        """Keep a notice, with the time."""
        notice = Notice(text, severity, time.time())
        self.kept.append(notice)
        return notice
