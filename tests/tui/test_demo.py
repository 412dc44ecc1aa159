"""`muniment demo` on a terminal ends in the app, on the vault that it made."""

from __future__ import annotations

from pathlib import Path

from support.terminal import MUNIMENT, OpenTerminal


def test_the_demo_ends_among_its_messages(terminal: OpenTerminal, tmp_path: Path) -> None:
    screen = terminal([*MUNIMENT, "demo"], env={"MUNIMENT_IDLE": "1", "TMPDIR": str(tmp_path)})
    screen.wait_for("Nordlicht Leuchtfeuer", "All mail", "Mira Tannhofer", patience=90)
    screen.press("q")
    screen.wait_for("until you remove it")
    assert screen.wait_ended() == 0
