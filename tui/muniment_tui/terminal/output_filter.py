"""The last filter before the terminal: it removes every character that a terminal would act on.

Text is made harmless where it enters the app (`muniment_tui.terminal.safe_text`). This filter catches text
that was missed there. It also writes ASCII for a terminal that can't draw Unicode.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from muniment_tui.terminal.glyphs import charset_is_unicode, few_glyphs, plain_signs
from muniment_tui.terminal.safe_text import clean


class OutputFilter(LineFilter):
    """Makes each drawn segment harmless, and one that the terminal can draw."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` describes the terminal: TERM, and the locale."""
        super().__init__()
        self._letters = charset_is_unicode(environment)
        self._signs = self._letters and not few_glyphs(environment)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The harmless segments of a line. Nearly always these are the given ones."""
        if not all(segment.text.isprintable() for segment in segments):
            segments = [one if one.control else Segment(clean(one.text), one.style) for one in segments]
        if self._signs or all(segment.text.isascii() for segment in segments):
            return segments
        return [
            one if one.control else Segment(plain_signs(one.text, letters=self._letters), one.style)
            for one in segments
        ]
