"""The pane that tests a profile. It shows each step and the server's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message

from muniment.api import Certificate, Done, Step, TestProfile, WireWord
from muniment.errors import MunimentError
from muniment.system.formatting import local_moment
from muniment_tui.actions.registry import Action, actions
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.text import TextLines

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


class TrialPane(Vertical, can_focus=True):
    """Shows a test of a profile. Hidden until a test is started."""

    HELP = (
        "The test connects to the mailbox and counts its messages. It fetches and deletes nothing. You can "
        "pin a certificate of an unknown issuer, after its owner has confirmed the fingerprint."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *actions(
            Action(
                "trial.close",
                "escape",
                "Close",
                "Close the test. A running test is stopped.",
                footer=9,
            ),
            Action(
                "trial.pin",
                "p",
                "Pin certificate",
                "Trust exactly this certificate. Its fingerprint is entered in the form.",
                footer=8,
            ),
        )
    ]
    DEFAULT_CSS = """
    TrialPane {
        display: none; height: auto; max-height: 12; overflow-y: auto; padding: 0 1; background: $surface;
        border-top: solid $border-blurred;
    }
    TrialPane:focus { border-top: solid $primary; }
    """

    class Pinned(Message):
        """The user trusts a certificate."""

        def __init__(self, fingerprint: str) -> None:
            super().__init__()
            self.fingerprint = fingerprint

    class Closed(Message):
        """The pane was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Content] = []
        self.refused: Certificate | None = None
        self._line: PendingRequest | None = None

    def compose(self) -> ComposeResult:
        yield TextLines()

    @property
    def running(self) -> bool:
        """Whether a test is running."""
        return self._line is not None

    def start(self, request: TestProfile) -> None:
        """Test a profile."""
        self.stop()
        self.lines, self.refused = [], None
        self.display = True
        self.focus()
        engine = cast("MunimentApp", self.app).engine
        self._line = engine.stream(self, request, self._came, ended=self._ended, failed=self._failed)
        self._draw()

    def stop(self) -> None:
        """Stop the running test."""
        if self._line is not None:
            self._line.cancel()
            self._line = None

    def on_unmount(self) -> None:
        self.stop()

    def _came(self, word: WireWord) -> None:
        if isinstance(word, Step):
            self.lines.append(_marked(word.text, word.ok))
        elif isinstance(word, Certificate):
            self.lines += _certificate(word)
            self.refused = None if word.trusted else word
            self.refresh_bindings()
        elif isinstance(word, Done):
            self.lines.append(joined(("✓ ", "bold $success"), (word.message, "bold")))
        self._draw()

    def _ended(self) -> None:
        self._line = None
        self._draw()

    def _failed(self, error: MunimentError) -> None:
        self._line = None
        self.lines.append(_marked(str(error), ok=False))
        if self.refused is not None:
            pin = "Press p to trust exactly this certificate, if its owner confirms the fingerprint."
            self.lines.append(joined(("! ", "bold $warning"), (pin, "$warning")))
        self._draw()

    def _draw(self) -> None:
        waiting = [shown("… test running; Esc stops it", "$secondary")] if self.running else []
        self.query_one(TextLines).say(Content("\n").join([*self.lines, *waiting]))
        self.call_after_refresh(self.scroll_end, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is available. Pinning needs a refused certificate."""
        return self.refused is not None if action == "pin" else True

    def action_pin(self) -> None:
        """Offer the refused certificate to the form, by `Pinned`; nothing is saved yet."""
        if self.refused is not None:
            self.post_message(self.Pinned(self.refused.fingerprint))

    def action_close(self) -> None:
        """Stop the test and hide the pane."""
        self.stop()
        self.display = False
        self.post_message(self.Closed())


def _marked(text: str, ok: bool) -> Content:
    sign = ("✓ ", "bold $success") if ok else ("✗ ", "bold $error")
    return joined(sign, (text, "" if ok else "$error"))


def _certificate(word: Certificate) -> list[Content]:
    expires = f"{local_moment(word.expires):%Y-%m-%d}" if word.expires else "?"
    issuer = "itself (self-signed)" if word.self_signed else word.issuer or "?"
    mark = ("  ", "") if word.trusted else ("! ", "bold $warning")
    return [
        joined(mark, (f"certificate of {word.subject or '?'}, until {expires}", "")),
        joined(("  ", ""), (f"issued by {issuer}", "")),
        joined(("  SHA-256 ", "$secondary"), (word.fingerprint, "")),
    ]
