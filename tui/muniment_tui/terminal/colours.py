"""How many colours the terminal has, and the codes for them.

ssh passes TERM and not COLORTERM, so most remote terminals count as having 256 colours. For these the app has
palettes of exactly those colours (`shell.palettes`). Their codes are looked up here, because Rich rounds
greys to a neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache

from rich.color import Color, ColorSystem, ColorType
from rich.style import Style
from textual.strip import Strip

STEPS = (0, 95, 135, 175, 215, 255)
"""The values of red, green and blue in xterm's cube of 6 x 6 x 6 colours."""
CODES = {
    **{(8 + 10 * grey, 8 + 10 * grey, 8 + 10 * grey): 232 + grey for grey in range(24)},
    **{
        (STEPS[red], STEPS[green], STEPS[blue]): 16 + 36 * red + 6 * green + blue
        for red in range(6)
        for green in range(6)
        for blue in range(6)
    },
}
"""The codes of xterm's colours 16 to 255, by their red, green and blue."""
FULL = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour")
"""Terminals with true colour, by the beginning of TERM."""
_NO_COLOURS = re.compile(r"vt\d+|.*-m(ono)?|dumb|unknown|")


class ColourDepth(Enum):
    """What a terminal can show."""

    TRUE = "true"
    """16 million colours."""
    MANY = "256"
    """xterm's 256 colours."""
    FEW = "16"
    """The 16 colours of the terminal's own palette."""
    NONE = "none"
    """No colours: only bold, underlined and reversed text."""


def depth_of(environment: Mapping[str, str]) -> ColourDepth:
    """The colours of the terminal that an environment describes: NO_COLOR, COLORTERM and TERM."""
    term = environment.get("TERM", "").lower()
    if environment.get("NO_COLOR") or _NO_COLOURS.fullmatch(term):
        return ColourDepth.NONE
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return ColourDepth.TRUE
    if term.startswith(FULL) or term.endswith("-direct"):
        return ColourDepth.TRUE
    return ColourDepth.MANY if "256color" in term else ColourDepth.FEW


_SYSTEMS = {ColourDepth.TRUE: ColorSystem.TRUECOLOR, ColourDepth.MANY: ColorSystem.EIGHT_BIT}


def rendered(style: Style, text: str, depth: ColourDepth) -> str:
    """The output that writes `text` in a style."""
    return Strip.render_style(_shown(style, depth), text, _SYSTEMS.get(depth, ColorSystem.STANDARD))


@lru_cache(4096)
def _shown(style: Style, depth: ColourDepth) -> Style:
    """The style with colours that the terminal has."""
    if depth is ColourDepth.NONE:
        return style.without_color
    if depth is not ColourDepth.MANY:
        return style
    return style + Style(color=_coded(style.color), bgcolor=_coded(style.bgcolor))


def _coded(colour: Color | None) -> Color | None:
    """One of the 256 colours, if it is exactly the given one. Rich looks for the nearest one otherwise."""
    if colour is None or colour.triplet is None:
        return colour
    red, green, blue = colour.triplet
    code = CODES.get((red, green, blue))
    return colour if code is None else Color(f"color({code})", ColorType.EIGHT_BIT, number=code)
