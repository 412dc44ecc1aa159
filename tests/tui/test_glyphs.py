"""ASCII for terminals that can't draw Unicode."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from muniment_tui.terminal.glyphs import charset_is_unicode, few_glyphs, plain_signs
from muniment_tui.terminal.output_filter import OutputFilter
from muniment_tui.widgets.chart import chart
from support.tty import Tty, gallery, plain


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Mn", "Me", "Mc"))))
def test_ascii_takes_the_same_cells(text: str) -> None:
    drawn = plain_signs(text, letters=False)
    assert drawn.isascii()
    assert cell_len(drawn) == sum(map(cell_len, text))


def test_letters_stay_where_only_signs_are_missing() -> None:
    assert plain_signs("╭─ Zoë ✓ ⣿⣤ ─╮") == "+- Zoë v #: -+"
    assert plain_signs("╭─ Zoë 見 ─╮", letters=False) == "+- Zo? ?? -+"


def test_a_chart_in_ascii_shows_the_heights() -> None:
    assert plain_signs(chart([0, 1, 2, 3, 4], 10, 1).plain).replace(" ", "") == "..::||##"


@pytest.mark.parametrize(
    ("environment", "unicode", "few"),
    [
        ({}, True, False),
        ({"LANG": "de_DE.UTF-8"}, True, False),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False, False),
        ({"LC_CTYPE": "C.utf8", "LANG": "C"}, True, False),
        ({"LANG": "de_DE@euro"}, False, False),
        ({"TERM": "linux"}, True, True),
        ({"TERM": "vt100"}, True, True),
        ({"TERM": "xterm-256color"}, True, False),
    ],
)
def test_the_environment_decides(environment: dict[str, str], unicode: bool, few: bool) -> None:
    assert charset_is_unicode(environment) == unicode
    assert few_glyphs(environment) == few
    drawn = OutputFilter(environment).apply([Segment("│é")], Color(0, 0, 0))[0].text
    assert drawn == ("│" if unicode and not few else "|") + ("é" if unicode else "?")


def test_nothing_but_ascii_is_sent_to_a_terminal_of_another_charset(tmp_path: Path) -> None:
    with Tty(["env", "LC_ALL=C", *gallery("lists", tmp_path)], tmp_path, columns=120, rows=40) as tty:
        tty.until("Enter")
        tty.quiet()
        tty.press(b"q")
        assert tty.end() == 0
        assert plain(tty.written).isascii()
