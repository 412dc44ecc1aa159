"""What can be done now: the registry's actions along the way from the focus up to the app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from muniment_tui.actions.registry import Action, known, typed


class Offer(Struct, frozen=True):
    """An action, and the part of the app that does it."""

    action: Action
    node: DOMNode
    enabled: bool
    """Whether the part says that it can be done just now."""
    key: str
    """The first of its keys that gets there ("" for none): where one types, letters are letters."""


def offers(screen: Screen[Any]) -> list[Offer]:
    """Each action that can be done, the focused widget's first."""
    typing = isinstance(screen.focused, Input)
    found: dict[str, Offer] = {}
    taken: set[str] = set()
    for node, action in _along(screen):
        keys = [key for key in action.keys.split(",") if key]
        state = node.check_action(action.call.partition("(")[0].rpartition(".")[2], ())
        if state is False or action.id in found:
            continue
        free = [key for key in keys if key not in taken and not (typing and typed(key))]
        found[action.id] = Offer(action, node, bool(state), next(iter(free), ""))
        taken.update(keys)
    return list(found.values())


def asked(screen: Screen[Any]) -> bool:
    """Whether a question has the focus: until it is answered, what the screen offers must wait."""
    focused = screen.focused
    return focused is not None and any(getattr(node, "ASKS", False) for node in focused.ancestors_with_self)


def _along(screen: Screen[Any]) -> Iterator[tuple[DOMNode, Action]]:
    focused: DOMNode = screen.focused or screen
    waits = asked(screen)
    for node in focused.ancestors_with_self:
        if waits and node is screen:
            continue
        for bindings in node._bindings.key_to_bindings.values():
            for binding in bindings:
                action = known(binding.id)
                if action is not None:
                    yield node, action
        if node.is_modal:
            return


def declared(node: DOMNode, name: str) -> Action | None:
    """The declaration of a part's action, by the name of Textual's."""
    for bindings in node._bindings.key_to_bindings.values():
        for binding in bindings:
            action = known(binding.id)
            if action is not None and action.call.partition("(")[0].rpartition(".")[2] == name:
                return action
    return None
