"""Screens with all shared widgets, for pictures and for a real terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from muniment.api import GetStatus
from muniment_tui.app import MunimentApp
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, shown
from muniment_tui.widgets.chart import ChartView
from muniment_tui.widgets.chips import chip
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.field import ChoiceField, Form, SwitchField, TextField
from muniment_tui.widgets.meters import BarMeter
from muniment_tui.widgets.paged import PagedList
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, ShortList
from muniment_tui.widgets.situation import SituationText
from muniment_tui.widgets.tail import TailList
from muniment_tui.widgets.text import TextLines
from muniment_tui.widgets.tree import LazyTree, TreeNode
from support.engine_double import HOSTILE, EngineDouble
from support.screens import app_on
from support.words import status

SUBJECTS = (
    "Invoice 2026-004",
    "見積書をお送りします",
    "Zażółć gęślą jaźń",
    HOSTILE,
    "Re: Lens " * 12,
)


class Lists(FrameScreen):
    """A tree, a list and a tail."""

    def inside(self) -> Iterable[Widget]:
        columns = [
            ListColumn("Date", 10),
            ListColumn("From", share=1, since=50),
            ListColumn("Subject", share=2),
            ListColumn("Size", 8, right=True, since=70),
        ]
        with Horizontal():
            yield Pane(shown("People"), LazyTree(id="tree"), id="left")
            with Vertical():
                yield Pane(shown("Messages"), PagedList(columns, marks=True, id="list"))
                yield Pane(shown("Log"), TailList(id="tail"))

    CSS = "#left { width: 30; }"

    def on_mount(self) -> None:
        tree = self.query_one(LazyTree)
        folders = [TreeNode("a/Inbox", "Inbox", "1,204"), TreeNode("a/Sent", "Sent", "88")]
        tree.show(
            [
                TreeNode("a", "Ada Quill", "1,292", children=folders, open=True),
                TreeNode("b", "Bob", "7", children=None),
                TreeNode("c", HOSTILE, "1", children=None),
            ]
        )
        rows = [
            ListRow(str(n), ("2026-01-05", "Ada Quill <ada@quill.example>", SUBJECTS[n % 5], "12.3 kB"))
            for n in range(30)
        ]
        listed = self.query_one(PagedList)
        listed.show(12_000_000, rows)
        listed.action_down()
        listed.action_mark()
        listed.focus()
        self.query_one(TailList).add([f"12:00:{n:02d} fetched {n}" for n in range(30)])
        self.say(shown("1,204 messages · 12 ms"))


class Forms(FrameScreen):
    """Fields, meters, a situation and a prompt."""

    def inside(self) -> Iterable[Widget]:
        with Vertical():
            with Form():
                yield TextField("host", "Host", "gw.example", hint="The gateway's name.")
                yield TextField("mailbox", "Mailbox", "mbx-1", check=lambda v: "Too short: 8 at least.")
                yield TextField("password", "Password", "secret", secret=True)
                yield ChoiceField("kind", "Kind", [("pop3", "POP3"), ("imap", "IMAP")], "imap")
                yield SwitchField("delete", "Delete after archiving", True, hint="Only what is safely kept.")
            yield BarMeter("Fetch", id="one")
            yield BarMeter("Index", id="two")
            yield ChartView(id="chart")
            yield SituationText()

    CSS = "Form { height: 11; } ChartView { height: 3; }"

    def on_mount(self) -> None:
        self.query_one("#one", BarMeter).show(512, 1010, "160/s")
        self.query_one("#two", BarMeter).show(77, 0)
        self.query_one(ChartView).show([3, 5, 9, 160, 120, 80, 85], "Mon", "Sun")
        self.query_one(SituationText).failed("mail.example does not answer.", "Press r to try again.")
        self.query_one(Form).problems()


class Hostile(FrameScreen):
    """Every shared widget with hostile text."""

    CSS = "#left { width: 30; } Form { height: 4; } #right > * { height: auto; } RowList { height: 4; }"

    def inside(self) -> Iterable[Widget]:
        with Horizontal():
            with Pane(shown(HOSTILE), id="left"):
                yield LazyTree(id="tree")
            with Vertical(id="right"):
                yield ShortList([ListColumn(HOSTILE), ListColumn("Date", 10)], id="list")
                yield ShortList([ListColumn(HOSTILE)], empty=block(HOSTILE), id="empty")
                yield TailList(id="tail")
                with Form():
                    yield TextField("one", HOSTILE, HOSTILE, placeholder=HOSTILE, hint=HOSTILE)
                    yield TextField("two", HOSTILE, HOSTILE, check=lambda value: HOSTILE)
                    yield ChoiceField("three", HOSTILE, [(HOSTILE, HOSTILE)])
                yield BarMeter(HOSTILE)
                yield ChartView(number=lambda value: HOSTILE)
                yield TextLines(chip("failed", HOSTILE))
                yield SituationText()

    def on_mount(self) -> None:
        self.query_one(LazyTree).show(
            [TreeNode("a", HOSTILE, HOSTILE, children=[TreeNode("b", HOSTILE)], open=True)]
        )
        self.query_one("#list", ShortList).fill([ListRow("1", (HOSTILE, HOSTILE))])
        self.query_one(TailList).add([HOSTILE])
        self.query_one(BarMeter).show(1, 2, HOSTILE)
        self.query_one(ChartView).show([1], HOSTILE, HOSTILE)
        self.query_one(SituationText).failed(HOSTILE, HOSTILE)
        self.query_one(Form).problems()
        self.say(shown(HOSTILE))


def gallery(folder: Path, screen: type[FrameScreen]) -> MunimentApp:
    """The app with one of these screens on top."""
    app = app_on(EngineDouble({GetStatus: status(name=HOSTILE)}), folder, blank=True, depth=None)
    app.call_later(app.push_screen, screen())
    return app


def main() -> None:
    """`python -m support.gallery lists FOLDER` shows a screen on this terminal."""
    screens = {"lists": Lists, "forms": Forms, "hostile": Hostile}
    app = gallery(Path(sys.argv[2]), screens[sys.argv[1]])
    app.run()
    app.hang_up()


if __name__ == "__main__":
    main()
