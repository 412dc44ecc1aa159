"""On a terminal, `muniment demo` opens the app on the vault that it created."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.terminal import MUNIMENT, OpenTerminal


@pytest.mark.soak
def test_the_demo_ends_in_the_messages_area(terminal: OpenTerminal, tmp_path: Path) -> None:
    screen = terminal([*MUNIMENT, "demo"], env={"MUNIMENT_IDLE": "1", "TMPDIR": str(tmp_path)})
    screen.wait_for("Enter opens the app", patience=90)
    screen.press("Enter")
    screen.wait_for("demo", "All mail", "Mira Tannhofer", patience=90)
    screen.press("q")
    screen.wait_for("until you remove it")
    assert screen.wait_ended() == 0
