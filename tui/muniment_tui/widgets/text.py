"""Text on the screen that can't be markup: it takes `Content` alone, which `muniment_tui.terminal.safe_text`
makes."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from muniment_tui.terminal.safe_text import clean


class Words(Static, inherit_bindings=False):
    """Text of one or more lines."""

    ALLOW_SELECT = True

    def __init__(
        self, words: Content | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        self.words = harmless(words or Content())
        super().__init__(self.words, markup=False, id=id, classes=classes)

    def say(self, words: Content) -> None:
        """Show other words; nothing is drawn where they are the same."""
        words = harmless(words)
        if not same(words, self.words):
            self.words = words
            self.update(words, layout=not self._fixed)

    @property
    def _fixed(self) -> bool:
        """Whether the style says how large it is: then other words move nothing, and only they are drawn."""
        height = self.styles.height
        return height is not None and not height.is_auto


def same(one: Content, other: Content) -> bool:
    """Whether two look the same; Textual's own comparison is of the text alone."""
    return one.plain == other.plain and one.spans == other.spans


def harmless(words: Content) -> Content:
    """`words`, which must be a Content: a str would be parsed as markup.

    One that holds what a terminal acts on, made without `muniment_tui.terminal.safe_text`, becomes
    harmless, and plain.

    Raises:
        TypeError: they are none.
    """
    if not isinstance(words, Content):
        raise TypeError(f"{type(words).__name__} can't be shown: use muniment_tui.terminal.safe_text")
    safe = clean(words.plain, newline=True)
    return words if safe == words.plain else Content(safe)
