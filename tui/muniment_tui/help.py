"""Pages over the others: help for what has the focus, and the last notices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from muniment_tui.actions import ANYWHERE, Action, actions, key_names
from muniment_tui.frame import FrameScreen
from muniment_tui.here import offers
from muniment_tui.widgets.text import Words
from muniment_tui.words import block, joined, shown

_KEYS = 12


class PageScreen(FrameScreen):
    """A page of text to read and leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("page.close", "question_mark,exclamation_mark", "Close", "Leave the page.", run="back"),
        )
    ]
    DEFAULT_CSS = """
    PageScreen VerticalScroll { padding: 1 2; }
    """

    def inside(self) -> Iterable[Widget]:
        """The text, to be scrolled."""
        yield VerticalScroll(Words(self.text()))

    def text(self) -> Content:
        """What the page says."""
        raise NotImplementedError


class HelpScreen(PageScreen):
    """What has the focus, and which keys it has."""

    HELP = "This is the help. Esc closes it."

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen

    def text(self) -> Content:
        """What the focused widget and those around it say, then the keys."""
        parts = [block(said) for said in _helps(self._about)]
        by_part: dict[str, dict[str, Action]] = {}
        for offer in offers(self._about):
            by_part.setdefault(offer.action.part, {})[offer.action.id] = offer.action
        for part, those in sorted(by_part.items(), key=lambda pair: pair[0] == ANYWHERE):
            title = "Everywhere" if part == ANYWHERE else part.capitalize()
            parts.append(joined((title, "bold $primary"), *map(_line, those.values()), gap="\n"))
        return Content("\n\n").join(parts)


def _helps(screen: Screen[Any]) -> list[str]:
    focused: DOMNode = screen.focused or screen
    found = [getattr(node, "HELP", None) for node in focused.ancestors_with_self]
    return [text for text in found if text]


def _line(action: Action) -> Content:
    keys = key_names(action) or f":{action.name}"
    return joined((f"  {keys:<{_KEYS}}", "bold $accent"), (f" {action.title}. ", "bold"), (action.help, ""))


class NoticesScreen(PageScreen):
    """The last notices, newest first."""

    HELP = "What was said lately, newest first."

    def text(self) -> Content:
        """One line each."""
        kept = self.muniment.notices.kept
        if not kept:
            return shown("Nothing was said yet. What is done, refused or fails is listed here.")
        return Content("\n").join(
            joined((f"{datetime.fromtimestamp(notice.time):%H:%M:%S} ", "$secondary"), notice.content())
            for notice in reversed(kept)
        )
