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
from typing import NamedTuple

from rich.color import Color, ColorSystem, ColorType
from rich.style import Style

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
ERASING = ("xterm", "tmux", "linux", "rxvt", "alacritty", "foot", "wezterm", "contour", "konsole", "vte")
"""Terminals in which erased cells take the background that is set, by the beginning of TERM. GNU screen's
do not, and tmux may have the same name."""
ATTRIBUTES = {
    "bold": "1", "dim": "2", "italic": "3", "underline": "4", "blink": "5", "reverse": "7", "strike": "9",
}  # fmt: skip
"""The codes of what a style can be beside its colours."""
UNSEEN = "123"
"""Attributes that do not show on a blank."""
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


def erases_in_colour(environment: Mapping[str, str]) -> bool:
    """Whether cells that are erased take the background that is set (`bce` in terminfo)."""
    return environment.get("TERM", "").lower().startswith(ERASING)


_SYSTEMS = {ColourDepth.TRUE: ColorSystem.TRUECOLOR, ColourDepth.MANY: ColorSystem.EIGHT_BIT}


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


class StyleCodes(NamedTuple):
    """The parameters of SGR (ECMA-48 8.3.117) for a style."""

    attributes: tuple[str, ...] = ()
    text: str = "39"
    ground: str = "49"
    plain: bool = True
    """Whether a blank in this style shows its ground and nothing else."""


@lru_cache(4096)
def codes_of(style: Style, depth: ColourDepth) -> StyleCodes:
    """The codes of a style on a terminal with these colours."""
    drawn, system = _shown(style, depth), _SYSTEMS.get(depth, ColorSystem.STANDARD)
    on = tuple(code for name, code in ATTRIBUTES.items() if getattr(drawn, name))
    text = drawn.color.downgrade(system).get_ansi_codes() if drawn.color else ("39",)
    ground = drawn.bgcolor.downgrade(system).get_ansi_codes(foreground=False) if drawn.bgcolor else ("49",)
    return StyleCodes(on, ";".join(text), ";".join(ground), not set(on) - {*UNSEEN})


class TerminalPen:
    """Writes text in styles. It sends only what differs from the style before."""

    def __init__(self, depth: ColourDepth) -> None:
        """`depth` says which colours the terminal has."""
        self._depth = depth
        self._now = StyleCodes()

    def write(self, text: str, style: Style | None, *, blank: bool = False) -> str:
        """The output that writes `text`. If it is `blank`, only its ground must be right."""
        wanted = codes_of(style, self._depth) if style is not None else StyleCodes()
        now = self._now
        if blank and wanted.plain and now.plain:
            wanted = now._replace(ground=wanted.ground)
        if wanted == now:
            return text
        self._now = wanted
        if set(now.attributes) - set(wanted.attributes):  # only a reset takes one away everywhere
            now = StyleCodes()
            codes = ["0"]
        else:
            codes = []
        codes += [code for code in wanted.attributes if code not in now.attributes]
        codes += [wanted.text] if wanted.text != now.text else []
        codes += [wanted.ground] if wanted.ground != now.ground else []
        return f"\x1b[{';'.join(codes)}m{text}"

    def lift(self) -> str:
        """The output that ends all styles."""
        before, self._now = self._now, StyleCodes()
        return "" if before == self._now else "\x1b[0m"
