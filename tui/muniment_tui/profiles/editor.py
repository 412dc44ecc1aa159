"""The fields of a profile, with its test and its questions, for a screen of its own or inside another.

`form.ProfileForm` is that screen, and Setup embeds the same editor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer

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
from muniment.profiles.fields import FIELD
from muniment.profiles.registry import KIND
from muniment.profiles.source_kind import asked, folded
from muniment_tui.actions.registry import Action, actions
from muniment_tui.profiles import conflict
from muniment_tui.profiles.draft import ProfileDraft
from muniment_tui.profiles.form_parts import ButtonForm, TextButton
from muniment_tui.profiles.layout import (
    KIND_FIELD,
    PLACE,
    SECRET,
    WHERE,
    field_of,
    form_fields,
    help_of,
    kind_field,
    name_field,
    needed,
    place_hint,
    secret_label,
    title,
)
from muniment_tui.profiles.trial import TrialPane
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.answers import AnswerPrompt
from muniment_tui.widgets.field import FormField, TextField, field_around
from muniment_tui.widgets.text import FittedText, TextLines, nothing
from muniment_tui.widgets.typed_values import WHERE_LABELS

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp

SOON = 0.4
"""How long typing must pause before the service checks the form, in seconds."""


class ProfileEditor(Vertical):
    """The form of one profile. Posts `Saved` after it is saved."""

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
    ProfileEditor { height: 1fr; }
    ProfileEditor #above { height: auto; margin: 0 0 1 0; }
    ProfileEditor #below { height: auto; margin: 1 0 0 0; }
    ProfileEditor #title { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ProfileEditor ButtonForm { height: 1fr; }
    ProfileEditor #more { display: none; height: auto; }
    ProfileEditor #buttons { height: 1; margin: 1 0 0 25; }
    ProfileEditor #buttons TextButton { margin: 0 2 0 0; }
    ProfileEditor #fold { margin: 1 0 0 0; width: 100%; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    class Saved(Message):
        """The profile was saved."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(
        self, draft: ProfileDraft, kinds: Sequence[str] = (), *, above: Content | None = None
    ) -> None:
        """Make the form of a draft.

        Args:
            draft: the profile.
            kinds: the kinds of source that a new profile can have; one or none offers no choice.
            above: text above the fields, which scrolls with them.
        """
        super().__init__()
        self.draft = draft
        self._kinds = tuple(kinds) if draft.new and len(kinds) > 1 else ()
        self._above = above or Content()
        self._below: Callable[[int], Content] = nothing
        self._first_name = draft.name
        self._known_as = "" if draft.new else draft.name
        """The profile's name in vault.toml; "" for a new profile."""
        self._entries: dict[str, FormField] = {}
        self._service_problems: dict[str, str] = {}
        """Problems that only the service can find, by field."""
        self._problems: dict[str, str] = {}
        self._check: Timer | None = None
        self._here: Callable[[], bool] = lambda: False

    @property
    def muniment(self) -> MunimentApp:
        """The app, with its own type."""
        return cast("MunimentApp", self.app)

    def compose(self) -> ComposeResult:
        """The fields, the pane for the test, and the pane for questions."""
        draft = self.draft
        yield TextLines(title(draft), id="title")
        with ButtonForm():
            yield TextLines(self._above, id="above")
            if self._kinds:
                yield kind_field(draft, self._kinds)
            yield name_field(draft, self._problem)
            yield from form_fields(draft, asked(draft.kind), self._problem)
            if draft.kind.more:
                yield TextButton(id="fold")
                with Vertical(id="more"):
                    yield from form_fields(draft, folded(draft.kind), self._problem)
            with Horizontal(id="buttons"):
                yield TextButton(shown("Save (F2)"), id="save")
                yield TextButton(shown("Test connection (F5)"), id="test")
            yield FittedText(id="below")
        yield TrialPane()
        yield AnswerPrompt()

    @property
    def unsaved(self) -> str:
        """The changes that leaving would lose, as a phrase; "" if there are none."""
        if not self.draft.changed and self.draft.name in ("", self._known_as, self._first_name):
            return ""
        return f"your changes to profile {self.draft.name}" if self.draft.name else "the new profile"

    def on_mount(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._entries = {field.key: field for field in self.query(FormField)}
        self._fold(bool(set(self.draft.typed) & set(self.draft.kind.more)))
        self.explain(self._above, self._below)
        self._redraw()

    def start(self) -> None:
        """Focus the first field that needs a value."""
        wanted = [field for field in self._shown() if self._problem(field.key)]
        (wanted or self._shown())[0].entry().focus()

    def explain(self, above: Content, below: Callable[[int], Content]) -> None:
        """Set the texts above and below the fields, such as the guide of Setup; that is made for a width."""
        self._above, self._below = above, below
        for line in self.query("#above").results(TextLines):
            line.say(above)
            line.display = bool(above.plain)
        for text in self.query("#below").results(FittedText):
            text.fit(below)
            text.display = below is not nothing

    def _shown(self) -> list[FormField]:
        return [field for field in self._entries.values() if field.display]

    # --- typing -----------------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, event: FormField.Changed) -> None:
        name, value, draft = event.field.key, event.field.value, self.draft
        event.stop()
        draft.runs = None  # an answer is for what was asked
        if name == KIND_FIELD:
            self._change_kind(value)
            return
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
        field = field_around(event.widget)
        words = shown(help_of(field.key), "$secondary") if field is not None else shown("")
        cast("FrameScreen", self.screen).say(words)

    @on(events.DescendantBlur)
    def _left(self, event: events.DescendantBlur) -> None:
        """Show the problem of a required field that was left empty."""
        field = field_around(event.widget)
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
            if name == PLACE:
                field.rename(f"{secret_label(self.draft)} kept in")
            if name == SECRET and isinstance(field, TextField):
                field.rename(secret_label(self.draft))
                field.suggest(place_hint(self.draft))
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

    def _check_request(self, version: str = "", *, saving: bool = False) -> CheckProfile:
        """The check of the form. The check before saving finds a renamed profile by its former name."""
        draft = self.draft
        fields = draft.source_fields()
        if draft.password:
            fields["password"] = {"file": "not kept yet"}
        new = draft.new or (draft.name != self._known_as and not saving)
        name = self._known_as if saving and not draft.new else draft.name
        return CheckProfile(name=name, fields=fields, new=new, password=draft.password, version=version)

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
        if field_around(self.screen.focused) is None:
            self._shown()[0].entry().focus()

    def action_save(self) -> None:
        """Check the profile where the service is, and save it. If it was not tested, ask before."""
        self._here = cast(FrameScreen, self.screen).still_here()
        self._check_to_save()

    def _check_to_save(self) -> None:
        self._service_problems.clear()  # the service judges again
        if self._is_whole():
            request = self._check_request(self.draft.version, saving=True)
            engine = self.muniment.engine
            engine.ask(self, request, Problems, self._ask_to_run, failed=self._refused, lane="save")

    def _ask_to_run(self, answer: Problems) -> None:
        """Save, show what the service finds wrong, or ask whether an untested profile runs automatically."""
        draft = self.draft
        self._service_problems = dict(answer.problems)
        if not self._is_whole():
            return
        if not draft.enabled or answer.tested or draft.runs is not None:
            self._save(draft.version)
            return
        if not self._here():
            self.muniment.tell(f"{draft.name} was not tested: F2 asks whether it runs automatically.")
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
            renamed = partial(self._renamed, draft.name)
            self.muniment.engine.ask(self, rename, Done, renamed, failed=self._refused, lane="save")
            return
        request = PutProfile(
            name=draft.name,
            fields=draft.changes(),
            new=draft.new,
            version=version,
            password=draft.password,
            keep=draft.keep,
        )
        notice = f"Profile {draft.name} {'added' if draft.new else 'changed'}. {self._schedule()}"
        entered = draft.entered

        def saved(done: Done) -> None:
            if self.draft.entered == entered:
                self._saved(notice, done.warnings)
                return
            go_on = partial(self._go_on, request, notice)
            self.muniment.engine.ask(self, ListProfiles(), Profiles, go_on, lane="save")

        self.muniment.engine.ask(self, request, Done, saved, failed=self._refused, lane="save")

    def _schedule(self) -> str:
        draft = self.draft
        if draft.enabled and draft.runs is not False:
            return f"It runs automatically every {draft.text('every')} s."
        return "It runs by hand only."

    def _go_on(self, sent: PutProfile, notice: str, profiles: Profiles) -> None:
        """Keep the form open, with what was typed while it was saved."""
        now = next((one for one in profiles.profiles if one.name == sent.name), None)
        self._known_as = sent.name
        if now is not None and now.source == self.draft.kind.name:
            self.draft.go_on(now.fields, profiles.version, sent.password)
            self._entries[SECRET].value = self.draft.password
        self._redraw()
        self.muniment.tell(f"{notice} What you typed meanwhile is not saved: F2 saves it.", "warning")

    def _renamed(self, name: str, done: Done) -> None:
        """Save the other changes after the profile was renamed."""
        self._known_as = name
        if self.draft.changed or self.draft.runs is not None or self.draft.name != name:
            self.muniment.engine.ask(self, ListProfiles(), Profiles, self._compare, lane="save")
        else:
            self._saved(done.message)

    def _saved(self, notice: str, warnings: Sequence[str] = ()) -> None:
        self.post_message(self.Saved(self.draft.name))
        self.muniment.tell(notice)
        for warning in warnings:
            self.muniment.tell(warning, "warning")

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
            self.draft.version = profiles.version
            self._check_to_save()
            return
        if not self._here():
            self.muniment.tell(conflict.CHANGED, "warning")
            return
        fields = now.fields if now else None
        choices: dict[str, Callable[[], object]] = {"overwrite": lambda: self._keep(fields, profiles.version)}
        if now is not None:
            choices["file"] = lambda: self._reload(now.fields, profiles.version)
        self.query_one(AnswerPrompt).ask(conflict.question(self.draft, fields), choices, "Keep editing")

    def _keep(self, now: dict[str, Any] | None, version: str) -> None:
        """Save the form's changes. Other changes in the file stay."""
        self.draft.new, self.draft.version = now is None, version
        if now is None:
            self._known_as = ""
        else:
            self.draft.rebase(now)
        self.action_save()

    def _reload(self, now: dict[str, Any], version: str) -> None:
        """Start again with the file's settings."""
        self.draft = ProfileDraft(self.draft.kind, self._known_as, now, new=False, version=version)
        self._draw_again("The form now shows the settings in vault.toml.")

    def _change_kind(self, kind: str) -> None:
        """Take another kind of source."""
        self.draft = self.draft.of_kind(KIND[kind])
        self._draw_again()

    def _draw_again(self, notice: str = "") -> None:
        """Draw the form from its draft."""
        self._service_problems.clear()

        async def draw() -> None:
            focused = next((name for name, one in self._entries.items() if one.entry().has_focus), "")
            await self.recompose()
            self._begin()
            if focused in self._entries:
                self._entries[focused].entry().focus()
            else:
                self.start()
            if notice:
                self.muniment.tell(notice)

        self.call_later(draw)

    # --- leaving ----------------------------------------------------------------------------

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask what to do with unsaved changes. `leave` is called if they may be lost."""
        choices = {"save": self.action_save, "discard": leave}
        if self.muniment.read_only:
            del choices["save"]
        self.query_one(AnswerPrompt).ask(
            shown(f"Leave without saving {self.unsaved}?", "bold"), choices, "Stay"
        )
