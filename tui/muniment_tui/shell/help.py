"""The help page: what the focused pane is for, and a card of its keys in two columns."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable
from itertools import chain, zip_longest
from math import ceil
from typing import Any, ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from muniment.system.formatting import local_moment, offset
from muniment_tui.actions.available import ActionOffer, offers
from muniment_tui.actions.registry import Action, actions, key_name
from muniment_tui.shell.action_finder import SILENT, moves
from muniment_tui.shell.areas import AREAS
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.columns import in_cells
from muniment_tui.widgets.text import TextLines

KEYS = 11
"""Width of the column of keys, in cells."""
EXPLAINED = 46
"""From this width of a column on, the help of an action follows its title."""
GAP = 2
BRIEF = {"app.redraw", "app.suspend"}
"""Actions of the app that share a line."""
SHORT = 18
"""Lines of a column that need no second page on a terminal of 24 rows."""
FOOT = (
    "Keys act on the pane that has the focus; Tab goes to the next one. Ctrl+P finds every action by words. "
    "Times are of your time zone, {}."
)


class PageScreen(FrameScreen):
    """A page of text over the current screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "page.close", "question_mark,f1,exclamation_mark,f9", "Close", "Close the page.", run="back"
            ),
        )
    ]
    DEFAULT_CSS = """
    PageScreen VerticalScroll { padding: 0 1; }
    PageScreen.-tall VerticalScroll { padding: 1 2; }
    """

    def inside(self) -> Iterable[Widget]:
        yield VerticalScroll(TextLines(id="page"))

    def on_mount(self) -> None:
        self._write()
        for scroll in self.query(VerticalScroll):
            self.watch(scroll, "scroll_y", self._say_page)

    @on(events.Resize)
    def _write(self) -> None:
        for page in self.query("#page").results(TextLines):
            page.say(self.text(self.app.size.width - 5))
        self.call_after_refresh(self._say_page)

    def _say_page(self) -> None:
        """Say which page of how many is shown, if there are several."""
        for scroll in self.query(VerticalScroll):
            height = max(scroll.scrollable_content_region.height, 1)
            pages = ceil(scroll.virtual_size.height / height)
            page = min(ceil(scroll.scroll_y / height) + 1, pages)
            more = " · PgDn goes on" if page < pages else ""
            self.say(shown(f"Page {page} of {pages}{more}" if pages > 1 else "", "$secondary"))

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
        """The keys here and everywhere, then what the focused widget and its ancestors are for."""
        about = [block(_wrapped(text, width)) for text in _helps(self._about)]
        column = (width - GAP) // 2
        here, anywhere = ([list(_card(*group, column)) for group in part] for part in _by_place(self._about))
        left, right = _columns(here, anywhere, divides=column < EXPLAINED)
        lines = [
            joined(in_cells(one, column), (" " * GAP, ""), two)
            for one, two in zip_longest(left, right, fillvalue=Content())
        ]
        foot = block(_wrapped(FOOT.format(offset(int(time.time()))), width), "$secondary")
        return Content("\n").join([*lines, Content(), *about, foot])


def _columns(
    here: list[list[Content]], anywhere: list[list[Content]], divides: bool
) -> tuple[list[Content], list[Content]]:
    """The lines of both columns.

    With `divides`, the end of a long left column moves above the right one, so that a card fits on one page.
    A group that is divided repeats its title.
    """
    left, right = list(chain(*here)), list(chain(*anywhere))
    if not divides or not here[-1] or len(left) <= max(len(right), SHORT):
        return left, right
    begun = len(left) - len(here[-1])
    cut = max((len(left) + len(right) + 2) // 2, begun)
    if cut <= begun + 1:
        return left[:begun], left[begun:] + right
    return left[:cut], [here[-1][0], *left[cut:], *right]


def _wrapped(text: str, width: int) -> str:
    """The text without its empty lines; every other line stays a line."""
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines() if line.strip())


def _helps(screen: Screen[Any]) -> list[str]:
    """The texts of the focused widget and its ancestors, each once."""
    focused: DOMNode = screen.focused or screen
    found = [getattr(node, "HELP", None) for node in focused.ancestors_with_self]
    return list(dict.fromkeys(text for text in found if text))


Group = tuple[str, list[ActionOffer]]


def _by_place(screen: Screen[Any]) -> tuple[list[Group], list[Group]]:
    """The actions for the left column, of pane and screen, and for the right one, those of the app."""
    found = [
        offer for offer in offers(screen) if offer.action.id not in SILENT - {"app.palette", "app.command"}
    ]
    pane = [one for one in found if isinstance(one.node, Widget) and not isinstance(one.node, Screen)]
    mine = [one for one in found if one.node is screen]
    rest = [one for one in found if one not in pane and one not in mine]
    return [("This pane", pane), ("This screen", mine)], [("Everywhere", rest)]


def _card(title: str, found: list[ActionOffer], width: int) -> Iterable[Content]:
    """One group: a title, an action in each line, and what only moves in running text."""
    if not found:
        return
    yield shown(title, "bold $primary")
    areas = [one for one in found if one.action.id in {f"app.{area.id}" for area in AREAS}]
    brief = [one for one in found if one.action.id in BRIEF]
    moving = [one for one in found if moves(one.action)]
    for offer in found:
        if offer not in moving and offer not in areas and offer not in brief:
            yield from _line(offer.action, width)
    yield from _running(brief, width)
    yield from _running(areas, width)
    yield from _running(moving, width)


def _line(action: Action, width: int) -> Iterable[Content]:
    """One action: its keys, its title, and where there is room, its help."""
    keys = in_cells(shown(_keys(action) or f":{action.name}", "bold $accent"), KEYS)
    room = width - KEYS - 1
    if width < EXPLAINED:
        yield joined(keys, (" ", ""), in_cells(shown(action.title), room))
        return
    first, *more = textwrap.wrap(f"{action.title}. {action.help}", room)
    end = len(action.title) + 1
    yield joined(keys, (" ", ""), (first[:end], ""), (first[end:], "$secondary"))
    yield from (joined((" " * (KEYS + 1), ""), (line, "$secondary")) for line in more)


def _running(found: list[ActionOffer], width: int) -> Iterable[Content]:
    """Several actions in running text, for keys that need no words."""
    line = Content()
    for offer in found:
        one = joined((_keys(offer.action), "bold $accent"), (f" {offer.action.title}", ""))
        if line and line.cell_length + 2 + one.cell_length > width:
            yield line
            line = Content()
        line = joined(line, ("  ", ""), one) if line else one
    if line:
        yield line


def _keys(action: Action) -> str:
    """The keys as people press them, the shortest forms only."""
    names = [key_name(key) for key in action.keys.split(",") if key]
    return " ".join(names[:2] if len(" ".join(names)) > KEYS else names)


class NoticesScreen(PageScreen):
    """The recent notices, newest first, each with its time and its whole text."""

    HELP = "The recent notices, newest first."

    def text(self, width: int) -> Content:
        kept = self.muniment.notices.kept
        if not kept:
            return shown("No notices yet. Results, refusals and errors are listed here.")
        return Content("\n").join(
            line for notice in reversed(kept) for line in _noticed(notice.time, notice.content(), width)
        )


def _noticed(at: float, content: Content, width: int) -> Iterable[Content]:
    """One notice, wrapped to `width` cells beside its time."""
    stamp = f"{local_moment(int(at)):%H:%M:%S} "
    first = True
    for line in content.wrap(max(width - len(stamp), 20)):
        yield joined((stamp if first else " " * len(stamp), "$secondary"), line)
        first = False
