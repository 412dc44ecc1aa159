"""A part of a screen with a title. A heavier border shows that it has the focus."""

from __future__ import annotations

from textual.containers import Container
from textual.content import Content
from textual.widget import Widget

from muniment_tui.widgets.text import harmless, same


class Pane(Container):
    """A part of a screen with a title."""

    DEFAULT_CSS = """
    Pane {
        height: 1fr; border-top: solid $border-blurred;
        border-title-color: $secondary; border-subtitle-color: $secondary;
    }
    Pane:focus-within { border-top: heavy $primary; border-title-color: $primary; border-title-style: bold; }
    """

    def __init__(
        self, title: Content, *children: Widget, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(*children, id=id, classes=classes)
        self._title = title
        self.border_title = harmless(title)

    def set_title(self, title: Content) -> None:
        """Set the title. An unchanged title is not drawn again."""
        if not same(title, self._title):
            self._title = title
            self.border_title = harmless(title)
