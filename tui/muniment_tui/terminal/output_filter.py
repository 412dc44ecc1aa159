"""The last net before the terminal: no character gets through that a terminal acts on, whoever draws it.

Words are made harmless where they enter the app (`muniment_tui.terminal.safe_text`); this catches what
somebody forgot.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from muniment_tui.terminal.safe_text import clean


class Net(LineFilter):
    """Makes each drawn segment harmless."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of a line; nearly always those that came in."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [one if one.control else Segment(clean(one.text), one.style) for one in segments]
