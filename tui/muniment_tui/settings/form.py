"""The form of one group of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from muniment.api import CheckSettings, Done, GetSettings, Problems, PutSettings, VaultSettings
from muniment.errors import MunimentError, SettingsChanged
from muniment_tui.actions.registry import Action, actions
from muniment_tui.settings.draft import SettingsDraft, value_text
from muniment_tui.settings.layout import PLACE, SECRET, WHERE, form_fields, help_of, key_of, needed
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.answers import AnswerPrompt
from muniment_tui.widgets.field import Form, FormField, field_around
from muniment_tui.widgets.file_changes import conflict_text
from muniment_tui.widgets.text import TextLines
from muniment_tui.widgets.typed_values import WHERE_LABELS

SOON = 0.4
"""How long typing must pause before the service checks the form, in seconds."""
RIGHTS = "access"
"""The group whose changes give or take rights, so that saving asks first."""


class SettingsForm(FrameScreen):
    """The form of one group. Dismissed with True after it is saved."""

    AUTO_FOCUS = ""
    HELP = (
        "Settings of vault.toml. Enter and ↓ go to the next field, ↑ to the previous one; ← and → choose a "
        "value. Errors appear below a field as you type. Nothing is written until you save; comments in "
        "the file stay."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("form-settings.save", "f2", "Save", "Write the changes to vault.toml.", footer=7,
                changes=True),
            Action("form-settings.more", "f4", "More options", "Show or hide rarely used settings.",
                footer=5),
        )
    ]  # fmt: skip
    DEFAULT_CSS = """
    SettingsForm #title { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    SettingsForm Form { height: 1fr; padding: 1 0 0 1; }
    SettingsForm FormField > Horizontal, SettingsForm ChoiceLine { height: auto; text-wrap: wrap; }
    SettingsForm FormField > .hint { height: auto; text-wrap: wrap; }
    SettingsForm #more { display: none; height: auto; }
    SettingsForm #fold { margin: 1 0 0 0; text-wrap: nowrap; text-overflow: ellipsis; color: $secondary; }
    """

    def __init__(self, draft: SettingsDraft) -> None:
        super().__init__()
        self.draft = draft
        self._entries: dict[str, FormField] = {}
        self._service_problems: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._check: Timer | None = None
        self._here: Callable[[], bool] = lambda: False

    def inside(self) -> Iterable[Widget]:
        """The fields, and the pane for questions."""
        draft = self.draft
        yield TextLines(
            joined((draft.group.title, "bold"), (f"  {draft.group.help}", "$secondary")), id="title"
        )
        with Form():
            yield from form_fields(draft, False, self._problem)
            if any(word.more for word in draft.group.settings):
                yield TextLines(id="fold")
                with Vertical(id="more"):
                    yield from form_fields(draft, True, self._problem)
        yield AnswerPrompt()

    @property
    def unsaved(self) -> str:
        count = self.draft.changed
        return f"{_settings(count)} of {self.draft.group.title}" if count else ""

    def on_mount(self) -> None:
        """Focus the first field."""
        self._entries = {field.key: field for field in self.query(FormField)}
        self._fold(any(self.draft.words[key].more for key in self.draft.typed))
        self._redraw()
        for field in self._shown()[:1]:
            field.entry().focus()

    def _shown(self) -> list[FormField]:
        return [field for field in self._entries.values() if field.display]

    # --- typing -----------------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, event: FormField.Changed) -> None:
        name, value, draft = event.field.key, event.field.value, self.draft
        if name == SECRET:
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
        if self._check is not None:
            self._check.stop()
        self._check = self.set_timer(SOON, self._ask)

    @on(events.DescendantFocus)
    def _explain(self, event: events.DescendantFocus) -> None:
        field = field_around(event.widget)
        if field is not None:
            self.say(shown(help_of(field.key, self.draft), "$secondary"))

    @on(events.DescendantBlur)
    def _left(self, event: events.DescendantBlur) -> None:
        field = field_around(event.widget)
        if field is not None and field.is_attached:
            field.show_problem(touched=True)

    # --- what is wrong ----------------------------------------------------------------------

    def _problem(self, name: str) -> str:
        """What is wrong with a field of the form, or ""."""
        if not needed(name, self.draft) or name == PLACE:
            return ""
        return self._problems.get(key_of(name, self.draft), "")

    def _redraw(self) -> None:
        """Show the problems of touched fields, and hide fields that are not needed."""
        self._problems = self._service_problems | self.draft.problems()
        for name, field in self._entries.items():
            field.display = needed(name, self.draft)
            if name == WHERE:
                field.rename(WHERE_LABELS.get(self.draft.place, ""))
            field.show_problem()

    def _request(self) -> CheckSettings:
        draft = self.draft
        return CheckSettings(values=draft.changes(), password=draft.password, version=draft.version)

    def _ask(self) -> None:
        """Let the service check the form after typing pauses."""
        if not self.draft.problems():
            engine = self.muniment.engine
            engine.ask(self, self._request(), Problems, self._checked, failed=lambda _: None, lane="check")

    def _checked(self, answer: Problems) -> None:
        self._service_problems = dict(answer.problems)
        self._redraw()

    def _show_first(self) -> bool:
        """Focus the first wrong field; returns whether one of this form is wrong."""
        wrong = [field for field in self._shown() if self._problem(field.key)]
        for field in wrong:
            field.show_problem(touched=True)
        if not wrong:
            return False
        first = wrong[0]
        word = self.draft.words.get(key_of(first.key, self.draft))
        if word is not None and word.more:
            self._fold(True)
        first.entry().focus()
        named = first.problem.startswith(first.label)
        self.muniment.tell(first.problem if named else f"{first.label}: {first.problem}", "warning")
        return True

    # --- actions ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: more options only where there are some."""
        if action == "more":
            return any(word.more for word in self.draft.group.settings)
        return super().check_action(action, parameters)

    def action_more(self) -> None:
        """Show or hide more options."""
        for more in self.query("#more"):
            self._fold(not more.display)

    def _fold(self, unfold: bool) -> None:
        for more in self.query("#more"):
            more.display = unfold
            labels = ", ".join(word.label for word in self.draft.group.settings if word.more)
            text = "▾ More options (F4)" if unfold else f"▸ More options (F4): {labels}"
            self.query_one("#fold", TextLines).say(shown(text))

    def action_save(self) -> None:
        """Save the changes, after the service has checked them."""
        if not self.draft.changed:
            self.muniment.tell("Nothing was changed.")
            return
        self._here = self.still_here()
        self._check_to_save()

    def _check_to_save(self) -> None:
        self._redraw()
        if self._show_first():
            return
        engine = self.muniment.engine
        engine.ask(self, self._request(), Problems, self._save_checked, failed=self._refused, lane="save")

    def _save_checked(self, answer: Problems) -> None:
        self._checked(answer)
        if self._show_first():
            return
        others = {key: text for key, text in answer.problems.items() if key not in self.draft.words}
        if others:  # vault.toml can't be written as long as these are wrong
            key, sentence = next(iter(others.items()))
            self.muniment.tell(f"{key}: {sentence}", "error")
        elif self.draft.group.id == RIGHTS and self._here():
            self._confirm_rights()
        elif self.draft.group.id == RIGHTS:
            self.muniment.tell("The changes are checked: F2 asks whether to make them.")
        else:
            self._save(self.draft.version)

    def _confirm_rights(self) -> None:
        """Ask before rights change; name each change."""
        lines = [joined((f"Change {_settings(self.draft.changed)} of {self.draft.group.title}? ", "bold"))]
        for key, value in self.draft.changes().items():
            word = self.draft.words[key]
            new = value_text(word, word.default if value is None else value)
            lines.append(
                joined((f"{word.label}: ", "$secondary"), (value_text(word, word.value), ""), (" → ", ""),
                    (new, "bold $warning"))
            )  # fmt: skip
        self.confirm(Content("\n").join(lines), self._save_now)

    def _save_now(self) -> None:
        self._save(self.draft.version)

    def _save(self, version: str) -> None:
        draft = self.draft
        request = PutSettings(
            values=draft.changes(), password=draft.password, keep=draft.keep, version=version
        )
        saved = partial(self._saved, request, draft.entered)
        self.muniment.engine.ask(self, request, Done, saved, failed=self._refused, lane="save")

    def _saved(self, sent: PutSettings, entered: object, done: Done) -> None:
        app = self.muniment
        if self.draft.entered == entered:
            self.dismiss(True)
        else:
            go_on = partial(self._go_on, sent)
            app.engine.ask(self, GetSettings(), VaultSettings, go_on, lane="save")
        app.tell(done.message)
        for warning in done.warnings:
            app.tell(warning, "warning")

    def _go_on(self, sent: PutSettings, settings: VaultSettings) -> None:
        """Keep the form open, with what was typed while it was saved."""
        now = next(group for group in settings.groups if group.id == self.draft.group.id)
        self.draft.go_on(now, settings.version, sent.password)
        if SECRET in self._entries:
            self._entries[SECRET].value = self.draft.password
        self._redraw()
        self.muniment.tell("Saved. What you typed meanwhile is not saved: F2 saves it.", "warning")

    def _refused(self, error: MunimentError) -> None:
        if isinstance(error, SettingsChanged):
            engine = self.muniment.engine
            engine.ask(self, GetSettings(), VaultSettings, self._compare, lane="save")
        else:
            self.muniment.refuse(error)

    # --- a change by hand ---------------------------------------------------------------------

    def _compare(self, settings: VaultSettings) -> None:
        """Go on if the file's changes are elsewhere. Otherwise show both changes and ask."""
        now = next(group for group in settings.groups if group.id == self.draft.group.id)
        changes = self.draft.against(now.settings)

        def mine() -> None:
            self._here = self.still_here()
            save()

        def save() -> None:
            self.draft.version = settings.version
            self._check_to_save()

        def theirs() -> None:
            self.draft = SettingsDraft(now, settings.version)
            self._service_problems.clear()
            self.run_worker(self._recompose_form(), exclusive=True)

        if not changes:
            save()
            return
        if not self._here():
            self.muniment.tell("vault.toml was changed meanwhile: F2 shows what, and asks.", "warning")
            return
        choices: dict[str, Callable[[], object]] = {"overwrite": mine, "file": theirs}
        self.query_one(AnswerPrompt).ask(conflict_text(changes), choices, "Keep editing")

    async def _recompose_form(self) -> None:
        await self.recompose()
        self.on_mount()
        self.muniment.tell("The form now shows the settings in vault.toml.")

    # --- leaving ----------------------------------------------------------------------------

    def action_back(self) -> None:
        """Leave the form, after a question about unsaved changes."""
        if self.unsaved:
            self.ask_to_leave(lambda: self.dismiss(False))
        else:
            super().action_back()

    def ask_to_leave(self, leave: Callable[[], object]) -> None:
        """Ask what to do with unsaved changes. `leave` is called if they may be lost."""
        choices = {"save": self.action_save, "discard": leave}
        if self.muniment.read_only:
            del choices["save"]
        words = shown(f"Leave without saving {self.unsaved}?", "bold")
        self.query_one(AnswerPrompt).ask(words, choices, "Stay")


def _settings(count: int) -> str:
    return f"{count} {'setting' if count == 1 else 'settings'}"
