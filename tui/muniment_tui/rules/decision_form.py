"""The form of a new decision, such as a grant or a hold. It asks before anything is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from msgspec.structs import replace
from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget

from muniment.api import Request, WireWord
from muniment.errors import MunimentError
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.form_screen import FormScreen
from muniment_tui.terminal.safe_text import shown
from muniment_tui.widgets.field import Check, Form, FormField, TextField
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines

Typed = dict[str, str]
"""The values of the form, without white space around them."""


def required(sentence: str) -> Check:
    """Return a check that refuses an empty value with a sentence."""
    return lambda typed: "" if typed.strip() else sentence


def reason_field() -> TextField:
    """Return the field of the reason, which each decision needs."""
    return TextField(
        "reason", "Reason", check=required("Type why"), hint="It is kept in the ledger and the audit trail."
    )


class DecisionForm(FormScreen):
    """A form. F2 asks, and records the decision if the user confirms. It closes once that is done."""

    HELP = "Fill in the fields. F2 asks before anything is recorded."
    SUBMITS = "record"
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("decision.record", "f2", "Record", "Ask, and record the decision.", footer=8, changes=True)
        )
    ]
    DEFAULT_CSS = """
    DecisionForm #about { height: auto; padding: 0 1 1 1; color: $secondary; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[FormField],
        request: Callable[[Typed], Request],
        question: Callable[[Typed], Content],
        reply: type[WireWord],
        made: Callable[[], object],
        about: str,
    ) -> None:
        """Make a form.

        Args:
            title: Its title.
            fields: Its fields; their names are the keys of what was typed.
            request: Makes the request. If it can be a dry run (`check`), that is sent before the question.
            question: Makes the question, which names what is decided.
            reply: The class of the reply, which has a `message` or none.
            made: Called once the decision is recorded.
            about: What such a decision does.
        """
        super().__init__()
        self._title, self._fields, self._about = title, tuple(fields), about
        self._request, self._question, self._reply, self._made = request, question, reply, made

    def inside(self) -> Iterable[Widget]:
        yield Pane(shown(self._title), TextLines(shown(self._about), id="about"), Form(*self._fields))

    @property
    def loss(self) -> str:
        return f"a {self._title.lower()}"

    @property
    def leave_question(self) -> str:
        return "It is being recorded; leave the form?" if self.sent else "Leave the form without recording?"

    def action_record(self) -> None:
        """Ask whether to record the decision, after a dry run where there is one."""
        form = self.form
        if self.sent or form.problems():
            return
        typed = {key: value.strip() for key, value in form.values.items()}
        request = self._request(typed)
        if not hasattr(request, "check"):
            self.ask_about(typed, request)
            return
        here = self.still_here()

        def tried(reply: WireWord) -> None:
            if here():
                self.ask_about(typed, request, reply, unasked=True)
            else:
                self.muniment.tell("Nothing is wrong with it: F2 asks whether to record it.")

        self.muniment.engine.ask(self, replace(request, check=True), self._reply, tried)

    def ask_about(
        self, typed: Typed, request: Request, tried: WireWord | None = None, unasked: bool = False
    ) -> None:
        """Ask whether to record a decision; `tried` is the reply to its dry run, if there was one."""
        self.confirm(self._question(typed), lambda: self.record(request), unasked=unasked)

    def record(self, request: Request) -> None:
        """Record the decision."""
        self.sent = True
        self.muniment.engine.ask(self, request, self._reply, self._recorded, failed=self._failed)

    def _recorded(self, reply: WireWord) -> None:
        self.sent = False
        self.muniment.tell(getattr(reply, "message", "") or "It is recorded.")
        self._made()
        self.dismiss()

    def _failed(self, error: MunimentError) -> None:
        self.sent = False
        self.muniment.refuse(error)
