"""The page that asks what kind of mailbox a new profile is for."""

from __future__ import annotations

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from muniment.profiles.fields import KINDS
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.columns import Column
from muniment_tui.widgets.rows import Row, RowList, ShortList
from muniment_tui.widgets.text import Words


class KindScreen(FrameScreen):
    """Dismissed with the name of a kind."""

    HELP = (
        "What kind of mailbox it is. Journal reports of Microsoft 365 or Exchange usually arrive in a "
        "gateway mailbox of a provider, or in Muniment's own gateway. Enter takes the kind at the cursor."
    )
    DEFAULT_CSS = "KindScreen #ask { padding: 1 2; }"

    def inside(self) -> Iterable[Widget]:
        """The kinds that can be fetched from."""
        yield Words(shown("Where is the mail that the new profile fetches? Enter chooses.", "bold"), id="ask")
        yield ShortList((Column("", 8), Column("", share=1)), titles=False, id="kinds")

    def on_mount(self) -> None:
        """Begin at the first."""
        kinds = self.query_one(ShortList)
        kinds.fill(Row(kind.name, (shown(kind.name, "bold"), kind.title)) for kind in KINDS)
        kinds.focus()

    @on(RowList.Opened, "#kinds")
    def _chosen(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.dismiss(event.row.key)
