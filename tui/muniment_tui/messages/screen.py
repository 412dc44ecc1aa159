"""The Messages area's first screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from muniment_tui.frame import AreaScreen
from muniment_tui.widgets.text import Words
from muniment_tui.words import shown


class MessagesScreen(AreaScreen):
    """Messages."""

    AREA = "messages"
    HELP = ""
    BINDINGS: ClassVar[list[BindingType]] = []

    def inside(self) -> Iterable[Widget]:
        """Nothing yet."""
        yield Words(shown("Not there yet."))
