"""Text that can't contain markup. It takes only a `Content`, as `muniment_tui.terminal.safe_text` makes
it."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from muniment_tui.terminal.safe_text import clean


class TextLines(Static, inherit_bindings=False):
    """Text of one or more lines."""

    ALLOW_SELECT = True

    def __init__(
        self, words: Content | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        self.words = harmless(words or Content())
        super().__init__(self.words, markup=False, id=id, classes=classes)

    def say(self, words: Content) -> None:
        """Change the text. An unchanged text is not drawn again."""
        words = harmless(words)
        if not same(words, self.words):
            self.words = words
            self.update(words, layout=not self._fixed)

    @property
    def _fixed(self) -> bool:
        """Whether the style fixes the height. Then a new text moves no other widget, and only the text is
        drawn."""
        height = self.styles.height
        return height is not None and not height.is_auto


class FittedText(TextLines):
    """Text that is made for the widget's width, such as values whose further lines hang below the first.

    It is made again for each width, also for the first one, which comes after the content.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._make: Callable[[int], Content] = nothing

    def fit(self, make: Callable[[int], Content]) -> None:
        """Show what `make` returns for a width in cells. An unchanged text is not drawn again."""
        self._make = make
        self.say(self._made(self.content_size.width))

    def _made(self, width: int) -> Content:
        return harmless(self._make(width)) if width else Content()

    def render(self) -> Content:
        """The text for the widget's width."""
        return self._made(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._made(width).wrap(width)) if width else 0


def nothing(width: int) -> Content:
    """No text, at any width."""
    return Content()


def same(one: Content, other: Content) -> bool:
    """Whether two contents look the same. Textual compares only their text."""
    return one.plain == other.plain and one.spans == other.spans


def harmless(words: Content) -> Content:
    """Return `words`, without any character that a terminal acts on. If it had any, its styles are dropped.

    A `str` is refused, because Textual would parse it as markup.

    Raises:
        TypeError: `words` is not a Content.
    """
    if not isinstance(words, Content):
        raise TypeError(f"{type(words).__name__} can't be shown: use muniment_tui.terminal.safe_text")
    safe = clean(words.plain, newline=True)
    return words if safe == words.plain else Content(safe)
