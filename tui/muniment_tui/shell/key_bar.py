"""The bottom line: the most useful keys of the focused pane and its screen. Each can be clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.content import Content

from muniment_tui.actions.available import ActionOffer, offers
from muniment_tui.actions.registry import ANYWHERE, key_name
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

KEYS = 6
"""How many keys the bar shows in 80 columns. A wider one shows more."""
CELLS = 13
"""Columns for each further key."""
GAP = 2
HERE = 5
"""How many ranks an action of the pane or screen comes before one that works everywhere."""
LAST = "app.help"
"""The action at the right end, since it leads to all others."""


class KeyBar(TextLines):
    """The most useful keys. Those of the pane and the screen come first, and help is at the end."""

    DEFAULT_CSS = """
    KeyBar { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, ActionOffer]] = []
        """Where each key is: its first cell, the cell after it, and what it does."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.draw())
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the keys that are available now, as many as fit whole."""
        app = cast("MunimentApp", self.app)
        self._places = []
        words, at = Content(), 0
        for offer in self._best(max(app.size.width - 2, 0)):
            key = self._key(offer, offer.enabled and not app.is_off(offer.action))
            words = joined(words, (" " * GAP, ""), key) if words else key
            at = words.cell_length
            self._places.append((at - key.cell_length, at, offer))
        self.say(words)

    def _best(self, width: int) -> list[ActionOffer]:
        """The keys to show, in their order."""
        app = cast("MunimentApp", self.app)
        found = [offer for offer in offers(self.screen) if offer.action.footer and offer.key]
        most = KEYS + max(width + 2 - 80, 0) // CELLS
        ranked = sorted(found, key=_rank)
        last = [offer for offer in ranked if offer.action.id == LAST]
        chosen: list[ActionOffer] = []
        room = width - sum(self._width(offer) for offer in last)
        for offer in ranked:
            cells = self._width(offer) + GAP
            if offer not in last and len(chosen) + len(last) < most and cells <= room:
                chosen.append(offer)
                room -= cells
        return [*chosen, *last] if app.size.width else []

    def _width(self, offer: ActionOffer) -> int:
        app = cast("MunimentApp", self.app)
        return self._key(offer, offer.enabled and not app.is_off(offer.action)).cell_length

    async def on_click(self, event: events.Click) -> None:
        """Do what the clicked key does."""
        cell = event.x - self.styles.padding.left
        for begin, end, offer in self._places:
            if begin <= cell < end:
                event.stop()
                self.app.call_later(self.app.run_action, offer.action.call, offer.node)

    @staticmethod
    def _key(offer: ActionOffer, on: bool) -> Content:
        title = offer.action.title if on else f"({offer.action.title})"
        return joined(
            (key_name(offer.key), "bold $accent" if on else "$secondary"),
            (title, "" if on else "$secondary"),
            gap=" ",
        )


def _rank(offer: ActionOffer) -> int:
    """Sort key: the rank in the key bar, better for what belongs to the pane or the screen."""
    return -offer.action.footer - (HERE if offer.action.part != ANYWHERE else 0)
