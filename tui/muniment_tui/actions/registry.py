"""The registry of actions. It serves the keys, the key bar, the command palette, `:` and the help.

A class of the app declares its actions, and Textual binds the keys:

    class RunsScreen(AreaScreen):
        BINDINGS = actions(
            Action("runs.cancel", "c", "Cancel", "Stop the run after the current messages.", changes=True),
        )

        def action_cancel(self) -> None: ...
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from textual.binding import Binding

ANYWHERE = "app"
"""The part of an action's id before the dot, for an action that works on every screen."""


class Action(Struct, frozen=True):
    """Something that the user can do."""

    id: str
    """`part.name`. The part is an area, a shared widget or `app`; the name is what `:name` accepts."""
    keys: str
    """Textual's key names, separated by commas; "" if only the palette and `:` offer the action."""
    title: str
    """One to four words in the imperative."""
    help: str
    """One sentence: what happens, and to what."""
    run: str = ""
    """Textual's action. The default is `name`, with `_` for `-`, in the class that declares it."""
    footer: int = 0
    """Rank in the key bar. The highest ranks are shown first; 0 is never shown."""
    changes: bool = False
    """Whether it changes anything but the screen. `--read-only` disables such actions."""
    priority: bool = False
    """Whether the key works before the focused widget receives it."""
    words: str = ""
    """Other words that people search for, separated by spaces. Palette and `:` find the action by them."""

    @property
    def part(self) -> str:
        """The part of the app that it belongs to."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name that `:` accepts."""
        return self.id.partition(".")[2]

    @property
    def call(self) -> str:
        """Textual's action."""
        return self.run or self.name.replace("-", "_")


_REGISTRY: dict[str, Action] = {}
FORBIDDEN = frozenset(f"ctrl+{letter}" for letter in "absqoj")
"""Keys that terminal multiplexers or flow control take, or that a terminal can't distinguish from others."""
UNBOUND = "unbound-"
"""Prefix of a key name for an action without a key. Textual needs a name; no keyboard sends this one."""


def actions(*declared: Action) -> list[Binding]:
    """Register actions, and return the bindings of the class that declares them.

    Raises:
        ValueError: an id is already registered, or a key is forbidden.
    """
    return [_binding(_registered(action)) for action in declared]


def _registered(action: Action) -> Action:
    if taken := FORBIDDEN.intersection(action.keys.split(",")):
        raise ValueError(f"{action.id} must not use the key {', '.join(taken)}")
    if _REGISTRY.setdefault(action.id, action) != action:
        raise ValueError(f"the action {action.id} is declared twice")
    return action


def _binding(action: Action) -> Binding:
    return Binding(
        action.keys or UNBOUND + action.id,
        action.call,
        action.title,
        show=action.footer > 0,
        priority=action.priority,
        tooltip=action.help,
        id=action.id,
    )


def known(id: str | None) -> Action | None:
    """The action with this id. None for other bindings, such as those of Textual's own widgets."""
    return _REGISTRY.get(id or "")


def every() -> Iterator[Action]:
    """All registered actions, ordered by id."""
    return iter(sorted(_REGISTRY.values(), key=lambda action: action.id))


_SHOWN = {
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "delete": "Del",
    "backspace": "Backspace",
}
_CHARACTERS = {
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "exclamation_mark": "!",
    "plus": "+",
    "minus": "-",
    "asterisk": "*",
    "full_stop": ".",
    "comma": ",",
    "equals_sign": "=",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


def key_name(key: str) -> str:
    """A key as people write it: `ctrl+p` is `Ctrl+P`, `question_mark` is `?`."""
    if key in _SHOWN:
        return _SHOWN[key]
    *modifiers, last = key.split("+")
    shown = (
        _SHOWN.get(last) or _CHARACTERS.get(last) or (last.upper() if modifiers or len(last) > 1 else last)
    )
    return "+".join([*(word.capitalize() for word in modifiers), shown])


def typed(key: str) -> bool:
    """Whether a key enters a character in a text field."""
    return len(key) == 1 or key in _CHARACTERS or key == "space"


def key_names(action: Action) -> str:
    """All keys of an action as people write them; "" if it has none."""
    return " ".join(key_name(key) for key in action.keys.split(",") if key)
