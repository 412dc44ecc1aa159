"""The actions that are available now: those declared between the focused widget and the app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

from muniment_tui.actions.registry import Action, known, typed


class ActionOffer(Struct, frozen=True):
    """An action and the node (widget, screen or app) that performs it."""

    action: Action
    node: DOMNode
    enabled: bool
    """Whether the node can perform it now."""
    key: str
    """The first of its keys that works, or "". While typing, letters are text and not keys."""


def offers(screen: Screen[Any]) -> list[ActionOffer]:
    """Each action that is available, those of the focused widget first."""
    typing = isinstance(screen.focused, Input)
    found: dict[str, ActionOffer] = {}
    taken: set[str] = set()
    for node, action in _along(screen):
        keys = [key for key in action.keys.split(",") if key]
        state = node.check_action(action.call.partition("(")[0].rpartition(".")[2], ())
        if state is False or action.id in found:
            continue
        free = [key for key in keys if key not in taken and not (typing and typed(key))]
        found[action.id] = ActionOffer(action, node, bool(state), next(iter(free), ""))
        taken.update(keys)
    return list(found.values())


def behind_question(screen: Screen[Any], node: DOMNode) -> bool:
    """Whether a node is behind a question that has the focus. Its actions must wait for the answer."""
    focused = screen.focused
    asks = [one for one in (focused.ancestors_with_self if focused else ()) if getattr(one, "ASKS", False)]
    return bool(asks) and node is not screen.app and node in asks[0].ancestors


def _along(screen: Screen[Any]) -> Iterator[tuple[DOMNode, Action]]:
    focused: DOMNode = screen.focused or screen
    for node in focused.ancestors_with_self:
        if behind_question(screen, node):
            continue
        for bindings in node._bindings.key_to_bindings.values():
            for binding in bindings:
                action = known(binding.id)
                if action is not None:
                    yield node, action
        if node.is_modal:
            return


def declared(node: DOMNode, name: str) -> Action | None:
    """The registered action of a node that has this Textual action name."""
    for bindings in node._bindings.key_to_bindings.values():
        for binding in bindings:
            action = known(binding.id)
            if action is not None and action.call.partition("(")[0].rpartition(".")[2] == name:
                return action
    return None
