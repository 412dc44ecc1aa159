"""The right half of the Setup screen: state, guide, fields and command of one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message

from muniment.api import SetupField, SetupStep
from muniment_tui.setup import step_text
from muniment_tui.terminal.safe_text import block, shown
from muniment_tui.widgets.field import ChoiceField, Form, FormField, TextField
from muniment_tui.widgets.text import FittedText, TextLines

OPEN = {"microsoft-365": "Microsoft 365", "exchange-server": "Exchange Server"}
"""Texts for choices whose value is not readable."""


class StepPage(VerticalScroll, can_focus=True):
    """A step of the checklist. `show` fills the page; `Edited` is posted when a field changes."""

    HELP = (
        "The instructions for this step, with your own values filled in. Tab goes to the fields. F2, or "
        "Enter in the last field, saves them in vault.toml."
    )
    BINDINGS: ClassVar[list[Any]] = []
    DEFAULT_CSS = """
    StepPage { padding: 0 1; scrollbar-gutter: stable; overflow-x: hidden; }
    StepPage > TextLines { height: auto; margin-bottom: 1; }
    StepPage > #command { background: $surface; padding: 0 1; }
    StepPage > #language { margin-bottom: 0; }
    StepPage > Form { height: auto; padding: 0; margin-bottom: 1; }
    StepPage FormField .label { width: 15; }
    StepPage FormField > .hint { padding: 0 0 0 16; }
    """

    class Edited(Message):
        """The user changed a field."""

        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

    class Entered(Message):
        """Enter was pressed in the last field."""

    def __init__(self) -> None:
        super().__init__()
        self.step: SetupStep | None = None

    def compose(self) -> ComposeResult:
        """All parts. Parts that a step does not have are hidden."""
        yield TextLines(id="standing")
        yield Form()
        yield FittedText(id="guide")
        yield TextLines(id="language")
        yield TextLines(id="command")

    # --- filling ------------------------------------------------------------------------------

    async def show(self, step: SetupStep, drafts: Mapping[str, str], checked: bool = False) -> None:
        """Show a step. Unsaved text is kept. With `checked`, the verdict is shown elsewhere."""
        another = self.step is None or self.step.key != step.key
        before, self.step = self.step, step
        self._say("#standing", step_text.standing(step, checked))
        guide = self.query_one("#guide", FittedText)
        guide.display = bool(step.guide)
        guide.fit(lambda width: step_text.guide(step, width))
        self._say(
            "#language", shown(step_text.LANGUAGES.get(step.language, ""), "$secondary"), bool(step.command)
        )
        self._say("#command", block(step.command.rstrip("\n")))
        if another or before is None or _shape(before) != _shape(step):
            await self._rebuild(step, drafts)
        else:
            self._refill(step, drafts)
        if another:
            self.scroll_to(y=0, animate=False, immediate=True)

    async def say(self, words: Content) -> None:
        """Show text in place of a step."""
        self.step = None
        self.query_one("#guide").display = False
        for part in ("#language", "#command"):
            self._say(part, Content())
        self._say("#standing", words)
        if self.query_one(Form).fields:
            await self.query_one(Form).remove_children()
        self.query_one(Form).display = False

    def _say(self, part: str, words: Content, seen: bool = True) -> None:
        line = self.query_one(part, TextLines)
        line.display = seen and bool(words.plain)
        line.say(words)

    async def _rebuild(self, step: SetupStep, drafts: Mapping[str, str]) -> None:
        """Replace the fields. The focus stays on its field if that still exists."""
        form = self.query_one(Form)
        focused = next((field.key for field in form.fields if field.entry().has_focus), "")
        await form.remove_children()
        await form.mount(*(_field(one, drafts.get(one.name, one.value)) for one in step.fields))
        form.display = bool(step.fields)
        for field in form.fields:
            if field.key == focused:
                field.entry().focus()

    def _refill(self, step: SetupStep, drafts: Mapping[str, str]) -> None:
        stated = {one.name: one for one in step.fields}
        for field in self.query_one(Form).fields:  # empty if the app is closing
            one = stated[field.key]
            wanted = drafts.get(one.name, one.value)
            if field.value != wanted and not field.entry().has_focus:
                field.value = wanted

    def put_back(self) -> None:
        """Show the saved values again, also in the field that has the focus."""
        saved = {one.name: one.value for one in self.step.fields} if self.step is not None else {}
        for field in self.query_one(Form).fields:
            field.value = saved.get(field.key, field.value)

    # --- what is typed --------------------------------------------------------------------------

    @on(FormField.Changed)
    def _typed(self, event: FormField.Changed) -> None:
        event.stop()
        if self.step is not None:
            self.post_message(self.Edited(self.step.key))

    @on(Form.Submitted)
    def _done(self, event: Form.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered())

    @property
    def values(self) -> dict[str, str]:
        """The current values of the fields, by name."""
        return self.query_one(Form).values

    def start(self) -> None:
        """Focus the first field, or the page if there is none."""
        if self.query_one(Form).fields:
            self.query_one(Form).start()
        else:
            self.focus()


def _shape(step: SetupStep) -> Iterable[object]:
    return [(one.name, one.choices) for one in step.fields]


def _field(one: SetupField, value: str) -> FormField:
    if one.choices:
        offered = [(choice, OPEN.get(choice, choice)) for choice in one.choices]
        return ChoiceField(one.name, one.label, offered, value)
    return TextField(one.name, one.label, value, hint=one.hint)
