"""Who could read a message, or a person's mail, on a day."""

from __future__ import annotations

import re
from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import GetReaders, GetRightsOf, Readers, ReaderWord, Request
from muniment.errors import MunimentError
from muniment.system.formatting import local
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import line
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, ShortList
from muniment_tui.widgets.situation import situation
from muniment_tui.widgets.text import TextLines

COLUMNS = (
    ListColumn("Login", 14),
    ListColumn("Right", 16),
    ListColumn("Mail of", share=2),
    ListColumn("Since", 16, since=76),
    ListColumn("Reason", share=2, since=100),
)
_ID = re.compile(r"[0-9a-fA-F]{8,64}")


def asked(typed: str) -> Request:
    """Return the request that a line means: who, or which message, and a day after a comma."""
    who, _, day = (part.strip() for part in typed.partition(","))
    return GetReaders(id=who, on=day) if _ID.fullmatch(who) else GetRightsOf(who=who, on=day)


class ReadersScreen(FrameScreen):
    """The answer to one question about rights."""

    HELP = (
        "Who could read it on that day: by a role, by a login that is bound to a person, or by a grant. It "
        "follows from the records of the ledger. Who did read it is in Audit (6)."
    )
    DEFAULT_CSS = """
    ReadersScreen #notes { height: auto; max-height: 8; padding: 0 1; }
    ReadersScreen #notes TextLines { height: auto; }
    """

    def __init__(self, typed: str) -> None:
        """`typed` is an id, a login or a person, and a day after a comma."""
        super().__init__()
        self._typed = typed

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown("Who could read"), ShortList(COLUMNS, id="readers"), id="readers-pane")
        yield VerticalScroll(TextLines(id="said"), id="notes", can_focus=False)

    def on_mount(self) -> None:
        readers = self.query_one("#readers", ShortList)
        readers.focus()
        readers.empty = situation("…", "$primary", "Looking at the records")
        self.muniment.engine.ask(self, asked(self._typed), Readers, self._came, failed=self._failed)

    def _failed(self, error: MunimentError) -> None:
        self.query_one("#readers", ShortList).empty = situation("✗", "$error", "No answer", str(error))

    def _came(self, found: Readers) -> None:
        readers = self.query_one("#readers", ShortList)
        readers.empty = situation("○", "$secondary", "Nobody")
        readers.fill([_row(number, one) for number, one in enumerate(found.readers)])
        pane = self.query_one("#readers-pane", Pane)
        pane.set_title(joined(("Who could read: ", ""), (self._typed, "")))
        pane.set_count(len(found.readers))
        self.query_one("#said", TextLines).say(Content("\n").join(_notes(found)))


def _row(number: int, reader: ReaderWord) -> ListRow:
    right = f"grant {reader.grant}" if reader.grant else reader.right
    since = local(reader.since) if reader.since else ""
    cells = (reader.login, right, reader.limits or reader.person or "everybody", since, reader.reason)
    return ListRow(str(number), cells, reader)


def _notes(found: Readers) -> Iterable[Content]:
    yield shown(f"From {local(found.start)} to {local(found.end)}.", "$secondary")
    if found.people:
        yield joined(("In the folders of ", "$secondary"), (", ".join(found.people), ""))
    for seal in found.sealed:
        words = f"the mail of {seal.person} was sealed: only {', '.join(seal.logins)} may open it"
        yield line("warning", words)
    for gap in found.gaps:
        yield line("warning", gap)
