"""The form of a new or existing profile.

Other screens open it with `app.open_profile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget

from muniment.api import (
    CheckProfile,
    Done,
    ListProfiles,
    Problems,
    Profiles,
    PutProfile,
    RenameProfile,
    TestProfile,
)
from muniment.errors import MunimentError, SettingsChanged
from muniment.profiles.fields import FIELD, asked, folded
from muniment_tui.actions.registry import Action, actions
from muniment_tui.profiles import conflict
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.editors import ButtonForm, TextButton
from muniment_tui.profiles.layout import (
    PLACE,
    SECRET,
    WHERE,
    WHERE_LABELS,
    field_of,
    form_fields,
    help_of,
    name_field,
    needed,
    title,
)
from muniment_tui.profiles.trial import TrialPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.answers import AnswerPrompt
from muniment_tui.widgets.field import FormField
from muniment_tui.widgets.text import TextLines

SOON = 0.4
"""How long typing must pause before the service checks the form, in seconds."""


class ProfileForm(FrameScreen):
    """The form of one profile. Dismissed with the profile's name after it is saved."""

    AUTO_FOCUS = ""
    HELP = (
        "Where mail is fetched from, and how. Enter and ↓ go to the next field, ↑ to the previous one; "
        "← and → choose a value. Errors appear below a field as you type. Nothing is written until you save."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("profile.save", "f2", "Save", "Save the profile in vault.toml.", footer=7, changes=True),
            Action(
                "profile.test",
                "f5,ctrl+t",
                "Test connection",
                "Connect with these settings and count the messages. Nothing is fetched or deleted.",
                footer=6,
            ),
            Action("profile.more", "f4", "More options", "Show or hide rarely used settings.", footer=5),
        )
    ]
    DEFAULT_CSS = """
    ProfileForm #title { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ProfileForm ButtonForm { height: 1fr; }
    ProfileForm #more { display: none; height: auto; }
    ProfileForm #buttons { height: 1; margin: 1 0 0 25; }
    ProfileForm #buttons TextButton { margin: 0 2 0 0; }
    ProfileForm #fold { margin: 1 0 0 0; width: 100%; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, draft: ProfileDraft) -> None:
        super().__init__()
        self.draft = draft
        self._first_name = draft.name
        self._known_as = "" if draft.new else draft.name
        """The profile's name in vault.toml; "" for a new profile."""
        self._entries: dict[str, FormField] = {}
        self._service_problems: dict[str, str] = {}
        """Problems that only the service can find, by field."""
        self._problems: dict[str, str] = {}
        self._check: Timer | None = None

    def inside(self) -> Iterable[Widget]:
        """The fields, the pane for the test, and the pane for questions."""
        draft = self.draft
        yield TextLines(title(draft), id="title")
        with ButtonForm():
            yield name_field(draft, self._problem)
            yield from form_fields(draft, asked(draft.kind), self._problem)
            if draft.kind.more:
                yield TextButton(id="fold")
                with Vertical(id="more"):
                    yield from form_fields(draft, folded(draft.kind), self._problem)
            with Horizontal(id="buttons"):
                yield TextButton(shown("Save (F2)"), id="save")
                yield TextButton(shown("Test connection (F5)"), id="test")
        yield TrialPane()
        yield AnswerPrompt()

    @property
    def unsaved(self) -> str:
        if not self.draft.changed and self.draft.name in ("", self._known_as, self._first_name):
            return ""
        return f"your changes to profile {self.draft.name}" if self.draft.name else "the new profile"

    def on_mount(self) -> None:
        """Focus the first field that needs a value."""
        self._entries = {field.key: field for field in self.query(FormField)}
        self._fold(bool(set(self.draft.typed) & set(self.draft.kind.more)))
        self._redraw()
        wanted = [field for field in self._shown() if self._problem(field.key)]
        (wanted or self._shown())[0].entry().focus()

    def _shown(self) -> list[FormField]:
        return [field for field in self._entries.values() if field.display]

    # --- typing -----------------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, event: FormField.Changed) -> None:
        name, value, draft = event.field.key, event.field.value, self.draft
        if name == "name":
            draft.name = value.strip()
        elif name == SECRET:
            draft.password = value
        elif name == WHERE:
            draft.where = value
        elif name == PLACE:
            draft.place, draft.password = value, ""
            self._entries[SECRET].value = ""
        else:
            draft.type(name, value)
        self._service_problems.clear()
        self._redraw()
        self._ask_soon()

    @on(events.DescendantFocus)
    def _explain(self, event: events.DescendantFocus) -> None:
        field = _field_of(event.widget)
        self.say(shown(help_of(field.key), "$secondary") if field is not None else shown(""))

    @on(events.DescendantBlur)
    def _left(self, event: events.DescendantBlur) -> None:
        """Show the problem of a required field that was left empty."""
        field = _field_of(event.widget)
        if field is not None and field.is_attached:
            field.show_problem(touched=True)

    # --- what is wrong ----------------------------------------------------------------------

    def _problem(self, name: str) -> str:
        """What is wrong with a field of the form, or ""."""
        return self._problems.get(field_of(name), "") if needed(name, self.draft) and name != PLACE else ""

    def _redraw(self) -> None:
        """Show the problems of touched fields, and hide fields that are not needed."""
        self._problems = self._service_problems | self.draft.problems()
        warnings = self.draft.warnings()
        for name, field in self._entries.items():
            field.display = needed(name, self.draft)
            if name == WHERE:
                field.rename(WHERE_LABELS.get(self.draft.place, ""))
            if name in FIELD and FIELD[name].type == "flag":
                field.say(f"! {warnings[name]}" if name in warnings else "", "$warning")
            else:
                field.show_problem()

    def _ask_soon(self) -> None:
        """Let the service check the form after typing pauses. It knows used names and existing files."""
        if self._check is not None:
            self._check.stop()
        self._check = self.set_timer(SOON, self._ask)

    def _ask(self) -> None:
        if self.draft.problems():
            return
        request = self._check_request()
        self.muniment.engine.ask(self, request, Problems, self._checked, failed=lambda _: None, lane="check")

    def _check_request(self, version: str = "") -> CheckProfile:
        draft = self.draft
        fields = draft.source_fields()
        if draft.password:
            fields["password"] = {"file": "not kept yet"}
        new = draft.new or draft.name != self._known_as
        return CheckProfile(name=draft.name, fields=fields, new=new, password=draft.password, version=version)

    def _checked(self, answer: Problems) -> None:
        self._service_problems = dict(answer.problems)
        self._redraw()

    def _is_whole(self) -> bool:
        """Whether all fields are valid. If not, focus the first wrong one."""
        self._redraw()
        wrong = [field for field in self._shown() if self._problem(field.key)]
        for field in wrong:
            field.show_problem(touched=True)
        if not wrong:
            return True
        first = wrong[0]
        if first.key in self.draft.kind.more:
            self._fold(True)
        first.entry().focus()
        self.muniment.tell(f"{first.label}: {first.problem}", "warning")
        return False

    # --- actions ----------------------------------------------------------------------------

    @on(TextButton.Pressed)
    async def _pressed(self, event: TextButton.Pressed) -> None:
        call = {"fold": "more"}.get(event.press.id or "", event.press.id)
        await self.muniment.run_action(str(call), self)

    def action_more(self) -> None:
        """Show or hide more options."""
        self._fold(not self.query_one("#more").display)

    def _fold(self, unfold: bool) -> None:
        for more in self.query("#more"):
            more.display = unfold
            labels = ", ".join(field.label for field in folded(self.draft.kind))
            text = "▾ More options (F4)" if unfold else f"▸ More options (F4): {labels}"
            self.query_one("#fold", TextButton).say(shown(text))

    def action_test(self) -> None:
        """Test the profile with the settings in the form."""
        if self._is_whole():
            fields, password = self.draft.source_fields(), self.draft.password
            self.query_one(TrialPane).start(
                TestProfile(name=self.draft.name, fields=fields, password=password)
            )

    @on(TrialPane.Pinned)
    def _pin(self, event: TrialPane.Pinned) -> None:
        self._fold(True)
        pinned = self._entries["fingerprint"]
        pinned.value = event.fingerprint
        self.query_one(TrialPane).action_close()
        pinned.entry().focus()
        self.muniment.tell("The fingerprint is now in the form. Test again, then save.")

    @on(TrialPane.Closed)
    def _tried(self) -> None:
        if _field_of(self.focused) is None:
            self._shown()[0].entry().focus()

    def action_save(self) -> None:
        """Save the profile. If it was not tested, ask first whether it runs automatically."""
        draft = self.draft
        if not self._is_whole():
            return
        if not draft.enabled:
            self._save(draft.version)
            return
        request = self._check_request(draft.version)
        engine = self.muniment.engine
        engine.ask(self, request, Problems, self._ask_to_run, failed=self._refused, lane="save")

    def _ask_to_run(self, answer: Problems) -> None:
        """Save, or ask whether an untested profile runs automatically."""
        draft = self.draft
        if answer.problems or answer.tested:  # the service refuses problems when it saves
            self._save(draft.version)
            return
        every = draft.text("every")
        words = joined(
            (f"{draft.name} was not tested. ", "bold $warning"),
            (f"Run it automatically every {every} s?", "bold"),
            (" Archived mail is deleted at the source." if draft.deletes else "", "$warning"),
        )
        choices = {"run": lambda: self._save_to_run(True), "by-hand": lambda: self._save_to_run(False)}
        self.query_one(AnswerPrompt).ask(words, choices, "Keep editing")

    def _save_to_run(self, by_itself: bool) -> None:
        self.draft.runs = by_itself
        self._save(self.draft.version)

    def _save(self, version: str) -> None:
        draft = self.draft
        if not draft.new and draft.name != self._known_as:
            rename = RenameProfile(name=self._known_as, to=draft.name, version=version)
            self.muniment.engine.ask(self, rename, Done, self._renamed, failed=self._refused, lane="save")
            return
        request = PutProfile(
            name=draft.name,
            fields=draft.changes(),
            new=draft.new,
            version=version,
            password=draft.password,
            keep=draft.keep,
        )
        self.muniment.engine.ask(self, request, Done, self._saved, failed=self._refused, lane="save")

    def _renamed(self, done: Done) -> None:
        """Save the other changes after the profile was renamed."""
        self._known_as = self.draft.name
        if self.draft.changed:
            self.muniment.engine.ask(self, ListProfiles(), Profiles, self._compare, lane="save")
        else:
            self._saved(done)

    def _saved(self, done: Done) -> None:
        app = self.muniment
        self.dismiss(self.draft.name)
        app.tell(done.message)
        for warning in done.warnings:
            app.tell(warning, "warning")

    def _refused(self, error: MunimentError) -> None:
        if isinstance(error, SettingsChanged):
            self.muniment.engine.ask(self, ListProfiles(), Profiles, self._compare, lane="save")
        else:
            self.muniment.refuse(error)

    # --- a change by hand ---------------------------------------------------------------------

    def _compare(self, profiles: Profiles) -> None:
        """Save if the file's changes are elsewhere. Otherwise show both changes and ask."""
        now = next((one for one in profiles.profiles if one.name == self._known_as), None)
        if self.draft.new or (now is not None and not conflict.differences(self.draft, now.fields)):
            self._save(profiles.version)
            return
        fields = now.fields if now else None
        choices: dict[str, Callable[[], object]] = {"overwrite": lambda: self._keep(fields, profiles.version)}
        if now is not None:
            choices["file"] = lambda: self._reload(now.fields, profiles.version)
        self.query_one(AnswerPrompt).ask(conflict.question(self.draft, fields), choices, "Keep editing")

    def _keep(self, now: dict[str, Any] | None, version: str) -> None:
        """Save the form's changes. Other changes in the file stay."""
        self.draft.new, self.draft.version = now is None, version
        self._save(version)

    def _reload(self, now: dict[str, Any], version: str) -> None:
        """Start again with the file's settings."""
        self.draft = ProfileDraft(self.draft.kind, self._known_as, now, new=False, version=version)
        self._service_problems.clear()
        self.run_worker(self.recompose_inside(), exclusive=True)

    async def recompose_inside(self) -> None:
        """Draw the form from its draft."""
        await self.recompose()
        self.on_mount()
        self.muniment.tell("The form now shows the settings in vault.toml.")

    # --- leaving ----------------------------------------------------------------------------

    def action_back(self) -> None:
        """Leave the form, after a question about unsaved changes."""
        if self.unsaved:
            self.ask_to_leave(lambda: self.dismiss(None))
        else:
            super().action_back()

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask what to do with unsaved changes. `leave` is called if they may be lost."""
        choices = {"save": self.action_save, "discard": leave}
        if self.muniment.read_only:
            del choices["save"]
        self.query_one(AnswerPrompt).ask(
            shown(f"Leave without saving {self.unsaved}?", "bold"), choices, "Stay"
        )


def _field_of(widget: Widget | None) -> FormField | None:
    """The field that contains a widget."""
    return next((node for node in widget.ancestors if isinstance(node, FormField)), None) if widget else None
