"""The themes that the app registers: a palette each, with all of Textual's variables that the app uses."""

from __future__ import annotations

from textual.theme import Theme

from muniment_tui.shell.palettes import OWN, THEMES, Palette
from muniment_tui.terminal.colours import ColourDepth

NAMES = tuple(THEMES)
"""The names of the themes, the first one being the default."""


def theme_for(name: str, depth: ColourDepth) -> Theme:
    """The theme of this name on a terminal of this depth. An unknown name means the default."""
    name = name if name in THEMES else NAMES[0]
    return _theme(f"{name}-{depth.value}", THEMES[name].palettes.get(depth, OWN))


def all_themes(depth: ColourDepth) -> list[Theme]:
    """All themes on a terminal of this depth."""
    return [theme_for(name, depth) for name in NAMES]


def _theme(name: str, palette: Palette) -> Theme:
    return Theme(
        name=name,
        primary=palette.accent,
        secondary=palette.secondary,
        accent=palette.accent,
        foreground=palette.text,
        background=palette.background,
        surface=palette.surface,
        panel=palette.panel,
        boost=palette.panel,
        success=palette.success,
        warning=palette.warning,
        error=palette.error,
        dark=palette.dark,
        ansi=palette.plain,
        variables=_variables(palette),
    )


def _variables(palette: Palette) -> dict[str, str]:
    """The variables beside a theme's main colours. Textual would blend those that are missing here."""
    return {
        # The main colours again: Textual rounds them, or makes those of the terminal transparent.
        "primary": palette.accent,
        "secondary": palette.secondary,
        "accent": palette.accent,
        "foreground": palette.text,
        "background": palette.background,
        "surface": palette.surface,
        "panel": palette.panel,
        "boost": palette.panel,
        "success": palette.success,
        "warning": palette.warning,
        "error": palette.error,
        "ansi-background": palette.background,
        "ansi-foreground": palette.text,
        "panel-darken-1": palette.surface,  # the ground of the palette of actions
        "text": palette.text,
        "text-muted": palette.secondary,
        "text-disabled": palette.secondary,
        "foreground-muted": palette.secondary,
        "block-cursor-background": palette.cursor,
        "block-cursor-foreground": palette.cursor_text,
        "block-cursor-text-style": palette.cursor_style,
        "pressable-text-style": "bold reverse" if palette is OWN else "bold",
        "block-cursor-blurred-background": palette.blurred,
        "block-cursor-blurred-foreground": palette.text,
        "block-cursor-blurred-text-style": palette.blurred_style,
        "block-hover-background": palette.panel,
        "input-cursor-background": palette.text,
        "input-cursor-foreground": palette.background,
        "input-cursor-text-style": "reverse" if palette is OWN else "none",
        "input-selection-background": palette.accent,
        "input-selection-foreground": palette.background,
        "screen-selection-background": palette.accent,
        "screen-selection-foreground": palette.background,
        "border": palette.accent,
        "border-blurred": palette.rule,
        "scrollbar": palette.rule,
        "scrollbar-hover": palette.accent,
        "scrollbar-active": palette.accent,
        "scrollbar-background": palette.background,
        "scrollbar-background-hover": palette.background,
        "scrollbar-background-active": palette.background,
        "scrollbar-corner-color": palette.background,
        "field": palette.field,
        "field-text": palette.text,
        "field-text-style": palette.field_style,
        "chart": palette.accent,
        **_chips(palette),
    }


def _chips(palette: Palette) -> dict[str, str]:
    colours = {
        "ok": palette.success,
        "running": palette.accent,
        "waiting": palette.text,
        "off": palette.secondary,
        "failed": palette.alarm_text,
        "warning": palette.warning,
    }
    grounds = {f"chip-{name}-back": palette.chip for name in colours} | {"chip-failed-back": palette.alarm}
    return {f"chip-{name}": colour for name, colour in colours.items()} | grounds
