"""The list of themes. Moving in it shows the app in the theme at the cursor."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events, on
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget

from muniment_tui.shell.frame import FrameScreen
from muniment_tui.shell.palettes import THEMES
from muniment_tui.terminal.colours import ColourDepth
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chart import ChartView
from muniment_tui.widgets.chips import CHIPS, chip
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.meters import bar
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.text import TextLines

DEPTHS = {
    ColourDepth.TRUE: "This terminal has true colour.",
    ColourDepth.MANY: "This terminal has 256 colours.",
    ColourDepth.FEW: "This terminal has 16 colours.",
    ColourDepth.NONE: "This terminal has no colours.",
}
SAMPLE = (3, 5, 4, 7, 9, 8, 2, 1, 4, 6, 8, 9, 7, 5, 3, 4, 6, 9, 8, 7)


class ThemesScreen(FrameScreen):
    """The list of themes, with a preview."""

    HELP = (
        "The app is shown in the theme at the cursor. Enter keeps it; Esc returns to the one before.\n\n"
        "Each theme has colours for terminals of 16 million, 256 and 16 colours. ssh passes TERM and not "
        "COLORTERM, so a remote terminal counts as one of 256 colours; set COLORTERM=truecolor there if "
        "yours has more. With NO_COLOR, no colours are sent at all."
    )
    DEFAULT_CSS = """
    ThemesScreen #choice { width: 32; }
    ThemesScreen #preview { padding: 1 2; }
    ThemesScreen #sample { height: auto; margin-bottom: 1; }
    ThemesScreen ChartView { max-height: 8; }
    """

    def inside(self) -> Iterable[Widget]:
        names = ShortList([ListColumn("")], titles=False, id="themes")
        with Horizontal():
            yield Pane(shown("Themes"), names, id="choice")
            yield Pane(shown("Preview"), TextLines(_sample(), id="sample"), ChartView(), id="preview")

    def on_mount(self) -> None:
        themes = self.query_one(ShortList)
        themes.fill(ListRow(name, (kind.title,)) for name, kind in THEMES.items())
        themes.go_to(self.muniment.state.theme)
        themes.focus()
        self.query_one("#choice", Pane).set_count(len(THEMES))
        self.query_one(ChartView).show(SAMPLE, "20 days ago", "today")
        self.say(shown(DEPTHS[self.muniment.depth], "$secondary"))

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        if event.row is not None and self.is_current:
            self.muniment.use_theme(event.row.key)

    @on(RowList.Opened)
    def _keep(self, event: RowList.Opened) -> None:
        if event.row is not None:
            self.muniment.state.theme = event.row.key
            self.muniment.tell(f"Theme: {THEMES[event.row.key].title}.")
            self.app.pop_screen()

    @on(events.ScreenSuspend)
    def _leave(self) -> None:
        """Return to the theme that was kept last."""
        self.muniment.use_theme(self.muniment.state.theme)


def _sample() -> Content:
    """Text, states and a bar in the colours of the theme."""
    chips = [chip(kind) for kind in CHIPS]
    return Content("\n").join(
        [
            joined(("Archived mail  ", "$secondary"), ("1,204,311", "bold"), ("  of 300 people", "")),
            joined(("Last report    ", "$secondary"), ("3 min ago", "")),
            joined(("Disk           ", "$secondary"), bar(62, 100, 20), ("  62%", "bold")),
            Content(),
            joined(*chips[:4], gap=" "),
            joined(*chips[4:], gap=" "),
        ]
    )
