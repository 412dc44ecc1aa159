"""The bytes that reach the terminal: harmless, and few."""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path

from support.engine_double import FORBIDDEN
from support.tty import Tty, gallery, plain

POINTER = b"\x1b]22;default\x07"
"""The mouse pointer's shape, which Textual sets. Terminals that don't know the sequence ignore it."""
FIRST_FRAME = """
import sys
from pathlib import Path
from muniment_tui.app import MunimentApp
class Waiting:
    def __init__(self, vault): pass
    def call(self, request): raise SystemExit
    def close(self): pass
Path("vault").mkdir(exist_ok=True)
Path("vault/vault.toml").touch()
MunimentApp(Waiting, Path("vault"), area="profiles").run()
Path("loaded").write_text("\\n".join(sys.modules))
"""
HEAVY = {
    "aiohttp", "apprise", "cryptography", "exchangelib", "keyring", "lxml", "pydantic", "requests",
    "selectolax", "sqlalchemy", "tantivy",
}  # fmt: skip
"""Libraries of the engine. Each would be noticed at the start of the app."""
DOWN, PAGE_DOWN, ESCAPE = b"\x1b[B", b"\x1b[6~", b"\x1b"


def test_hostile_text_never_reaches_the_terminal(tmp_path: Path) -> None:
    with Tty(gallery("hostile", tmp_path), tmp_path, columns=120, rows=40) as tty:
        tty.until("gnp.tset")
        for keys in (b"\t", b"\t", b"\t", b"\t", ESCAPE, b"?", ESCAPE, b"!", ESCAPE, b"q"):
            tty.press(keys)
            tty.quiet()
        assert tty.end() == 0
        text = plain(tty.written.replace(POINTER, b"")).decode("utf-8")
    found = {hex(ord(char)) for char in FORBIDDEN if char in text.replace("\r", "")}
    assert not found
    assert b"\x1b[2J" not in tty.written
    assert b"owned" not in tty.written
    assert "[bold red]" in text


def test_a_cursor_move_costs_less_than_a_kilobyte(tmp_path: Path) -> None:
    with Tty(gallery("lists", tmp_path), tmp_path, columns=120, rows=40) as tty:
        tty.until("Enter")
        tty.quiet()
        costs = []
        for _ in range(40):
            tty.press(DOWN)
            costs.append(len(tty.quiet(0.1)))
        assert statistics.mean(costs) < 1024, costs
        assert statistics.median(costs) < 900, costs
        assert tty.read(2.0) == b""
        tty.press(b"q")
        assert tty.end() == 0


def test_a_whole_screen_of_200_columns_takes_few_bytes(tmp_path: Path) -> None:
    """This one is full of text; a usual one takes half of it."""
    with Tty(gallery("lists", tmp_path), tmp_path, columns=200, rows=60) as tty:
        tty.until("Enter")
        tty.quiet()
        tty.press(b"\x0c")
        drawn = tty.until("Help") + tty.quiet()
        tty.press(b"q")
        assert tty.end() == 0
    assert 1000 < len(drawn) < 13_000


def test_the_first_frame_loads_nothing_of_the_engine(tmp_path: Path) -> None:
    """`make bench` measures the start beside a bare Textual app."""
    (tmp_path / "app.py").write_text(FIRST_FRAME)
    with Tty([sys.executable, "app.py"], tmp_path) as tty:
        tty.until("Quit")
        tty.press(b"q")
        assert tty.end() == 0
    loaded = set((tmp_path / "loaded").read_text().split())
    assert not loaded & HEAVY
    engine = {name.split(".")[1] for name in loaded if name.startswith("muniment.")}
    assert engine <= {"api", "client", "errors", "profiles", "system"}
    ours = [name for name in loaded if name.startswith(("muniment.", "muniment_tui."))]
    assert len(ours) < 100, sorted(ours)


def test_only_known_control_sequences_are_sent(tmp_path: Path) -> None:
    """A new kind of control sequence must be added here."""
    with Tty([sys.executable, "-m", "muniment_tui"], tmp_path) as tty:
        tty.until("Create the vault")
        tty.press(b"\x1b[21~")
        assert tty.end() == 0
    finals = {chr(found[-1]) for found in re.findall(rb"\x1b\[[0-?]*[ -/]*[@-~]", tty.written)}
    assert finals <= set("mHXChlcpuqtn"), finals
    assert b"\x1b]" not in tty.written.replace(POINTER, b"")
