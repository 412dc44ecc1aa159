"""One run that has ended: all that is known of it."""

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
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import Words

LABEL = 13
MEANINGS = (
    ("listed", "messages that the source listed"),
    ("fetched", "fetched, since not kept before, or to be compared"),
    ("already", "kept before, under the same key"),
    ("failed", "could not be fetched; the next run tries again"),
    ("skipped", "no mail, too old or too new, or gone before they were fetched"),
    ("pending", "not come to"),
    ("new", "messages that the vault did not have"),
    ("merged", "copies of messages that it had, each with its own envelope"),
    ("quarantined", "could not be unwrapped; kept byte for byte"),
    ("left", "left at the source, as the profile says of unknown recipients"),
    ("deleted", "deleted at the source, each kept here"),
)


class RecordScreen(FrameScreen):
    """A run's full record."""

    HELP = "All that is known of one run. The ledger proves it, as it proves the mail."
    DEFAULT_CSS = "RecordScreen VerticalScroll { padding: 0 1; }"

    def __init__(self, run: RunRecord) -> None:
        super().__init__()
        self._run = run

    def inside(self) -> Iterable[Widget]:
        """Text to be scrolled."""
        title = joined(("A run of ", ""), (str(self._run.summary.get("profile", "")), ""))
        yield Pane(title, VerticalScroll(Words(record_text(self._run))))

    def on_mount(self) -> None:
        """Keys scroll."""
        self.query_one(VerticalScroll).focus()


def record_text(run: RunRecord) -> Content:
    """Everything, a line each."""
    told = run.summary
    return Content("\n").join([*_head(run, told), Content(), *_books(told), Content(), *_counts(told)])


def _head(run: RunRecord, told: dict[str, Any]) -> Iterable[Content]:
    state = str(told.get("state", ""))
    yield _line("State", joined(sign(state), (state, "bold"), gap=" "))
    if run.count > 1:
        since = f" since {local(run.since)}" if run.since else ""
        yield _line("In a row", shown(f"the last of {count(run.count)} that got nowhere{since}"))
    if told.get("started"):
        yield _line("Started", shown(local(int(told["started"]))))
    if run.time:
        yield _line("Ended", shown(local(run.time)))
    yield _line("Took", shown(seconds(float(told.get("seconds", 0.0)))))
    yield _line("Bytes", shown(size(int(told.get("bytes", 0)))))
    kept = (
        f"record {count(run.sequence)} of the ledger"
        if run.sequence
        else "it got nowhere: the ledger has nothing of it"
    )
    yield _line("Kept as", shown(kept))
    if told.get("error"):
        yield Content()
        yield block(str(told["error"]), "$error")


def _line(label: str, value: Content) -> Content:
    return joined((label.ljust(LABEL), "$secondary"), value)


def _books(told: dict[str, Any]) -> Iterable[Content]:
    yield shown("The books", "bold $primary")
    yield equations(told, bool(told.get("balanced", True)))
    for line in passed_over(told.get("passed", ())):
        yield _line("Passed over", shown(line))


def _counts(told: dict[str, Any]) -> Iterable[Content]:
    yield shown("What the words mean", "bold $primary")
    width = max(len(count(int(told.get(name, 0)))) for name, _ in MEANINGS)
    for name, meaning in MEANINGS:
        number = f"{count(int(told.get(name, 0))):>{width}}"
        yield joined((name.ljust(LABEL), "$secondary"), (f"{number}  ", "bold"), (meaning, ""))
