"""The one registry of what can be done: it serves keys, key bar, command palette, `:` commands and help.

A class of the app says what can be done in it, and Textual binds the keys:

    class RunsScreen(AreaScreen):
        BINDINGS = actions(
            Action("runs.cancel", "c", "Cancel", "Stop the run after the messages in hand.", changes=True),
        )

        def action_cancel(self) -> None: ...
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from textual.binding import Binding

ANYWHERE = "app"
"""The part before the dot in the id of an action that works on every screen."""


class Action(Struct, frozen=True):
    """Something that can be done."""

    id: str
    """`part.name`: where it belongs (an area, a shared widget, or `app`), and what `:name` calls it."""
    keys: str
    """Textual's names of the keys, with commas between; "" for one that only palette and `:` offer."""
    title: str
    """What it does in one to four words, in the imperative."""
    help: str
    """One sentence that teaches: what happens, and to what."""
    run: str = ""
    """Textual's action; by default `name`, with `_` for `-`, in the class that the action stands in."""
    footer: int = 0
    """Its rank in the key bar: 1 is the last to be left out, 0 is never there."""
    changes: bool = False
    """Whether it changes anything but the screen: `--read-only` switches these off."""
    priority: bool = False
    """Whether the key works before the focused widget sees it."""

    @property
    def part(self) -> str:
        """Where it belongs."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """What `:` calls it."""
        return self.id.partition(".")[2]

    @property
    def call(self) -> str:
        """Textual's action."""
        return self.run or self.name.replace("-", "_")


_REGISTRY: dict[str, Action] = {}
FORBIDDEN = frozenset(f"ctrl+{letter}" for letter in "absqoj")
"""Keys that terminal multiplexers and flow control take, or that a terminal can't tell from others."""
UNBOUND = "unbound-"
"""Before the id of an action that has no key, where Textual wants one: no keyboard sends it."""


def actions(*declared: Action) -> list[Binding]:
    """Put actions into the registry; returns the bindings of the class that they stand in.

    Raises:
        ValueError: an id stands for something else already, or a key is one that no action may have.
    """
    return [_binding(_registered(action)) for action in declared]


def _registered(action: Action) -> Action:
    if taken := FORBIDDEN.intersection(action.keys.split(",")):
        raise ValueError(f"{action.id} may not have the key {', '.join(taken)}")
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
    """The action of an id; None for what isn't ours, such as the keys of Textual's own widgets."""
    return _REGISTRY.get(id or "")


def every() -> Iterator[Action]:
    """All actions that have been declared so far, by id."""
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
    """Whether a key is a character where one types."""
    return len(key) == 1 or key in _CHARACTERS or key == "space"


def key_names(action: Action) -> str:
    """All keys of an action as people write them; "" where it has none."""
    return " ".join(key_name(key) for key in action.keys.split(",") if key)
