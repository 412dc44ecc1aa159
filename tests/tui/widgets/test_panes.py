"""Panes and state chips."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.chips import CHIPS, chip, line, sign
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, ShortList
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import app_on, drive, text_of, until


class TwoPanes(FrameScreen):
    """Two panes, one of them flat."""

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown("Mail"), ShortList([ListColumn("")], titles=False, id="a"), key="m", id="one")
        yield Pane(shown("Log"), ShortList([ListColumn("")], titles=False), id="two", classes="-flat")

    def on_mount(self) -> None:
        self.query_one("#a", ShortList).fill([ListRow("1", ("a",))])


def on_panes(tmp_path: Path, script: Any) -> None:
    async def opened(pilot: Pilot[Any]) -> None:
        screen = TwoPanes()
        await pilot.app.push_screen(screen)
        await until(pilot, lambda: "Log" in text_of(pilot.app))
        await script(pilot, screen)

    drive(app_on(EngineDouble(), tmp_path / "v", blank=True), opened)


def test_the_border_holds_key_title_and_count(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: TwoPanes) -> None:
        pane = screen.query_one("#one", Pane)
        assert text_of(pilot.app).split("\n")[1].startswith("╭─ m Mail ─")
        pane.set_count(1204)
        await until(pilot, lambda: "╭─ m Mail · 1,204 ─" in text_of(pilot.app))
        pane.set_title(shown("Post"))
        pane.set_count(shown("3 of 12"))
        await until(pilot, lambda: "╭─ m Post · 3 of 12 ─" in text_of(pilot.app))
        pane.set_count(None)
        await until(pilot, lambda: "╭─ m Post ─" in text_of(pilot.app))

    on_panes(tmp_path, script)


def test_the_focus_is_shown_by_the_border(tmp_path: Path) -> None:
    async def script(pilot: Pilot[Any], screen: TwoPanes) -> None:
        one, two = screen.query_one("#one", Pane), screen.query_one("#two", Pane)
        screen.set_focus(one.query_one(ShortList))
        await pilot.pause()
        assert one.styles.border_top[1] != two.styles.border_top[1]
        focused, blurred = one.styles.border_top, two.styles.border_top
        screen.set_focus(two.query_one(ShortList))
        await pilot.pause()
        assert one.styles.border_top[1] == blurred[1]
        assert two.styles.border_top[1] == focused[1]
        assert two.styles.border_top[0] == "heavy"
        assert two.styles.border_left[0] == ""

    on_panes(tmp_path, script)


def test_hostile_titles(tmp_path: Path) -> None:
    pane = Pane(shown(HOSTILE), key=HOSTILE)
    pane.set_count(shown(HOSTILE))
    assert_harmless(str(pane.border_title))
    with pytest.raises(TypeError):
        pane.set_count("text")  # type: ignore[arg-type]


def test_chips_differ_without_colour() -> None:
    assert len({kind.sign for kind in CHIPS.values()}) == len(CHIPS)
    assert len({kind.word for kind in CHIPS.values()}) == len(CHIPS)
    for name, kind in CHIPS.items():
        assert chip(name).plain == f" {kind.sign} {kind.word} "
        assert sign(name).plain == kind.sign
        assert kind.sign in line(name, "words").plain
        assert "words" in line(name, "words").plain


def test_a_chip_takes_any_word() -> None:
    assert chip("running", "fetching 40%").plain == " ▶ fetching 40% "
    assert_harmless(chip("failed", HOSTILE).plain)
    with pytest.raises(KeyError):
        chip("unheard of")
