"""Pages over the others: help for what has the focus, and the last notices."""

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
from muniment_tui.widgets.text import Words

_KEYS = 13
"""Cells for keys."""


class PageScreen(FrameScreen):
    """A page of text to read and leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("page.close", "question_mark,f1,exclamation_mark", "Close", "Leave the page.", run="back"),
        )
    ]
    DEFAULT_CSS = """
    PageScreen VerticalScroll { padding: 1 2; }
    """

    def inside(self) -> Iterable[Widget]:
        """The text, to be scrolled."""
        yield VerticalScroll(Words(id="page"))

    @on(events.Resize)
    def _write(self) -> None:
        self.query_one("#page", Words).say(self.text(self.app.size.width - 5))

    def text(self, width: int) -> Content:
        """What the page says, in lines of so many cells."""
        raise NotImplementedError


class HelpScreen(PageScreen):
    """What has the focus, and which keys it has."""

    HELP = "This is the help. Esc closes it."

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen

    def text(self, width: int) -> Content:
        """What the focused widget and those around it say, then the keys."""
        parts = [block(said) for said in _helps(self._about)]
        by_part: dict[str, list[Action]] = {}
        for offer in offers(self._about):
            by_part.setdefault(offer.action.part, []).append(offer.action)
        for part, those in sorted(by_part.items(), key=lambda pair: pair[0] == ANYWHERE):
            title = "Everywhere" if part == ANYWHERE else part.capitalize()
            lines = (line for action in those for line in _lines(action, width))
            parts.append(joined((title, "bold $primary"), *lines, gap="\n"))
        return Content("\n\n").join(parts)


def _helps(screen: Screen[Any]) -> list[str]:
    focused: DOMNode = screen.focused or screen
    found = [getattr(node, "HELP", None) for node in focused.ancestors_with_self]
    return [text for text in found if text]


def _lines(action: Action, width: int) -> Iterator[Content]:
    """Keys at the left, and what they do beside them."""
    keys = f"  {key_names(action) or f':{action.name}':<{_KEYS}} "
    first, *others = textwrap.wrap(f"{action.title}. {action.help}", max(width - len(keys), 20))
    end = len(action.title) + 1
    yield joined((keys, "bold $accent"), (first[:end], "bold"), (first[end:], ""))
    yield from (joined((" " * len(keys), ""), (line, "")) for line in others)


class NoticesScreen(PageScreen):
    """The last notices, newest first."""

    HELP = "What was said lately, newest first."

    def text(self, width: int) -> Content:
        """One line each."""
        kept = self.muniment.notices.kept
        if not kept:
            return shown("Nothing was said yet. What is done, refused or fails is listed here.")
        return Content("\n").join(
            joined((f"{local_moment(int(notice.time)):%H:%M:%S} ", "$secondary"), notice.content())
            for notice in reversed(kept)
        )
