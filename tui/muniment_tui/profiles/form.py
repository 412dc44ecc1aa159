"""The screen with the form of one profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from textual import on
from textual.widget import Widget

from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.editor import ProfileEditor
from muniment_tui.shell.frame import FrameScreen


class ProfileForm(FrameScreen):
    """The form of one profile. Dismissed with the profile's name after it is saved."""

    AUTO_FOCUS = ""
    HELP = ProfileEditor.HELP

    def __init__(self, draft: ProfileDraft) -> None:
        super().__init__()
        self.editor = ProfileEditor(draft)

    def inside(self) -> Iterable[Widget]:
        yield self.editor

    def on_mount(self) -> None:
        """Focus the first field that needs a value."""
        self.call_later(self.editor.start)

    @property
    def unsaved(self) -> str:
        return self.editor.unsaved

    @on(ProfileEditor.Saved)
    def _saved(self, event: ProfileEditor.Saved) -> None:
        self.dismiss(event.name)

    def action_back(self) -> None:
        """Leave the form, after a question about unsaved changes."""
        if self.unsaved:
            self.ask_to_leave(lambda: self.dismiss(None))
        else:
            super().action_back()

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        self.editor.ask_to_leave(leave)
