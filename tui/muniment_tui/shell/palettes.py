"""The app's colours: one palette for each theme and each kind of terminal.

A palette for 256 colours holds only colours of xterm's cube and greys, so that the terminal shows exactly
these. In each palette, every text that the app draws has a contrast of at least 4.5:1 to its ground; a test
checks this. One accent shows what has the focus, which keys there are, and what is at work.
"""

from __future__ import annotations

from msgspec import Struct

from muniment_tui.terminal.colours import ColourDepth


class Palette(Struct, frozen=True, kw_only=True):
    """The colours of a theme. Each text colour is readable on each ground but `cursor`, if that is plain."""

    dark: bool
    background: str
    surface: str
    """Ground of questions and of column titles."""
    panel: str
    """Ground of the bars at the top and the bottom."""
    text: str
    secondary: str
    """Text that matters less: labels, hints, times."""
    accent: str
    success: str
    warning: str
    error: str
    rule: str
    """Borders without the focus."""
    cursor: str
    """Ground of the row at the cursor, and of the field that has the focus."""
    cursor_text: str
    blurred: str
    """Ground of the row at the cursor in a list without the focus."""
    field: str
    """Ground of a field."""
    chip: str
    """Ground of a state chip."""
    alarm: str
    """Ground of the chip of a failure."""
    alarm_text: str
    cursor_style: str = "none"
    """Text style of the row at the cursor."""
    blurred_style: str = "none"
    field_style: str = "none"
    plain: bool = False
    """Whether the palette uses the terminal's own 16 colours. Then the row at the cursor has one colour."""


DARK = Palette(
    dark=True, background="#13161b", surface="#1a1e25", panel="#20262e",
    text="#dae0e8", secondary="#a3adbb", accent="#8db8fb",
    success="#8fd189", warning="#ebc46f", error="#fb9a95",
    rule="#404958", cursor="#2a3b52", cursor_text="#ffffff", blurred="#262d38", field="#232a34",
    chip="#262d37", alarm="#4f2226", alarm_text="#ffc4bf",
)  # fmt: skip
DARK_256 = Palette(
    dark=True, background="#121212", surface="#1c1c1c", panel="#262626",
    text="#dadada", secondary="#a8a8a8", accent="#87afff",
    success="#87d787", warning="#ffd75f", error="#ff8787",
    rule="#4e4e4e", cursor="#3a3a3a", cursor_text="#ffffff", blurred="#303030", field="#262626",
    chip="#303030", alarm="#5f0000", alarm_text="#ffafaf",
)  # fmt: skip
DARK_16 = Palette(
    dark=True, background="ansi_black", surface="ansi_black", panel="ansi_black",
    text="ansi_bright_white", secondary="ansi_white", accent="ansi_cyan",
    success="ansi_green", warning="ansi_yellow", error="ansi_bright_red",
    rule="ansi_white", cursor="ansi_cyan", cursor_text="ansi_black", blurred="ansi_blue", field="ansi_blue",
    chip="ansi_black", alarm="ansi_black", alarm_text="ansi_bright_red", plain=True,
)  # fmt: skip
LIGHT = Palette(
    dark=False, background="#fbfbf9", surface="#f2f3f3", panel="#e6e9ec",
    text="#1d2229", secondary="#525b67", accent="#1257a8",
    success="#1d5f18", warning="#774700", error="#a81d16",
    rule="#b4bbc4", cursor="#d3e4f7", cursor_text="#0b1015", blurred="#e6e9ec", field="#eaedf0",
    chip="#e9ecef", alarm="#f9dcd9", alarm_text="#8e1a13",
)  # fmt: skip
LIGHT_256 = Palette(
    dark=False, background="#ffffff", surface="#eeeeee", panel="#e4e4e4",
    text="#1c1c1c", secondary="#4e4e4e", accent="#005faf",
    success="#005f00", warning="#875f00", error="#af0000",
    rule="#b2b2b2", cursor="#d7ffff", cursor_text="#000000", blurred="#e4e4e4", field="#eeeeee",
    chip="#eeeeee", alarm="#ffd7d7", alarm_text="#870000",
)  # fmt: skip
LIGHT_16 = Palette(
    dark=False, background="ansi_white", surface="ansi_white", panel="ansi_white",
    text="ansi_black", secondary="ansi_black", accent="ansi_blue",
    success="ansi_black", warning="ansi_black", error="ansi_red",
    rule="ansi_black", cursor="ansi_blue", cursor_text="ansi_bright_white", blurred="ansi_cyan",
    field="ansi_cyan", chip="ansi_white", alarm="ansi_white", alarm_text="ansi_red", plain=True,
)  # fmt: skip
CONTRAST = Palette(
    dark=True, background="#000000", surface="#000000", panel="#1c1c1c",
    text="#ffffff", secondary="#d0d0d0", accent="#5fd7ff",
    success="#87ff87", warning="#ffff5f", error="#ffafaf",
    rule="#9e9e9e", cursor="#00005f", cursor_text="#ffffff", blurred="#303030", field="#303030",
    chip="#1c1c1c", alarm="#5f0000", alarm_text="#ffffff",
)  # fmt: skip
OWN = Palette(
    dark=True, background="ansi_default", surface="ansi_default", panel="ansi_default",
    text="ansi_default", secondary="ansi_default", accent="ansi_default",
    success="ansi_default", warning="ansi_default", error="ansi_default",
    rule="ansi_default", cursor="ansi_default", cursor_text="ansi_default", blurred="ansi_default",
    field="ansi_default", chip="ansi_default", alarm="ansi_default", alarm_text="ansi_default",
    cursor_style="reverse", blurred_style="underline", field_style="underline", plain=True,
)  # fmt: skip
"""The terminal's own text and ground, with reversed and underlined text."""


class ThemeKind(Struct, frozen=True):
    """A theme that the user can choose."""

    title: str
    palettes: dict[ColourDepth, Palette]


THEMES = {
    "dark": ThemeKind("Dark", {ColourDepth.TRUE: DARK, ColourDepth.MANY: DARK_256, ColourDepth.FEW: DARK_16}),
    "light": ThemeKind(
        "Light", {ColourDepth.TRUE: LIGHT, ColourDepth.MANY: LIGHT_256, ColourDepth.FEW: LIGHT_16}
    ),
    "contrast": ThemeKind(
        "High contrast", {ColourDepth.TRUE: CONTRAST, ColourDepth.MANY: CONTRAST, ColourDepth.FEW: DARK_16}
    ),
    "terminal": ThemeKind("The terminal's own colours", {}),
}
"""The themes by their names, in the order of the list. A depth without a palette uses OWN."""
