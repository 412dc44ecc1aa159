"""State chips: a sign and a word on a coloured ground. The word alone says the state."""

from __future__ import annotations

from msgspec import Struct
from textual.content import Content

from muniment_tui.terminal.safe_text import joined, shown


class ChipKind(Struct, frozen=True):
    """How a state is shown."""

    sign: str
    word: str
    colours: str
    """The variables `$chip-COLOURS` (text) and `$chip-COLOURS-back` (ground) of the theme."""

    @property
    def style(self) -> str:
        """The style of the chip."""
        return f"$chip-{self.colours} on $chip-{self.colours}-back"


CHIPS = {
    "ok": ChipKind("✓", "ok", "ok"),
    "running": ChipKind("▶", "running", "running"),
    "waiting": ChipKind("…", "waiting", "waiting"),
    "off": ChipKind("○", "off", "off"),
    "stopped": ChipKind("■", "stopped", "off"),
    "failed": ChipKind("✗", "failed", "failed"),
    "warning": ChipKind("!", "warning", "warning"),
}
"""The kinds of states. No two have the same sign."""


def chip(kind: str, word: str = "") -> Content:
    """The chip of a state: ` ✓ ok `.

    Args:
        kind: A key of CHIPS.
        word: The state in other words, such as "fetching 40%". It is made harmless.
    """
    known = CHIPS[kind]
    return shown(f" {known.sign} {word or known.word} ", known.style)


def sign(kind: str) -> Content:
    """Only the sign of a state, for a column that is too narrow for its word. The row must say the state in
    words elsewhere."""
    known = CHIPS[kind]
    return shown(known.sign, f"bold $chip-{known.colours}")


def line(kind: str, words: str, style: str = "") -> Content:
    """A sentence about a state, after its sign."""
    return joined(sign(kind), (words, style), gap=" ")
