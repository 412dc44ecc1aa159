"""The app's colours: readable in each palette, and exactly those that the terminal has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.color import Color
from rich.style import Style
from textual.pilot import Pilot
from textual.widget import Widget

import muniment_tui
from muniment_tui.app import MunimentApp
from muniment_tui.home.line_list import LinePane
from muniment_tui.home.lines import HomeLine
from muniment_tui.profiles.form_parts import TextButton
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.shell.palettes import OWN, THEMES, Palette
from muniment_tui.shell.themes import NAMES, all_themes, theme_for
from muniment_tui.terminal.colours import CODES, STEPS, ColourDepth, TerminalPen, depth_of
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.field import ChoiceField, ChoiceLine, Form
from muniment_tui.widgets.rows import ListRow, ShortList
from support.engine_double import EngineDouble
from support.gallery import Forms, Lists
from support.screens import app_of, app_on, drive, settled, until
from support.tty import Tty, gallery

READABLE = 4.5
"""The contrast of text to its ground, by WCAG 2.1, level AA."""
XTERM = {
    "black": "#000000", "red": "#cd0000", "green": "#00cd00", "yellow": "#cdcd00",
    "blue": "#0000ee", "magenta": "#cd00cd", "cyan": "#00cdcd", "white": "#e5e5e5",
    "bright_black": "#7f7f7f", "bright_red": "#ff0000", "bright_green": "#00ff00", "bright_yellow": "#ffff00",
    "bright_blue": "#5c5cff", "bright_magenta": "#ff00ff", "bright_cyan": "#00ffff",
    "bright_white": "#ffffff",
}  # fmt: skip
"""The 16 colours of xterm."""
TEXTS = ("text", "secondary", "accent", "success", "warning", "error")
GROUNDS = ("background", "surface", "panel", "chip")
CURSORS = ("cursor", "blurred", "field")
PAIRS = (
    *product(TEXTS, GROUNDS),
    ("cursor_text", "cursor"), ("text", "blurred"), ("text", "field"), ("alarm_text", "alarm"),
    ("background", "accent"), ("background", "text"),
)  # fmt: skip
"""Each text on each ground that widgets combine."""
KINDS = [
    pytest.param(palette, id=f"{name}-{depth.value}")
    for name, kind in THEMES.items()
    for depth, palette in kind.palettes.items()
]


def luminance(colour: str) -> float:
    """The relative luminance of a colour, by WCAG 2.1."""
    colour = XTERM[colour.removeprefix("ansi_")] if colour.startswith("ansi_") else colour
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colours_of(palette: Palette) -> set[str]:
    """All colours of a palette."""
    values = msgspec.structs.asdict(palette).values()
    return {value for value in values if isinstance(value, str) and value.startswith(("#", "ansi_"))}


def triplet(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("palette", KINDS)
def test_all_text_is_readable(palette: Palette) -> None:
    # On the terminal's own colours, the row at the cursor is drawn in one colour.
    pairs = PAIRS if palette.plain else (*PAIRS, *product(TEXTS, CURSORS))
    poor = {
        pair: round(contrast(getattr(palette, pair[0]), getattr(palette, pair[1])), 2)
        for pair in pairs
        if contrast(getattr(palette, pair[0]), getattr(palette, pair[1])) < READABLE
    }
    assert not poor


@pytest.mark.parametrize("name", NAMES)
def test_the_palettes_for_256_colours_are_exact(name: str) -> None:
    palette = THEMES[name].palettes.get(ColourDepth.MANY, OWN)
    assert all(triplet(colour) in CODES for colour in colours_of(palette) if colour.startswith("#"))
    few = THEMES[name].palettes.get(ColourDepth.FEW, OWN)
    assert all(colour.startswith("ansi_") for colour in colours_of(few))
    assert few.plain


def test_the_variables_of_chips_are_among_the_readable_pairs() -> None:
    for depth in ColourDepth:
        for theme in all_themes(depth):
            palette = THEMES[theme.name.partition("-")[0]].palettes.get(depth, OWN)
            pairs = {(getattr(palette, text), getattr(palette, ground)) for text, ground in PAIRS}
            chips = {name for name in theme.variables if name.startswith("chip-") and "back" not in name}
            assert len(chips) == 6
            for name in chips:
                assert (theme.variables[name], theme.variables[f"{name}-back"]) in pairs


def test_an_unknown_theme_is_the_first_one() -> None:
    assert theme_for("ansi-dark", ColourDepth.MANY) == theme_for(NAMES[0], ColourDepth.MANY)


STYLE = re.compile(r"(\$[\w-]+|#\w+|bold|dim|italic|underline|reverse|strike|not|on)( (?!$)|$)")
BLENDED = re.compile(
    r"\$[\w-]+ (?!0%)\d+%|(opacity|tint): (?!\$foreground 0%)|text-style: [\w ]*\bdim\b|#[0-9a-f]{6}\b"
)


def test_blended_and_literal_colours_are_found() -> None:
    for css in ("color: $accent 50%;", "opacity: 40%;", "text-style: bold dim;", "color: #a0b1c2;"):
        assert BLENDED.search(css)
    for css in ("color: $accent; width: 50%;", "background-tint: $foreground 0%;", "text-style: bold;"):
        assert not BLENDED.search(css)
    assert not STYLE.sub("", "$secondary dim italic")
    assert STYLE.sub("", "$5 dim sum")


def test_no_module_names_or_blends_a_colour() -> None:
    """Styles name the variables of the theme. Of a blended colour, the contrast is unknown."""
    for path in sorted(Path(muniment_tui.__path__[0]).rglob("*.py")):
        if path.name == "palettes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                style = "$" in node.value and not STYLE.sub("", node.value)
                assert not (style and re.search(r"\bdim\b|#", node.value)), f"{path.name}: {node.value!r}"
                assert not BLENDED.search(node.value), f"{path.name}: {node.value!r}"


# --- the terminal -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, ColourDepth.TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, ColourDepth.TRUE),
        ({"TERM": "xterm-kitty"}, ColourDepth.TRUE),
        ({"TERM": "xterm-direct"}, ColourDepth.TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "1"}, ColourDepth.MANY),
        ({"TERM": "tmux-256color"}, ColourDepth.MANY),
        ({"TERM": "screen-256color-bce"}, ColourDepth.MANY),
        ({"TERM": "linux"}, ColourDepth.FEW),
        ({"TERM": "screen"}, ColourDepth.FEW),
        ({"TERM": "vt100"}, ColourDepth.NONE),
        ({"TERM": "xterm-mono"}, ColourDepth.NONE),
        ({}, ColourDepth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, ColourDepth.NONE),
    ],
)
def test_the_colours_of_a_terminal(environment: dict[str, str], depth: ColourDepth) -> None:
    assert depth_of(environment) is depth


def written(style: Style, depth: ColourDepth) -> str:
    pen = TerminalPen(depth)
    return pen.write("x", style) + pen.lift()


def test_each_of_the_256_colours_is_sent_as_itself() -> None:
    assert len(CODES) == 240 - len({0x5F, 0x87, 0xAF, 0xD7, 0xFF, 0} & set(range(8, 239, 10)))
    for (red, green, blue), code in CODES.items():
        style = Style(color=Color.from_rgb(red, green, blue), bgcolor=Color.from_rgb(red, green, blue))
        assert written(style, ColourDepth.MANY) == f"\x1b[38;5;{code};48;5;{code}mx\x1b[0m"
    assert CODES[tuple(STEPS[1:4])] == 16 + 36 + 12 + 3  # type: ignore[index]


def test_no_colour_is_sent_to_a_terminal_without() -> None:
    style = Style(color="red", bgcolor="#123456", bold=True)
    assert written(style, ColourDepth.NONE) == "\x1b[1mx\x1b[0m"
    assert written(style, ColourDepth.TRUE) == "\x1b[1;31;48;2;18;52;86mx\x1b[0m"


class Marked(FrameScreen):
    """One widget of each kind that shows the focus by the colours of the cursor."""

    def inside(self) -> Iterable[Widget]:
        yield ShortList([ListColumn("")], titles=False, id="list")
        yield LinePane("Health", id="pane")
        with Form(id="form"):
            yield ChoiceField("kind", "Kind", [("a", "choice"), ("b", "B")], "a")
        yield TextButton(shown("press"))

    CSS = "ShortList, Form { height: 3; }"

    def on_mount(self) -> None:
        self.query_one("#list", ShortList).fill([ListRow("1", ("row",))])
        self.query_one(LinePane).put([HomeLine(shown(""), shown("line"))])


def shows_reversed(app: MunimentApp, word: str) -> bool:
    """Whether a word on the screen is reversed."""
    strips = app.screen._compositor.render_strips()
    return any(word in one.text and one.style and one.style.reverse for strip in strips for one in strip)


def test_without_colours_the_focus_is_reversed(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = Marked()
        await pilot.app.push_screen(screen)
        await settled(pilot)
        app = app_of(pilot)
        for widget, word in (
            (ShortList, "row"),
            (LinePane, "line"),
            (ChoiceLine, "choice"),
            (TextButton, "press"),
        ):
            screen.query_one(widget).focus()
            await until(pilot, partial(shows_reversed, app, word))

    drive(app_on(EngineDouble(), tmp_path / "vault", blank=True, depth=ColourDepth.NONE), script)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_the_screen_is_blended(tmp_path: Path, name: str) -> None:
    """Each colour of some screens that hold all widgets is one of the theme."""
    theme = THEMES[name].palettes.get(ColourDepth.MANY, OWN)
    allowed = {triplet(colour) for colour in colours_of(theme) if colour.startswith("#")}

    async def script(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, MunimentApp)
        app.use_theme(name)
        for screen in (Lists(), Forms()):
            await app.push_screen(screen)
            await pilot.press("tab", "tab")
            assert_only(app, allowed)
        for keys in (("question_mark",), ("escape", "ctrl+p", "h")):
            await pilot.press(*keys)
            await settled(pilot)
            assert_only(app, allowed)

    drive(app_on(EngineDouble(), tmp_path / "v", blank=True, depth=ColourDepth.MANY), script)


def assert_only(app: MunimentApp, allowed: set[tuple[int, int, int]]) -> None:
    """No colour on the screen is another one."""
    other = {}
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        for text, style, _ in strip:
            for colour in (style.color, style.bgcolor) if style and text.strip() else ():
                if colour is not None and colour.triplet is not None and tuple(colour.triplet) not in allowed:
                    other[colour.triplet.hex] = (y, text)
    assert not other


@pytest.mark.parametrize(
    "term", ["xterm-256color", "tmux-256color", "screen-256color", "linux", "screen", "vt100"]
)
def test_the_codes_that_a_terminal_is_sent(tmp_path: Path, term: str) -> None:
    with Tty(gallery("lists", tmp_path), tmp_path, term=term) as tty:
        tty.until("Enter")
        tty.quiet()
        tty.press(b"q")
        assert tty.end() == 0
        codes = {code for found in re.findall(rb"\x1b\[([\d;]*)m", tty.written) for code in numbers(found)}
    exact = {
        f"5:{CODES[triplet(colour)]}" for colour in colours_of(THEMES["dark"].palettes[ColourDepth.MANY])
    }
    colours = codes - {"", "0", "1", "2", "3", "4", "7", "9"}
    if term.endswith("256color"):
        assert colours <= exact
        assert len(colours) > 5
    elif term == "vt100":
        assert not colours
        assert "7" in codes
    else:
        assert colours <= {str(base + at) for base in (30, 40, 90, 100) for at in range(8)}
        assert len(colours) > 3


def numbers(sgr: bytes) -> set[str]:
    """The parameters of a sequence that sets colours and styles; a colour of 256 as `5:N`."""
    found, rest = set(), sgr.decode().split(";")
    while rest:
        number = rest.pop(0)
        if number in ("38", "48"):
            kind, value = rest.pop(0), rest.pop(0)
            found.add(f"{kind}:{value}")
        else:
            found.add(number)
    return found
