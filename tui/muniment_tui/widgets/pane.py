"""A part of a screen, in a rounded border that holds its key, its title and a count."""

from __future__ import annotations

from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from muniment.system.formatting import count as grouped
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.text import harmless, same


class Pane(Container):
    """A part of a screen: `╭─ h Last runs · 12 ──────╮`. The accent on its border shows the focus.

    The class `-flat` leaves only the rule at the top, for a pane that needs each row and column.
    """

    DEFAULT_CSS = """
    Pane {
        height: 1fr; border: round $border-blurred; border-title-color: $secondary;
    }
    Pane.-flat { border: none; border-top: solid $border-blurred; }
    Pane:focus-within { border: round $border; border-title-color: $border; border-title-style: bold; }
    Pane.-flat:focus-within { border: none; border-top: heavy $border; }
    """

    def __init__(
        self,
        title: Content,
        *children: Widget,
        key: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`key` is the key that goes to this pane or opens what it shows, as the user reads it."""
        super().__init__(*children, id=id, classes=classes)
        self._key = key
        self._title = harmless(title)
        self._count = Content()
        self.border_title = harmless(self._headed())

    def set_title(self, title: Content) -> None:
        """Set the title. An unchanged title is not drawn again."""
        title = harmless(title)
        if not same(title, self._title):
            self._title = title
            self.border_title = harmless(self._headed())

    def set_count(self, count: int | Content | None) -> None:
        """Set what follows the title: a number, or words such as "3 of 12". None removes it.

        Do not show the row of the cursor here: each move would draw the border.
        """
        new = shown(grouped(count)) if isinstance(count, int) else harmless(count or Content())
        if not same(new, self._count):
            self._count = new
            self.border_title = harmless(self._headed())

    def _headed(self) -> Content:
        """The key, the title and the count."""
        key = shown(self._key, "bold $accent")
        parts = [Content(" ").join(part for part in (key, self._title) if part), self._count]
        return Content(" · ").join(part for part in parts if part)
