"""The page that asks for the kind of a new profile's mailbox."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from muniment.profiles.registry import KINDS
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.text import TextLines


class KindScreen(FrameScreen):
    """A list of kinds. Dismissed with the name of the chosen one."""

    HELP = (
        "Choose the kind of mailbox. Journal reports of Microsoft 365 or Exchange usually arrive in a "
        "provider's gateway mailbox or in Muniment's own gateway. Enter chooses the kind at the cursor."
    )
    DEFAULT_CSS = "KindScreen #ask { padding: 1 2; }"

    def inside(self) -> Iterable[Widget]:
        yield TextLines(shown("Where does the new profile fetch mail from? Enter chooses.", "bold"), id="ask")
        yield ShortList((ListColumn("", 8), ListColumn("", share=1)), titles=False, id="kinds")

    def on_mount(self) -> None:
        kinds = self.query_one(ShortList)
        kinds.fill(ListRow(kind.name, (shown(kind.name, "bold"), kind.title)) for kind in KINDS)
        kinds.focus()

    @on(RowList.Opened, "#kinds")
    def _chosen(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.dismiss(event.row.key)
