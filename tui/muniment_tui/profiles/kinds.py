"""The page that asks what kind of mailbox a new profile is for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget

from muniment.fields import KINDS, Kind
from muniment_tui.actions import Action, actions
from muniment_tui.frame import FrameScreen
from muniment_tui.profiles.editors import Press
from muniment_tui.widgets.text import Words
from muniment_tui.words import joined, shown


class KindScreen(FrameScreen):
    """Dismissed with the name of a kind."""

    HELP = (
        "What kind of mailbox it is. Journal reports of Microsoft 365 or Exchange usually arrive in a "
        "gateway mailbox of a provider, or in Muniment's own gateway."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("kinds.down", "down,j", "Next kind", "Go to the next kind.", run="app.focus_next"),
            Action("kinds.up", "up,k", "Kind before", "Go to the kind before.", run="app.focus_previous"),
        )
    ]
    DEFAULT_CSS = """
    KindScreen #kinds { padding: 1 2; overflow-y: auto; }
    KindScreen KindPress { width: 100%; background: $background; }
    KindScreen #ask { padding: 0 0 1 0; }
    """

    def inside(self) -> Iterable[Widget]:
        """The kinds that can be fetched from."""
        with Vertical(id="kinds"):
            yield Words(shown("Where is the mail that the new profile fetches?", "bold"), id="ask")
            for kind in KINDS:
                yield KindPress(kind)

    def on_mount(self) -> None:
        """Begin at the first."""
        self.query(KindPress).first().focus()

    @on(Press.Pressed)
    def _pressed(self, event: Press.Pressed) -> None:
        if isinstance(event.press, KindPress):
            self.dismiss(event.press.kind.name)


class KindPress(Press):
    """A kind to choose."""

    DEFAULT_CSS = """
    KindPress:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    def on_mount(self) -> None:
        """Draw it."""
        self._draw()

    def on_focus(self) -> None:
        """The cursor is here."""
        self._draw()

    def on_blur(self) -> None:
        """The cursor is elsewhere."""
        self._draw()

    def _draw(self) -> None:
        mark = "▸ " if self.has_focus else "  "
        self.say(joined((mark, "bold"), (f"{self.kind.name:<9}", "bold"), (self.kind.title, "")))
