"""The help page for the focused pane, and the page of recent notices."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from muniment.system.formatting import local_moment
from muniment_tui.actions.available import offers
from muniment_tui.actions.registry import ANYWHERE, Action, actions, key_names
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.text import TextLines

_KEYS = 13
"""Width of the column of keys, in cells."""


class PageScreen(FrameScreen):
    """A page of text over the current screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("page.close", "question_mark,f1,exclamation_mark", "Close", "Close the page.", run="back"),
        )
    ]
    DEFAULT_CSS = """
    PageScreen VerticalScroll { padding: 1 2; }
    """

    def inside(self) -> Iterable[Widget]:
        yield VerticalScroll(TextLines(id="page"))

    @on(events.Resize)
    def _write(self) -> None:
        self.query_one("#page", TextLines).say(self.text(self.app.size.width - 5))

    def text(self, width: int) -> Content:
        """The page's text, wrapped to `width` cells."""
        raise NotImplementedError


class HelpScreen(PageScreen):
    """Help for the focused pane, and its keys."""

    HELP = "Esc closes this page."

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen

    def text(self, width: int) -> Content:
        """The help of the focused widget and its ancestors, then the keys."""
        parts = [block(text) for text in _helps(self._about)]
        by_part: dict[str, list[Action]] = {}
        for offer in offers(self._about):
            by_part.setdefault(offer.action.part, []).append(offer.action)
        for part, declared in sorted(by_part.items(), key=lambda pair: pair[0] == ANYWHERE):
            title = "Everywhere" if part == ANYWHERE else part.capitalize()
            lines = (line for action in declared for line in _lines(action, width))
            parts.append(joined((title, "bold $primary"), *lines, gap="\n"))
        return Content("\n\n").join(parts)


def _helps(screen: Screen[Any]) -> list[str]:
    focused: DOMNode = screen.focused or screen
    found = [getattr(node, "HELP", None) for node in focused.ancestors_with_self]
    return [text for text in found if text]


def _lines(action: Action, width: int) -> Iterator[Content]:
    """One action: keys on the left, description on the right."""
    keys = f"  {key_names(action) or f':{action.name}':<{_KEYS}} "
    first, *others = textwrap.wrap(f"{action.title}. {action.help}", max(width - len(keys), 20))
    end = len(action.title) + 1
    yield joined((keys, "bold $accent"), (first[:end], "bold"), (first[end:], ""))
    yield from (joined((" " * len(keys), ""), (line, "")) for line in others)


class NoticesScreen(PageScreen):
    """The recent notices, newest first."""

    HELP = "The recent notices, newest first."

    def text(self, width: int) -> Content:
        kept = self.muniment.notices.kept
        if not kept:
            return shown("No notices yet. Results, refusals and errors are listed here.")
        return Content("\n").join(
            joined((f"{local_moment(int(notice.time)):%H:%M:%S} ", "$secondary"), notice.content())
            for notice in reversed(kept)
        )
