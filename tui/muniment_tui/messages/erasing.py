"""The erasure of messages: what it would take, its basis, a question that names the count, its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from muniment.api import CheckErasure, Erase, Erasure, ErasurePreview, RefusedErasure, Step, WireWord
from muniment.errors import MunimentError
from muniment.system.formatting import count, local, size
from muniment_tui.actions.registry import Action, actions
from muniment_tui.acts.form_screen import FormScreen
from muniment_tui.acts.running_work import RunningWork
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import line
from muniment_tui.widgets.field import Form, TextField
from muniment_tui.widgets.pane import Pane
from muniment_tui.widgets.text import TextLines

NAMED = 20
"""Most messages that are named."""
STOPPED = "What is erased stays erased."


class EraseScreen(FormScreen):
    """The erasure of some messages. It closes by Esc."""

    HELP = (
        "All copies go: journal reports, forks, attachments that no other mail has, and what search holds. "
        "The ledger keeps time, size and hash of each record, who erased it and why. Mail under a legal hold "
        "or a retention rule stays. Where two persons are needed, another "
        "administrator approves it in Rules (9)."
    )
    SUBMITS = "erase"
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action("erasure.erase", "f2", "Erase", "Ask, and erase the messages.", footer=8, changes=True),
            Action("erasure.stop", "f8", "Stop", "Stop the erasure after the batch in hand.", footer=10),
        )
    ]
    DEFAULT_CSS = """
    EraseScreen #basis-pane { height: 6; }
    EraseScreen #about TextLines { height: auto; padding: 0 1; }
    """

    def __init__(self, ids: Sequence[str], ended: Callable[[], object]) -> None:
        """`ids` are those of the messages; `ended` is called after an erasure."""
        super().__init__()
        self._ids = tuple(ids)
        self._ended = ended
        self._preview: ErasurePreview | None = None
        self._work: RunningWork | None = None
        self._pending: PendingRequest | None = None

    def inside(self) -> Iterable[Widget]:
        basis = TextField(
            "basis", "Legal basis", hint="GDPR Art. 17, request of 2026-11-30. Kept for ever.",
            check=lambda typed: "" if typed.strip() else "Type the legal basis or the reason",
        )  # fmt: skip
        yield Pane(shown("Erase"), Form(basis), id="basis-pane")
        yield Pane(shown("What it takes"), VerticalScroll(TextLines(id="said")), id="about")

    def on_mount(self) -> None:
        """Find out what the erasure would take."""
        super().on_mount()
        self._say(line("running", "Looking at the messages …", "bold"))
        self.muniment.engine.ask(
            self, CheckErasure(ids=self._ids), ErasurePreview, self._looked, failed=self._not_looked
        )

    @property
    def loss(self) -> str:
        return "the basis of an erasure"

    @property
    def leave_question(self) -> str:
        return "The erasure goes on or stops by itself; leave?" if self.sent else "Leave without erasing?"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available: erasing before it has begun, stopping while it runs."""
        if action == "stop":
            return self._work is not None
        if action == "erase":
            return self._work is None
        return super().check_action(action, parameters)

    def _say(self, words: Content) -> None:
        self.query_one("#said", TextLines).say(words)

    def _looked(self, preview: ErasurePreview) -> None:
        self._preview = preview
        self._say(Content("\n").join([_preview_line(preview), *_refusals(preview.refused)]))

    def _not_looked(self, error: MunimentError) -> None:
        self._say(line("failed", str(error), "$error"))

    def action_erase(self) -> None:
        """Ask, and erase the messages."""
        preview = self._preview
        if self.sent or self.form.problems():
            return
        if preview is None or not preview.messages:
            self.muniment.tell("There is nothing that may be erased.", "warning")
            return
        basis = self.form.values["basis"].strip()
        words = joined(
            ("Erase ", ""), (_messages(preview.messages), "bold $error"),
            (f" ({size(preview.bytes)} in {count(preview.copies)} copies) for ever? ", ""),
            ("Nothing brings them back.", "$secondary"),
        )  # fmt: skip
        request = Erase(ids=self._ids, basis=basis)
        self.confirm(words, lambda: self._begin(request), phrase=f"erase {preview.messages}")

    def _begin(self, request: Erase) -> None:
        self.sent, self._work = True, RunningWork("Erasure", STOPPED)
        self._pending = self.muniment.engine.stream(
            self, request, self._came, ended=self._over, failed=self._failed
        )
        self._draw()

    def _draw(self) -> None:
        if self._work is not None:
            self._say(self._work.drawn(self.size.width - 6, key="F8"))
        self.refresh_bindings()

    def _came(self, word: WireWord) -> None:
        if isinstance(word, Step) and self._work is not None:
            self._work.take(word)
            self._draw()
        elif isinstance(word, Erasure):
            self.first, self.sent = self.form.values, False  # it is recorded, so leaving loses nothing
            self._preview = None
            self._say(_result(word))
            self.muniment.tell(word.message or f"{_messages(word.messages)} erased.")

    def _over(self) -> None:
        self.sent, self._work, self._pending = False, None, None
        self.refresh_bindings()
        self._ended()

    def _failed(self, error: MunimentError) -> None:
        self._say(line("failed", str(error), "$error"))
        self._over()

    def action_stop(self) -> None:
        """Stop the erasure after the batch in hand."""
        if self._work is not None and self._pending is not None:
            self._pending.cancel()
            self._say(line("stopped", self._work.stopped, "bold"))
            self._over()


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


def _preview_line(preview: ErasurePreview) -> Content:
    if not preview.messages:
        return line("warning", "Nothing of it may be erased.", "bold")
    dates = f"{local(preview.oldest)} to {local(preview.newest)}"
    words = f", dated {dates}, with {count(preview.copies)} copies of {size(preview.bytes)}."
    return joined((_messages(preview.messages), "bold"), (words, ""))


def _refusals(refused: Sequence[RefusedErasure]) -> Iterable[Content]:
    for one in refused[:NAMED]:
        yield joined((one.id[:12], "bold"), (f" stays: {one.reason}", ""))
    if len(refused) > NAMED:
        yield shown(f"and {count(len(refused) - NAMED)} more stay", "$secondary")


def _result(found: Erasure) -> Content:
    if found.approval:
        return line("warning", found.message, "bold")
    lines = [line("ok", f"{_messages(found.messages)} erased: {count(found.erased)} records.", "bold")]
    if found.traces:
        lines.append(shown(f"Also removed: {found.traces}."))
    lines += [shown(f"Certificate: muniment certificate {record}", "$secondary") for record in found.records]
    if found.needed:
        words = f"{_messages(found.needed)} are still stored as attachments of other mail: erase it as well."
        lines.append(line("warning", words))
    return Content("\n").join([*lines, *_refusals(found.refused)])
