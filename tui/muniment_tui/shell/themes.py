"""Colour themes: dark, light, and the terminal's own palette."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="dark",
    primary="#7fb2d9",
    secondary="#8b95a7",
    accent="#e0b870",
    foreground="#d5d9e0",
    background="#15181d",
    surface="#1b1f26",
    panel="#262c35",
    success="#94c27d",
    warning="#e0b870",
    error="#ee8a85",
    dark=True,
    variables={
        "block-cursor-background": "#2f4a63",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#262c35",
        "block-cursor-blurred-foreground": "#d5d9e0",
        "input-selection-background": "#7fb2d9 35%",
        "border": "#4a5565",
        "border-blurred": "#38404c",
        "scrollbar": "#38404c",
        "scrollbar-background": "#15181d",
    },
)
LIGHT = Theme(
    name="light",
    primary="#1f5f93",
    secondary="#59626f",
    accent="#8a5a00",
    foreground="#1d2229",
    background="#fafafa",
    surface="#f1f2f4",
    panel="#e2e5e9",
    success="#2f6b1f",
    warning="#8a5a00",
    error="#b3261e",
    dark=False,
    variables={
        "block-cursor-background": "#c6dcef",
        "block-cursor-foreground": "#0b1015",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e2e5e9",
        "block-cursor-blurred-foreground": "#1d2229",
        "input-selection-background": "#1f5f93 25%",
        "border": "#9aa3af",
        "border-blurred": "#c5cad1",
        "scrollbar": "#c5cad1",
        "scrollbar-background": "#fafafa",
    },
)
THEMES = (DARK, LIGHT)
NAMES = ("dark", "light", "ansi-dark", "ansi-light")
"""The themes in the order of `:theme`. The last two use the terminal's own palette."""
