"""The pane of a text goes to a hit or a section, also before it has a size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from muniment.api import Mark
from muniment_tui.messages.document import DocumentWriter
from muniment_tui.messages.text_pane import TextPane
from muniment_tui.shell.frame import FrameScreen
from support.engine_double import EngineDouble
from support.screens import app_on, drive, settled, until


class Hidden(FrameScreen):
    """A pane that is not shown at first, as the reader is not on 80 columns."""

    CSS = "TextPane { display: none; } .-shown TextPane { display: block; }"

    def inside(self) -> Iterable[Widget]:
        yield TextPane()


@pytest.mark.parametrize(("word", "scrolled"), [("line3", False), ("line90", True)])
def test_a_hit_is_gone_to_when_the_pane_is_shown(tmp_path: Path, word: str, scrolled: bool) -> None:
    writer = DocumentWriter("t")
    for number in range(200):
        writer.put(f"line{number}", region="body")
        writer.end_line()

    async def script(pilot: Pilot[Any]) -> None:
        screen = Hidden()
        await pilot.app.push_screen(screen)
        pane = screen.query_one(TextPane)
        pane.show(writer.document(), [Mark(text=word)])
        assert pane.go_to_hit(1) == 1
        await settled(pilot)
        screen.query_one("#inside").add_class("-shown")
        await until(pilot, lambda: pane.size.height > 0)
        await settled(pilot)
        top = pane.scroll_offset.y
        assert (top > 0) == scrolled
        assert top <= int(word.removeprefix("line")) < top + pane.size.height

    drive(app_on(EngineDouble(), tmp_path / "vault", blank=True), script)
