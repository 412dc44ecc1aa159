"""The step of the archive profile: the very form of the Profiles area, inside the step.

The form is loaded when the step is first shown, since the first frame of the app does not need it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from muniment.api import ListProfiles, Profiles, SetupProfile
from muniment.errors import MunimentError
from muniment_tui.widgets.text import nothing

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp
    from muniment_tui.profiles.draft import ProfileDraft
    from muniment_tui.profiles.editor import ProfileEditor


class ProfileStep(Vertical):
    """The form of the archive profile, new or saved. The form is made when the step is first shown."""

    DEFAULT_CSS = """
    ProfileStep { display: none; height: 1fr; }
    ProfileStep FormField .label { width: 23; }
    ProfileStep FormField > .hint { padding: 0 0 0 24; }
    ProfileStep #buttons { margin: 1 0 0 23; }
    """

    class StepSaved(Message):
        """The profile was saved."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__()
        self._editor: ProfileEditor | None = None
        self._known = SetupProfile()
        """The profile that the form was made for."""
        self._texts: tuple[Content, Callable[[int], Content]] = (Content(), nothing)
        self._wants_focus = self._settled = False
        """The second: whether the form's changes were saved or discarded, so that none are unsaved."""
        self._problem = ""
        """The error of the last request, or ""."""

    @property
    def editor(self) -> ProfileEditor | None:
        """The form, if it is there."""
        return self._editor if self._editor is not None and self._editor.is_attached else None

    @property
    def unsaved(self) -> str:
        """The form's unsaved changes, as a phrase; "" if there are none."""
        return self.editor.unsaved if self.editor and not self._settled else ""

    def on_profile_editor_saved(self, event: ProfileEditor.Saved) -> None:
        """Take note that the form's changes are saved. The next `load` shows the saved profile."""
        event.stop()
        self._settled = True
        self.post_message(self.StepSaved(event.name))

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask about unsaved changes, if there are any. `leave` is called if they may be lost."""
        editor = self.editor
        if editor is None or not self.unsaved:
            leave()
            return

        def discard() -> None:
            self._settled = True
            self.load(self._known, again=True)
            leave()

        editor.ask_to_leave(discard)

    def explain(self, above: Content, below: Callable[[int], Content]) -> None:
        """Set the texts above and below the fields; the one below is made for a width."""
        self._texts = (above, below)
        if self.editor is not None:
            self.editor.explain(above, below)

    def load(self, known: SetupProfile, *, again: bool = False) -> None:
        """Make the form of a profile, unless the form shows it already, or has unsaved changes."""
        if self.unsaved or (known == self._known and self.editor is not None and not again):
            return
        self._known = known
        engine = cast("MunimentApp", self.app).engine

        def came(profiles: Profiles) -> None:
            self._problem = ""
            self._make(known, profiles)

        engine.ask(self, ListProfiles(), Profiles, came, failed=self._failed, lane="profile-step")

    def _failed(self, error: MunimentError) -> None:
        self._known = SetupProfile()
        if str(error) != self._problem:  # each update fails, but one notice is enough
            cast("MunimentApp", self.app).refuse(error)
        self._problem = str(error)

    def _make(self, known: SetupProfile, profiles: Profiles) -> None:
        editor = self.editor
        if self.unsaved:
            return
        if editor is not None and editor.draft.version == profiles.version and not self._settled:
            return
        from muniment_tui.profiles.editor import ProfileEditor

        draft = draft_of(known, profiles)
        self.call_later(self._replace, ProfileEditor(draft, known.kinds))

    async def _replace(self, editor: ProfileEditor) -> None:
        """Put another form in place of this one. It takes the focus only if nothing else has it by then."""
        wanted, held = self._wants_focus, self.has_focus_within
        self._wants_focus = self._settled = False
        if held:
            self.screen.set_focus(None)
        await self.remove_children()
        self._editor = editor
        await self.mount(editor)
        editor.explain(*self._texts)
        if self.display and (wanted or (held and self.screen.focused is None)):
            self.start()

    def start(self) -> None:
        """Focus the first field that needs a value, as soon as there is a form."""
        self._wants_focus = self.editor is None
        if self.editor is not None:
            self.editor.start()


def draft_of(known: SetupProfile, profiles: Profiles) -> ProfileDraft:
    """The saved profile, or a new one with the values that set-up suggests."""
    from muniment.profiles.registry import KIND
    from muniment_tui.profiles.draft import ProfileDraft

    found = next((one for one in profiles.profiles if one.name == known.name), None)
    if known.exists and found is not None:
        return ProfileDraft(KIND[found.source], found.name, found.fields, new=False, version=profiles.version)
    draft = ProfileDraft(KIND[(known.kinds or ("gateway",))[0]], known.name, version=profiles.version)
    draft.suggest(known.values)
    return draft
