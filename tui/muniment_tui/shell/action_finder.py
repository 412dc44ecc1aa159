"""Finds actions by the words that people use: those of this screen, and those of other areas.

The palette and the `:` line offer them. An action of another area goes there first. If it changes anything,
it stops there: what it would act on was not on the screen when the user asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

from muniment_tui.actions.available import offers
from muniment_tui.actions.registry import ANYWHERE, Action, key_name, key_names, known
from muniment_tui.shell.areas import AREAS, Area

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from muniment_tui.app import MunimentApp

MOVES = frozenset(
    ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "shift+tab", "escape")
)
"""Keys that move. An action whose first key is one of these is found last."""
EVERY_SCREEN = "FrameScreen"
"""The class whose actions every screen has. This module can't import it."""
SILENT = {"app.palette", "app.command", "command.leave", "command.complete"}
"""Actions that make no sense where they would be offered."""


class FoundAction(Struct, frozen=True):
    """An action that can be run from here."""

    action: Action
    node: DOMNode | None = None
    """What performs it; None for an action of another area."""
    area: Area | None = None
    """The other area."""

    @property
    def keys(self) -> str:
        """The keys as people press them, from here on: `3 h` is the key of an area and a key there."""
        first = self.action.keys.partition(",")[0]
        if self.area is not None:
            return f"{self.area.key} {key_name(first)}" if first else self.area.key
        return key_names(self.action)

    @property
    def title(self) -> str:
        """The title, with the area where it is."""
        return f"{self.area.title}: {self.action.title}" if self.area else self.action.title


def found_actions(app: MunimentApp) -> list[FoundAction]:
    """All actions that can be run from here, the most useful ones first."""
    here = [
        FoundAction(offer.action, offer.node)
        for offer in offers(app.screen)
        if offer.enabled and not app.is_off(offer.action) and offer.action.id not in SILENT
    ]
    taken = {found.action.id for found in here}
    there = [
        FoundAction(action, area=area)
        for area in AREAS
        if app.vault is not None and area.id != app.current_mode
        for action in _actions_of(area)
        if action.id not in taken and not app.is_off(action)
    ]
    return [*sorted(here, key=_rank), *there]


def _actions_of(area: Area) -> Iterator[Action]:
    """The actions that the first screen of an area declares, without those of every screen."""
    for kind in takewhile(lambda kind: kind.__name__ != EVERY_SCREEN, area.kind().__mro__):
        for binding in kind.__dict__.get("BINDINGS", ()):
            action = known(getattr(binding, "id", None))
            if action is not None and not moves(action) and action.id not in SILENT:
                yield action


def moves(action: Action) -> bool:
    """Whether an action only moves."""
    return action.keys.partition(",")[0] in MOVES


def _rank(found: FoundAction) -> tuple[bool, bool, int]:
    """Sort key: actions of this screen first, then those of the app, then those that only move."""
    action = found.action
    return moves(action), action.part == ANYWHERE, -action.footer


def matching(found: list[FoundAction], query: str) -> list[FoundAction]:
    """The actions that have all words of a query, the best first. An empty query has all."""
    words = query.casefold().split()
    if not words:
        return found
    scored = [(_score(one, words), number, one) for number, one in enumerate(found)]
    return [one for score, _, one in sorted(scored, key=lambda each: (-each[0], each[1])) if score > 0]


def _score(found: FoundAction, words: list[str]) -> int:
    """How well an action fits; 0 if a word is missing. Its title counts most, its help least."""
    action = found.action
    title, also = found.title.casefold(), action.words.casefold()
    name, text = action.name.replace("-", " "), action.help.casefold()
    total = 1
    for word in words:
        best = max(
            8 * _begins(word, title),
            7 * _begins(word, also),
            6 * _begins(word, name),
            4 * (word in title),
            3 * (word in also),
            2 * _begins(word, text),
        )
        if not best:
            return 0
        total += 10 * best
    return total - (5 if moves(action) else 0) - (1 if found.area else 0)


def _begins(word: str, text: str) -> bool:
    """Whether a word of the text begins with `word`."""
    return any(one.startswith(word) for one in text.replace(":", " ").replace("-", " ").split())


async def run_found(app: MunimentApp, found: FoundAction) -> None:
    """Run an action. One of another area goes there first; if it changes anything, it only names its key."""
    if found.area is None:
        if found.node is not None:
            await app.run_action(found.action.call, found.node)
        return
    await app.action_go(found.area.id)
    if app.current_mode != found.area.id:
        return
    action = found.action
    key = key_name(action.keys.partition(",")[0])
    if action.changes:
        app.tell(f"{action.title} is here: choose what it is for, then press {key or ':' + action.name}.")
        return
    await app.run_action(action.call, app.screen)
