"""Only changed cells are sent, and the terminal then shows what was drawn."""

from __future__ import annotations

from collections.abc import Iterable

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import set_cell_size
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from muniment_tui.terminal.colours import ColourDepth, erases_in_colour
from muniment_tui.terminal.diff_renderer import GAP, TerminalCanvas

COLUMNS, ROWS = 40, 3
PLAIN, BOLD, RED = Style.null(), Style(bold=True), Style(color="red")


class Terminal:
    """A terminal that a canvas draws on."""

    def __init__(self, erases: bool = False) -> None:
        self.canvas = TerminalCanvas(ColourDepth.MANY, erases)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self.screen)

    def draw(self, y: int, *segments: tuple[str, Style], x: int = 0) -> str:
        """Draw a line, and return the output that was sent."""
        strip = Strip([Segment(text, style) for text, style in segments])
        pen = self.canvas.pen
        sent = self.canvas.draw(x, y, strip, pen)
        sent += pen.lift()
        self._stream.feed(sent)
        return sent

    def row(self, y: int) -> str:
        """The text of a line of the terminal."""
        return self.screen.display[y]


def line(text: str) -> str:
    """`text` padded to the terminal's width."""
    return text.ljust(COLUMNS)


def test_only_a_changed_digit_is_sent() -> None:
    terminal = Terminal()
    terminal.draw(0, (line("Fetch  1,234 of 9,999"), PLAIN))
    sent = terminal.draw(0, (line("Fetch  1,235 of 9,999"), PLAIN))
    assert sent == "\x1b[1;12H5"
    assert terminal.row(0) == line("Fetch  1,235 of 9,999")


def test_unchanged_cells_are_not_sent() -> None:
    terminal = Terminal()
    terminal.draw(1, ("a", BOLD), (line("b")[1:], PLAIN))
    assert terminal.draw(1, ("a", BOLD), (line("b")[1:], PLAIN)) == ""
    assert terminal.draw(1, ("a", RED), (line("b")[1:], PLAIN)) == "\x1b[2;1H\x1b[31ma\x1b[0m"


def test_near_changes_are_sent_together_and_far_ones_apart() -> None:
    terminal = Terminal()
    terminal.draw(0, (line(""), PLAIN))
    near = terminal.draw(0, (line("x" + " " * GAP + "x"), PLAIN))
    assert near.count("H") == 1
    terminal.draw(0, (line(""), PLAIN))
    far = terminal.draw(0, (line("x" + " " * (GAP + 1) + "x"), PLAIN))
    assert far.count("H") == 2


def test_forgotten_cells_are_sent_again() -> None:
    terminal = Terminal()
    first = terminal.draw(0, (line("all"), PLAIN))
    terminal.canvas.forget()
    assert terminal.draw(0, (line("all"), PLAIN)) == first


def test_a_new_terminal_size_sends_everything_again() -> None:
    canvas = TerminalCanvas(ColourDepth.MANY)
    strips: list[Iterable[Strip]] = [[Strip([Segment("ab")])]]
    console = EIGHT_BIT
    small, large = LayoutUpdate(strips, Region(0, 0, 2, 1)), LayoutUpdate(strips, Region(0, 0, 2, 2))
    assert canvas.changes_only(small).render_segments(console)
    assert not canvas.changes_only(small).render_segments(console)
    assert canvas.changes_only(large).render_segments(console)


def test_many_blanks_are_erased_in_their_colour() -> None:
    terminal = Terminal(erases=True)
    blue = Style(bgcolor="blue")
    sent = terminal.draw(0, ("a" + " " * 20 + "b", blue), (" " * 18, PLAIN))
    assert sent == "\x1b[1;1H\x1b[44ma\x1b[20X\x1b[20Cb\x1b[49m\x1b[18X\x1b[18C"
    assert {terminal.screen.buffer[0][x].bg for x in range(22)} == {"blue"}
    assert " " * 20 in Terminal(erases=True).draw(0, (" " * 20, Style(underline=True)))


@pytest.mark.parametrize(
    ("term", "erases"),
    [("xterm-256color", True), ("tmux-256color", True), ("linux", True), ("screen-256color", False)],
)
def test_cells_are_erased_where_the_terminal_colours_them(term: str, erases: bool) -> None:
    assert erases_in_colour({"TERM": term}) is erases
    assert not erases_in_colour({})


def test_a_partial_update_draws_only_its_part_of_the_line() -> None:
    update = ChopsUpdate(
        [{0: Strip([Segment("abc")]), 3: None, 5: Strip([Segment("fgh")])}], [(0, 1, 7)], [[3, 5, 8]]
    )
    assert (
        TerminalCanvas(ColourDepth.MANY).changes_only(update).render_segments(EIGHT_BIT)
        == "\x1b[1;2Hbc\x1b[1;6Hfg"
    )


EIGHT_BIT = Console(color_system="256", legacy_windows=False)


LETTERS = ["a", "b", " ", "1", "░", "é", "漢", "字", "e\u0301", " " * 15]
STYLES = [PLAIN, BOLD, RED, Style(bgcolor="blue"), Style(bgcolor="blue", underline=True), Style(reverse=True)]
TEXTS = st.lists(st.sampled_from(LETTERS), max_size=COLUMNS).map(
    lambda found: set_cell_size("".join(found), COLUMNS)
)
DRAWN = st.tuples(st.integers(0, ROWS - 1), st.sampled_from(STYLES), TEXTS)


def seen(cell: pyte.screens.Char) -> object:
    """What a cell shows: of a blank only its ground, if it has no line and is not reversed."""
    lines = (cell.underscore, cell.strikethrough, cell.reverse)
    return cell if cell.data != " " or any(lines) else (cell.data, cell.bg)


@settings(max_examples=60, deadline=None)
@given(st.lists(DRAWN, min_size=1, max_size=12))
def test_the_terminal_shows_what_was_drawn_last(drawn: list[tuple[int, Style, str]]) -> None:
    """Compared with a terminal that is sent everything each time, and all blanks."""
    partial, complete = Terminal(erases=True), Terminal()
    for y, style, text in drawn:
        partial.draw(y, (text, style))
        complete.canvas.forget()
        complete.draw(y, (text, style))
    assert partial.screen.display == complete.screen.display
    for y in range(ROWS):
        for x in range(COLUMNS):
            assert seen(partial.screen.buffer[y][x]) == seen(complete.screen.buffer[y][x])
