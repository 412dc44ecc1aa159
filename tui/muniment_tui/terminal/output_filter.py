"""The last filter before the terminal: it removes every character that a terminal would act on.

Text is made harmless where it enters the app (`muniment_tui.terminal.safe_text`). This filter catches text
that was missed there.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from muniment_tui.terminal.safe_text import clean


class OutputFilter(LineFilter):
    """Makes each drawn segment harmless."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The harmless segments of a line. Nearly always these are the given ones."""
        if all(segment.text.isprintable() for segment in segments):
            return segments
        return [one if one.control else Segment(clean(one.text), one.style) for one in segments]
