"""The command palette: all actions that can be run from here, found by the words that people use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from muniment_tui.actions.registry import Action, actions
from muniment_tui.shell.action_finder import FoundAction, found_actions, matching, run_found
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.columns import ListColumn
from muniment_tui.widgets.entry import SafeInput
from muniment_tui.widgets.rows import ListRow, RowList, ShortList
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

LINES = 16
"""How many actions are shown at once."""
COLUMNS = (ListColumn("Action"), ListColumn("Key", 14, right=True))


class PaletteInput(SafeInput):
    """The line of the palette. Its keys move in the list below."""

    HELP = "Type words of what you want to do. ↑ and ↓ choose, Enter runs it, Esc closes the palette."
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("palette.close", "escape", "Close", "Close the palette."),
            Action("palette.down", "down,tab", "Down", "Choose the action below.", run="move(1)"),
            Action("palette.up", "up,shift+tab", "Up", "Choose the action above.", run="move(-1)"),
            Action("palette.page-down", "pagedown", "Page down", "Go down.", run="move(10)"),
            Action("palette.page-up", "pageup", "Page up", "Go up.", run="move(-10)"),
        )
    ]

    def action_close(self) -> None:
        cast("ActionsPalette", self.screen).close()

    def action_move(self, by: int) -> None:
        cast("ActionsPalette", self.screen).move(by)


class ActionsPalette(ModalScreen[None]):
    """The palette. The screen below is not dimmed, since that would redraw all of it."""

    AUTO_FOCUS = "PaletteInput"
    DEFAULT_CSS = """
    ActionsPalette { background: transparent; align: center top; }
    ActionsPalette > Vertical {
        width: 76; max-width: 100%; height: auto; max-height: 90%; margin: 1 0; background: $surface;
        border: round $primary; border-title-color: $primary; padding: 0;
    }
    ActionsPalette ShortList { height: auto; max-height: 16; background: $surface; }
    ActionsPalette #about { height: 2; padding: 0 1; color: $secondary; }
    """

    def __init__(self) -> None:
        super().__init__(id="--command-palette")
        self._all: list[FoundAction] = []

    @property
    def muniment(self) -> MunimentApp:
        """The app, with its own type."""
        return cast("MunimentApp", self.app)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = shown("What do you want to do?")
            yield PaletteInput(placeholder="user, audit, verify, password, schedule ...")
            yield ShortList(COLUMNS, titles=False, id="found", empty=shown("Nothing is called that."))
            yield TextLines(id="about")

    def look_from(self, found: Iterable[FoundAction]) -> None:
        """Offer these actions."""
        self._all = list(found)

    def on_mount(self) -> None:
        self.query_one(ShortList).can_focus = False
        self._fill("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, query: str) -> None:
        found = matching(self._all, query)
        rows = self.query_one(ShortList)
        rows.fill(ListRow(_key(one), (_title(one, query), one.keys), one) for one in found)
        rows.cursor = 0
        rows.styles.height = min(max(len(found), 2), LINES)
        self._explain()

    @on(RowList.Moved)
    def _explain(self) -> None:
        row = self.query_one(ShortList).current
        self.query_one("#about", TextLines).say(shown(row.value.action.help if row else ""))

    def close(self) -> None:
        """Close the palette without an action."""
        self.dismiss(None)

    def move(self, by: int) -> None:
        """Choose another action."""
        rows = self.query_one(ShortList)
        rows.cursor = min(max(rows.cursor + by, 0), max(rows.count - 1, 0))

    @on(RowList.Opened)
    @on(Input.Submitted)
    def _run(self) -> None:
        """Close the palette, then run the chosen action."""
        row = self.query_one(ShortList).current
        if row is not None:
            found: FoundAction = row.value
            self.dismiss(None)
            self.app.call_later(run_found, self.muniment, found)


def open_palette(app: MunimentApp) -> None:
    """Open the palette over the current screen."""
    palette = ActionsPalette()
    palette.look_from(found_actions(app))
    app.push_screen(palette)


def _key(found: FoundAction) -> str:
    return f"{found.area.id if found.area else ''}/{found.action.id}"


def _title(found: FoundAction, query: str) -> Content:
    """The title, with the typed words in bold."""
    where = found.area.title if found.area else ""
    title = found.action.title
    for word in query.casefold().split():
        at = title.casefold().find(word)
        if at >= 0:
            end = at + len(word)
            parts = ((title[:at], ""), (title[at:end], "bold underline"), (title[end:], ""))
            return joined((f"{where}: " if where else "", "$secondary"), *parts)
    return joined((f"{where}: " if where else "", "$secondary"), (title, ""))
