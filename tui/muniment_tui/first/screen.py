"""The first page, where no vault is named or there is none: it makes one."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from muniment_tui.frame import FrameScreen
from muniment_tui.widgets.text import Words
from muniment_tui.words import shown


class FirstScreen(FrameScreen):
    """Making a vault, or opening one."""

    def inside(self) -> Iterable[Widget]:
        yield Words(shown("No vault."))
