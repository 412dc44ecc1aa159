"""Notices, unknown keys, the terminal's cursor, and the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual import on
from textual.pilot import Pilot
from textual.widget import Widget

from muniment_tui.actions.registry import Action, actions
from muniment_tui.app import MunimentApp
from muniment_tui.shell.frame import FrameScreen, StatusLine
from muniment_tui.shell.help import NoticesScreen
from muniment_tui.shell.key_bar import KeyBar
from muniment_tui.shell.notices import WHOLE, Notice
from muniment_tui.shell.times import AppTimes
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.tree import LazyTree, TreeNode
from support.engine_double import EngineDouble
from support.screens import Script, app_of, app_on, drive, shows, text_of, until
from support.teletype import Teletype
from support.tty import TESTS, gallery

Run = Callable[..., MunimentApp]
LONG = (
    "The mail server mail.example refused the password of the mailbox archive@mail.example: enter it again."
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(script: Script, size: tuple[int, int] = (80, 24), **options: Any) -> MunimentApp:
        app = app_on(EngineDouble(), tmp_path / "vault", blank=True, **options)
        drive(app, script, size)
        return app

    return run


class RowScreen(FrameScreen):
    """A list, a field, and an action."""

    BINDINGS: ClassVar = [*actions(Action("rowed.ring", "b", "Ring the bell", "Ring it.", footer=4))]
    rung = 0

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    def inside(self) -> Iterable[Widget]:
        yield ShortList([ListColumn("Name")], id="rows")
        yield SafeInput(id="line")

    def on_mount(self) -> None:
        rows = self.query_one("#rows", ShortList)
        rows.fill(ListRow(str(number), (f"Row {number}",)) for number in range(100))
        rows.focus()

    @on(RowList.Opened)
    def _opened(self, event: RowList.Opened) -> None:
        assert event.row is not None
        self.opened.append(event.row.key)

    def action_ring(self) -> None:
        self.rung += 1


class BranchScreen(FrameScreen):
    """A tree."""

    def inside(self) -> Iterable[Widget]:
        yield LazyTree()

    def on_mount(self) -> None:
        people = [TreeNode(name, name, children=[TreeNode(f"{name}/i", "Inbox")]) for name in ("Anna", "Bob")]
        self.query_one(LazyTree).show(people)
        self.query_one(LazyTree).focus()


# --- notices --------------------------------------------------------------------------------


def test_a_notice_leaves_after_five_seconds() -> None:
    assert AppTimes().notice == 5.0


def test_an_error_leaves_with_the_first_key_after_its_time(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app, line = app_of(pilot), pilot.app.screen.query_one(StatusLine)
        app.tell("broken", "error")
        due = app.notices.kept[-1].due
        await until(pilot, lambda: time.monotonic() > due)
        assert line.words.plain == "✗ broken"
        await pilot.press("down")
        await until(pilot, lambda: line.words.plain == "")
        assert [notice.text for notice in app.notices.kept] == ["broken"]

    run(script, times=AppTimes(notice=0.05))


def test_an_error_survives_keys_that_were_on_their_way(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        line = pilot.app.screen.query_one(StatusLine)
        app_of(pilot).tell("broken", "error")
        await pilot.press("down", "up")
        assert line.words.plain == "✗ broken"
        await pilot.press("escape")
        await until(pilot, lambda: line.words.plain == "")

    run(script, times=AppTimes(notice=60.0))


def test_escape_removes_an_old_error_and_does_nothing_else(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        screen = RowScreen()
        await app.push_screen(screen)
        app.tell("broken", "error")
        due = app.notices.kept[-1].due
        await until(pilot, lambda: time.monotonic() > due)
        await pilot.press("escape")
        await until(pilot, lambda: app.notice is None)
        assert app.screen is screen

    run(script, times=AppTimes(notice=0.05))


def test_a_long_notice_says_which_key_shows_all_of_it(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(RowScreen())
        pilot.app.screen.query_one("#line").focus()
        app_of(pilot).tell(LONG, "error")
        await shows(pilot, WHOLE)
        await pilot.press("f9")  # `!` is text in a field
        await until(pilot, lambda: isinstance(pilot.app.screen, NoticesScreen))
        await until(pilot, lambda: LONG in " ".join(text_of(pilot.app).split()))
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(pilot.app.screen, RowScreen))

    run(script)


def test_a_short_notice_is_whole() -> None:
    notice = Notice("saved")
    assert notice.line(20).plain == "✓ saved"
    assert notice.line(5).cell_length >= len(WHOLE)
    assert Notice(LONG, "error").line(60).cell_length == 60


def test_a_long_path_in_a_notice_leaves_room_for_the_words() -> None:
    path = "/srv/" + "deep/" * 30 + "journal-rule.ps1"
    line = Notice(f"{path} exists already: name a new file.", "error").line(80).plain
    assert line.startswith("✗ /srv/")
    assert "rule.ps1 exists already: name a new file." in line
    assert line.endswith(WHOLE)
    assert len(line) <= 80


# --- keys that do nothing -------------------------------------------------------------------


def test_a_key_without_a_meaning_gets_a_short_answer(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        app = app_of(pilot)
        await pilot.press("Z")
        await shows(pilot, "No key Z here; ? or F1 lists the keys.")
        assert not app.notices.kept
        await until(pilot, lambda: app.notice is None)
        for key in ("down", "escape", "enter", "tab"):
            await pilot.press(key)
        assert app.notice is None

    run(script, times=AppTimes(hint=1.0))


def test_a_key_with_a_meaning_acts_once(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = RowScreen()
        await pilot.app.push_screen(screen)
        await pilot.press("b")
        assert screen.rung == 1
        assert app_of(pilot).notice is None

    run(script)


# --- the terminal's cursor ------------------------------------------------------------------


def test_the_cursor_of_the_terminal_stands_on_the_row_and_stays_hidden(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(TESTS)}
    with Teletype(gallery("lists", tmp_path), folder=tmp_path, columns=120, rows=40, env=env) as tty:
        tty.wait_for("Enter")
        tty.wait_quiet()
        for _ in range(3):
            tty.press("Down")
            tty.wait_quiet()
            lines = tty.screen().splitlines()
            x, y, hidden = tty.cursor()
            assert "›" in lines[y][x : x + 2], (x, y, lines[y])
            assert hidden
        tty.press("q")
        assert tty.wait_ended() == 0


# --- the mouse ------------------------------------------------------------------------------


def test_rows_are_clicked_and_double_clicked(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(RowScreen())
        screen = pilot.app.screen
        assert isinstance(screen, RowScreen)
        rows = screen.query_one("#rows", ShortList)
        screen.query_one("#line").focus()
        await pilot.click(rows, offset=(5, 4))
        await until(pilot, lambda: rows.cursor == 3 and rows.has_focus)
        assert screen.opened == []
        await pilot.click(rows, offset=(5, 4), times=2)
        await until(pilot, lambda: screen.opened == ["3"])


def test_the_sign_of_a_branch_is_clicked(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(BranchScreen())
        tree = pilot.app.screen.query_one(LazyTree)
        await shows(pilot, "▸ Anna")
        await pilot.click(tree, offset=(2, 1))
        await shows(pilot, "▾ Bob")
        await shows(pilot, "Inbox")
        await pilot.click(tree, offset=(2, 1))
        await until(pilot, lambda: "Inbox" not in text_of(pilot.app))
        await pilot.click(tree, offset=(6, 1))
        await pilot.pause()
        assert "Inbox" not in text_of(pilot.app)

    run(script)


def test_the_keys_of_the_key_bar_are_clicked(run: Run) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        screen = RowScreen()
        await pilot.app.push_screen(screen)
        bar = screen.query_one(KeyBar)
        await shows(pilot, "b Ring the bell")
        at = bar.words.plain.index("Ring") + 1
        await pilot.click(bar, offset=(at, 0))
        await until(pilot, lambda: screen.rung == 1)
        await pilot.click(bar, offset=(79, 0))
        assert screen.rung == 1
        assert pilot.app.screen is screen

    run(script)


def test_the_key_bar_shows_what_fits_whole_and_help_at_its_end(run: Run) -> None:
    seen: dict[int, str] = {}

    def script_for(width: int) -> Script:
        async def script(pilot: Pilot[Any]) -> None:
            await pilot.app.push_screen(RowScreen())
            await shows(pilot, "Help")
            seen[width] = pilot.app.screen.query_one(KeyBar).words.plain

        return script

    for width in (80, 120):
        run(script_for(width), size=(width, 40))
        assert len(seen[width]) <= width - 2
        assert seen[width].endswith("? Help")
        assert "b Ring the bell" in seen[width]
    assert len(seen[120]) >= len(seen[80])
    assert seen[80].index("Ring") < seen[80].index("Quit")


# --- a terminal that becomes too small ------------------------------------------------------


@pytest.mark.parametrize("focused", ["rows", "line"])
def test_the_focus_comes_back_when_the_terminal_is_large_enough_again(run: Run, focused: str) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(RowScreen())
        screen = pilot.app.screen
        widget = screen.query_one(f"#{focused}")
        widget.focus()
        await until(pilot, lambda: widget.has_focus)
        for size in ((60, 20), (50, 10)):
            await pilot.resize_terminal(*size)
            await shows(pilot, "Muniment needs 80x24")
        await pilot.resize_terminal(80, 24)
        await shows(pilot, "Row 1")
        await until(pilot, lambda: widget.has_focus)

    run(script)
