"""The full record of one finished run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import RunRecord
from muniment.cli.books import passed_over
from muniment.system.formatting import count, local, seconds, size
from muniment_tui.runs.figures import equations, sign
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import block, joined, shown
from muniment_tui.widgets.facts import fact
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines

LABEL = 13
AROUND = 6
"""Cells around the text: the borders, the padding and the scrollbar."""
MEANINGS = (
    ("listed", "messages that the source listed"),
    ("fetched", "fetched, as new or to be compared"),
    ("already", "archived before under the same key"),
    ("failed", "could not be fetched; the next run tries again"),
    ("skipped", "not mail, too old or too new, or already gone"),
    ("pending", "not processed before the run ended"),
    ("new", "messages that are new to the vault"),
    ("merged", "copies of known messages, each with its own envelope"),
    ("quarantined", "could not be unwrapped; kept byte for byte"),
    ("left", "left at the source, as the profile says for unknown recipients"),
    ("deleted", "archived and then deleted at the source"),
)


class RecordScreen(FrameScreen):
    """The full record of one finished run."""

    HELP = "The full record of one run. The ledger protects it like the mail."
    DEFAULT_CSS = "RecordScreen VerticalScroll { padding: 0 1; }"

    def __init__(self, run: RunRecord) -> None:
        super().__init__()
        self._run = run

    def inside(self) -> Iterable[Widget]:
        title = joined(("Run of ", ""), (str(self._run.summary.get("profile", "")), ""))
        yield Pane(title, VerticalScroll(TextLines(id="record")))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_resize(self) -> None:
        """Wrap the text to the width of the screen."""
        self.query_one("#record", TextLines).say(record_text(self._run, self.app.size.width - AROUND))


def record_text(run: RunRecord, width: int) -> Content:
    """The record as text, one fact after the other, wrapped to `width` cells."""
    summary = run.summary
    facts = [fact(label, value, width, LABEL) for label, value in _head(run, summary)]
    if summary.get("error"):
        facts += [Content(), block(str(summary["error"]), "$error")]
    return Content("\n").join(
        [*facts, Content(), *_books(summary, width), Content(), *_counts(summary, width)]
    )


def _head(run: RunRecord, summary: dict[str, Any]) -> Iterable[tuple[str, Content]]:
    state = str(summary.get("state", ""))
    yield ("State", joined(sign(state), (state, "bold"), gap=" "))
    if run.count > 1:
        since = f" since {local(run.since)}" if run.since else ""
        yield ("In a row", shown(f"the last of {count(run.count)} failed runs{since}"))
    if summary.get("started"):
        yield ("Started", shown(local(int(summary["started"]))))
    if run.time:
        yield ("Ended", shown(local(run.time)))
    yield ("Took", shown(seconds(float(summary.get("seconds", 0.0)))))
    yield ("Bytes", shown(size(int(summary.get("bytes", 0)))))
    kept = (
        f"record {count(run.sequence)} of the ledger"
        if run.sequence
        else "not in the ledger, since it changed nothing"
    )
    yield ("Kept as", shown(kept))


def _books(summary: dict[str, Any], width: int) -> Iterable[Content]:
    yield shown("The books", "bold $primary")
    yield equations(summary, bool(summary.get("balanced", True)))
    for line in passed_over(summary.get("passed", ())):
        yield fact("Passed over", shown(line), width, LABEL)


def _counts(summary: dict[str, Any], width: int) -> Iterable[Content]:
    yield shown("All counts", "bold $primary")
    digits = max(len(count(int(summary.get(name, 0)))) for name, _ in MEANINGS)
    for name, meaning in MEANINGS:
        number = f"{count(int(summary.get(name, 0))):>{digits}}"
        head = joined((name.ljust(LABEL), "$secondary"), (f"{number}  ", "bold"))
        yield fact(head, shown(meaning), width, LABEL + digits + 2)
